import ForebayCore

/// The log's id, and every cursor that was made and not given up: what a file that is gone, or can't be read, was. Kept in two files, so
/// that losing one loses nothing; each is replaced whole.
///
///     forebay-registry 2
///     log 8N1ZQ5F3W7YKD2RC
///     generation 12
///     origin 0B7K3V9QXH2M5TWA                              only since the newest segment was lost once: what ids of new events begin with
///     cursor forward/orders 9d5c0a1f2b3e4d6a               its name, and the ids of the routes whose events it counts
///     cursor forward/bills 17f20e9d3c4b5a68 44aa01b2c3d4e5f6
///     forgotten forward/old 81920                          given up at this sequence: what lies below never comes back
///     crc32c 5f0e2a91                                      of all bytes before this line
struct CursorRegistry: Equatable, Sendable {
    struct Entry: Equatable, Sendable {
        /// `forward/orders`.
        var name: String
        var routes: [RouteID]
    }

    static let files = ["registry", "registry.copy"]
    private static let title = "forebay-registry 2"

    var log: SpoolID
    /// What the ids of new events begin with, where it is not the newest segment's origin any more.
    var origin: SpoolID?
    var generation: UInt64 = 0
    var cursors: [Entry] = []
    var forgotten: [String: UInt64] = [:]

    init(log: SpoolID) {
        self.log = log
    }

    func entry(_ name: String) -> Entry? { self.cursors.first { $0.name == name } }

    mutating func put(_ entry: Entry) {
        self.remove(entry.name)
        self.forgotten[entry.name] = nil
        self.cursors.append(entry)
    }

    mutating func remove(_ name: String) {
        self.cursors.removeAll { $0.name == name }
    }

    // MARK: On disk

    /// What the two files say.
    struct Found: Sendable {
        /// None: neither can be read.
        var registry: CursorRegistry?
        /// At least one of them is there.
        var isThere: Bool
        /// Both are there, sound and equal.
        var isWhole: Bool
    }

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
            guard let registry = CursorRegistry(decoding: try file.bytesTolerant(at: 0, count: try file.size())) else {
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
            try Folder(disk).rename(new, to: "\(directory)/\(name)")
        }
    }

    var encoded: [UInt8] {
        var lines = [Self.title, "log \(self.log)", "generation \(self.generation)"]
        if let origin { lines.append("origin \(origin)") }
        for cursor in self.cursors {
            lines.append(
                (["cursor", Self.escaped(cursor.name)] + cursor.routes.map { String($0.rawValue, radix: 16) }).joined(separator: " "))
        }
        for (name, sequence) in self.forgotten.sorted(by: { $0.key < $1.key }) {
            lines.append("forgotten \(Self.escaped(name)) \(sequence)")
        }
        let text = Array((lines.joined(separator: "\n") + "\n").utf8)
        let crc = text.withUnsafeBytes { SpoolFormat.crc($0) }
        return text + Array("crc32c \(String(crc, radix: 16))\n".utf8)
    }

    /// None if it is not whole.
    init?(decoding bytes: [UInt8]) {
        guard let text = String(validating: bytes, as: UTF8.self), text.hasSuffix("\n") else { return nil }
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
        guard let last = lines.popLast(), last.hasPrefix("crc32c "), let crc = UInt32(last.dropFirst(7), radix: 16) else { return nil }
        let covered = bytes.count - last.utf8.count - 1
        guard bytes.withUnsafeBytes({ SpoolFormat.crc($0.part(0, covered)) }) == crc else { return nil }
        let words = lines.map { $0.split(separator: " ") }
        guard words.count >= 3, words[0].joined(separator: " ") == Self.title, words[1].count == 2, words[1][0] == "log",
            words[1][1].utf8.count == SpoolID.length, words[2].count == 2, let generation = UInt64(words[2][1])
        else { return nil }
        self.log = Array(words[1][1].utf8).withUnsafeBytes { SpoolID(characters: $0) }
        self.generation = generation
        for line in words.dropFirst(3) {
            if line.count == 2, line[0] == "origin", line[1].utf8.count == SpoolID.length {
                self.origin = Array(line[1].utf8).withUnsafeBytes { SpoolID(characters: $0) }
                continue
            }
            guard line.count >= 3, let name = Self.unescaped(line[1]) else { return nil }
            if line[0] == "cursor" {
                let routes = line.dropFirst(2).compactMap { UInt64($0, radix: 16).map(RouteID.init(rawValue:)) }
                guard routes.count == line.count - 2 else { return nil }
                self.cursors.append(Entry(name: name, routes: routes))
            } else if line[0] == "forgotten", let sequence = UInt64(line[2]) {
                self.forgotten[name] = sequence
            } else {
                return nil
            }
        }
    }

    /// Version 1 took any route name.
    private static func escaped(_ name: String) -> String {
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

    private static func unescaped(_ text: Substring) -> String? {
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
