import ForebayCore

/// A registry: lines of words as ``CheckedText`` keeps them, in two files of which the newer one counts.
protocol RegistryText: Sendable {
    /// In their folder.
    static var files: [String] { get }
    /// Rises with each writing.
    var generation: UInt64 { get set }
    var encoded: [UInt8] { get }
    /// None if it is not whole.
    init?(decoding bytes: [UInt8])
}

/// What the two files of a registry say.
struct FoundRegistry<Registry: RegistryText>: Sendable {
    /// None: neither can be read.
    var registry: Registry?
    /// At least one of them is there.
    var isThere: Bool
    /// Both are there, sound and equal.
    var isWhole: Bool
}

extension RegistryText {
    typealias Found = FoundRegistry<Self>

    static func read(_ disk: any Disk, of directory: String) throws(ForebayError) -> Found {
        var found = Found(registry: nil, isThere: false, isWhole: true)
        var generations: Set<UInt64> = []
        for name in Self.files {
            guard let bytes = try CheckedText.bytes(of: "\(directory)/\(name)", disk) else {
                found.isWhole = false
                continue
            }
            found.isThere = true
            guard let registry = Self(decoding: bytes) else {
                found.isWhole = false
                continue
            }
            generations.insert(registry.generation)
            if registry.generation > found.registry?.generation ?? 0 { found.registry = registry }
        }
        if generations.count > 1 { found.isWhole = false }
        return found
    }

    /// Makes both files say this, durably, one after the other.
    mutating func write(_ disk: any Disk, to directory: String) throws(ForebayError) {
        self.generation += 1
        try CheckedText.write(self.encoded, to: Self.files, in: directory, disk)
    }
}
