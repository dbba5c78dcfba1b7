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
struct CursorRegistry: RegistryText, Equatable {
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
        return Self.encoded(lines)
    }

    /// None if it is not whole.
    init?(decoding bytes: [UInt8]) {
        guard let words = Self.words(bytes) else { return nil }
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
}
