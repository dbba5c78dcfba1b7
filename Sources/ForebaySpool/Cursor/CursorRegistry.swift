import ForebayCore

/// The log's id, and every cursor that was made and not given up: what a file that is gone, or can't be read, was. Kept in two files, so
/// that losing one loses nothing; each is replaced whole.
///
///     forebay-registry 3                                   the version of the format; 2: slots may tell no kinds
///     log 8N1ZQ5F3W7YKD2RC
///     generation 12
///     kind spool                                           not in version 2
///     origin 0B7K3V9QXH2M5TWA                              only since the newest segment was lost once: what ids of new events begin with
///     begun 1099511627850 4                                where sequences went on then, and the number of the segment behind the lost one
///     incomplete                                           made anew from the cursors' files, by a start that has not come to its end
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

    /// Where sequences went on behind a newest segment that was lost, and the number of the first segment that could have them.
    struct Begun: Equatable, Sendable {
        var sequence: UInt64
        var segment: UInt64
    }

    static let files = ["registry", "registry.copy"]
    private static let title = "forebay-registry"

    /// Of the format, 2 or 3.
    var version = SpoolFormat.version
    var log: SpoolID
    /// What the log is for; none: the registry does not tell.
    var kind: LogKind?
    /// What the ids of new events begin with, where it is not the newest segment's origin any more.
    var origin: SpoolID?
    /// At the last start without the newest segment.
    var begun: Begun?
    /// It was made anew from the cursors' files, and no start has come to its end since: there may be events that no cursor counts.
    var isIncomplete = false
    var generation: UInt64 = 0
    var cursors: [Entry] = []
    var forgotten: [String: UInt64] = [:]

    init(log: SpoolID, kind: LogKind? = nil) {
        self.log = log
        self.kind = kind
    }

    /// Every slot of the log tells its kind: one that does not is none.
    var hasKinds: Bool { self.version > 2 }

    func entry(_ name: String) -> Entry? { self.cursors.first { $0.name == name } }

    mutating func put(_ entry: Entry) {
        self.remove(entry.name)
        self.forgotten[entry.name] = nil
        self.cursors.append(entry)
    }

    mutating func remove(_ name: String) {
        self.cursors.removeAll { $0.name == name }
    }

    /// What was given up, and no other cursor counts: nobody waits for it.
    var givenUp: [LossCount.Party] {
        let counted = Set(self.cursors.flatMap(\.routes))
        var parties: [LossCount.Party] = []
        for (name, sequence) in self.forgotten {
            let stage = CursorSet.stage(of: name)
            for route in CursorSet.routes(ofName: name) where !counted.contains(route) {
                // Given up under two names it is settled once.
                if let place = parties.firstIndex(where: { $0.stage == stage && $0.routes == [route] }) {
                    parties[place].sequence = max(parties[place].sequence, sequence)
                } else {
                    parties.append(LossCount.Party(stage: stage, routes: [route], sequence: sequence, ordinal: nil))
                }
            }
        }
        return parties
    }

    // MARK: On disk

    var encoded: [UInt8] {
        var lines = ["\(Self.title) \(self.version)", "log \(self.log)", "generation \(self.generation)"]
        if let kind { lines.append("kind \(kind.rawValue)") }
        if let origin { lines.append("origin \(origin)") }
        if let begun { lines.append("begun \(begun.sequence) \(begun.segment)") }
        if self.isIncomplete { lines.append("incomplete") }
        for cursor in self.cursors {
            lines.append(
                (["cursor", CheckedText.escaped(cursor.name)] + cursor.routes.map { String($0.rawValue, radix: 16) }).joined(separator: " ")
            )
        }
        for (name, sequence) in self.forgotten.sorted(by: { $0.key < $1.key }) {
            lines.append("forgotten \(CheckedText.escaped(name)) \(sequence)")
        }
        return CheckedText.encode(lines)
    }

    /// None if it is not whole.
    init?(decoding bytes: [UInt8]) {
        guard let words = CheckedText.decode(bytes) else { return nil }
        guard words.count >= 3, words[0].count == 2, words[0][0] == Self.title, let version = UInt32(words[0][1]),
            (2...3).contains(version),
            words[1].count == 2, words[1][0] == "log", let log = CheckedText.spoolID(words[1][1]),
            words[2].count == 2, words[2][0] == "generation", let generation = UInt64(words[2][1]),
            generation < SpoolFormat.highestMark
        else { return nil }
        self.version = version
        self.log = log
        self.generation = generation
        for line in words.dropFirst(3) {
            guard let word = line.first, self.take(word, line.dropFirst()) else { return nil }
        }
    }

    /// - Returns: false: that can't be. A word that is not known is a later version's, which lets it be passed over.
    private mutating func take(_ word: Substring, _ rest: ArraySlice<Substring>) -> Bool {
        let words = Array(rest)
        switch word {
        case "kind":
            guard words.count == 1, let kind = LogKind(rawValue: String(words[0])) else { return false }
            self.kind = kind
        case "origin":
            guard words.count == 1, let origin = CheckedText.spoolID(words[0]) else { return false }
            self.origin = origin
        case "begun":
            let numbers = words.compactMap { UInt64($0) }.filter { $0 < SpoolFormat.highestMark / 2 }
            guard words.count == 2, numbers.count == 2 else { return false }
            self.begun = Begun(sequence: numbers[0], segment: numbers[1])
        case "incomplete":
            guard words.isEmpty else { return false }
            self.isIncomplete = true
        case "cursor":
            let routes = words.dropFirst().compactMap { UInt64($0, radix: 16).map(RouteID.init(rawValue:)) }
            guard let name = words.first.flatMap(CheckedText.unescaped), !routes.isEmpty, routes.count == words.count - 1 else {
                return false
            }
            self.cursors.append(Entry(name: name, routes: routes))
        case "forgotten":
            guard words.count == 2, let name = CheckedText.unescaped(words[0]), let sequence = UInt64(words[1]) else { return false }
            self.forgotten[name] = sequence
        default: break
        }
        return true
    }
}
