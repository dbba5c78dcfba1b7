import ForebayCore

/// A registry: lines of words, kept in two files so that losing one loses nothing; each is replaced whole, and the newer one counts.
///
/// The last line is `crc32c`, of all bytes before it.
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
            let path = "\(directory)/\(name)"
            guard try disk.kind(of: path) == .file else {
                found.isWhole = false
                continue
            }
            found.isThere = true
            let file = try disk.open(path, [])
            guard let registry = Self(decoding: try file.bytesTolerant(at: 0, count: try file.size())) else {
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
        let bytes = self.encoded
        for name in Self.files {
            let new = "\(directory)/\(name).new"
            let file = try disk.open(new, [.write, .create, .truncate])
            try file.write(bytes, at: 0)
            try file.sync()
            let path = "\(directory)/\(name)"
            // A folder that somebody put there can't be replaced.
            if try disk.kind(of: path) == .folder { try Folder(disk).quarantine(path, of: directory) }
            try Folder(disk).rename(new, to: path)
        }
    }

    // MARK: Text

    static func encoded(_ lines: [String]) -> [UInt8] {
        let text = Array((lines.joined(separator: "\n") + "\n").utf8)
        let crc = text.withUnsafeBytes { SpoolFormat.crc($0) }
        return text + Array("crc32c \(String(crc, radix: 16))\n".utf8)
    }

    /// - Returns: of each line; none if the checksum is wrong.
    static func words(_ bytes: [UInt8]) -> [[Substring]]? {
        guard let text = String(validating: bytes, as: UTF8.self), text.hasSuffix("\n") else { return nil }
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
        guard let last = lines.popLast(), last.hasPrefix("crc32c "), let crc = UInt32(last.dropFirst(7), radix: 16) else { return nil }
        let covered = bytes.count - last.utf8.count - 1
        guard bytes.withUnsafeBytes({ SpoolFormat.crc($0.part(0, covered)) }) == crc else { return nil }
        return lines.map { $0.split(separator: " ") }
    }

    /// Version 1 took any route name.
    static func escaped(_ name: String) -> String {
        var text = ""
        for byte in name.utf8 {
            if byte > 0x20, byte < 0x7F, byte != UInt8(ascii: "%") {
                text.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                text += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
            }
        }
        return text
    }

    static func unescaped(_ text: Substring) -> String? {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            let digits = rest.prefix(2)
            guard digits.count == 2, let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 16) else { return nil }
            bytes.append(value)
            rest = rest.dropFirst(2)
        }
        return String(validating: bytes, as: UTF8.self)
    }
}
