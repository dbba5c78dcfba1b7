import ForebayCore

/// What was told of a log's losses and damage, and what of it somebody has acknowledged. Damage that took no events is mended by the start
/// that finds it, and not told of again.
struct AlarmRecord: Equatable, Sendable {
    /// Not acknowledged.
    var missing: [MissingRange] = []
    var alarms: [SpoolAlarm] = []
    /// Ranges that are told of no more: a start, or another reader, may come to them again.
    var acknowledged: [MissingRange] = []
    /// The same of files.
    var acknowledgedAlarms: [SpoolAlarm] = []
    /// What cursors have passed of files that are gone: it is not delivered any more when they are had back.
    var passed: [PassedRange] = []
    /// How often something was told of, ever.
    var losses: UInt64 = 0

    /// Sequences that can't be read, acknowledged or not.
    var holes: [Range<UInt64>] { (self.missing + self.acknowledged).filter { $0.unit == nil }.map(\.sequences) }

    /// - Returns: whether that is news.
    mutating func add(_ passed: PassedRange) -> Bool {
        let known = self.passed.filter { $0.routes == passed.routes }.map(\.sequences)
        let new = passed.sequences.parts(without: known).map { PassedRange(sequences: $0, routes: passed.routes) }
        self.passed += new
        return !new.isEmpty
    }

    /// What was passed of holes that are none any more says nothing. What a file had that is gone as a whole, nobody knows.
    mutating func dropPassed() {
        guard !(self.alarms + self.acknowledgedAlarms).contains(where: { $0.holdsEvents && $0.log == nil }) else { return }
        let holes = self.holes
        self.passed.removeAll { passed in !holes.contains { $0.overlaps(passed.sequences) } }
    }

    mutating func add(_ missing: MissingRange) {
        // Frame by frame a whole segment may be lost: that is one range.
        if let last = self.missing.last, let joined = last.joined(with: missing) {
            self.missing[self.missing.count - 1] = joined
        } else {
            self.missing.append(missing)
        }
    }

    mutating func acknowledgeAll() {
        self.acknowledged += self.missing
        self.acknowledgedAlarms += self.alarms.filter(\.holdsEvents)
        (self.missing, self.alarms) = ([], [])
    }
}

/// Sequences that a cursor was before, and is behind, without having read them.
struct PassedRange: Equatable, Sendable {
    var sequences: Range<UInt64>
    /// Whose events the cursor counts.
    var routes: [RouteID]
}

/// Where a log keeps its ``AlarmRecord``: text with a checksum in two files.
///
///     forebay-alarms 1
///     log 8N1ZQ5F3W7YKD2RC
///     generation 3
///     losses 5                                                how often something was told of, ever
///     lost 7 9 2 3 8192 - 1764335462000 the%20checksum%20…      first sequence, end, events, segment, position, unit, noticed at, reason
///     gone 4 6 1 2 0 5 1764335461000 a%20segment%20is%20gone orders   the same, where a file that is gone had them; the unit's topic
///     damaged 1764335460000 segments/… neither%20copy%20of%20…  noticed at, file, what is wrong, and the id of a log that is gone
///     seen-lost, seen-gone, seen-damaged                        as above, of what was acknowledged
///     passed 4 6 9d5c0a1f2b3e4d6a                               first sequence, end, and the routes of a cursor that went over it unread
///     crc32c 5f0e2a91                                           of all bytes before this line
struct AlarmFile: Sendable {
    static let names = ["alarms", "alarms.copy"]
    private static let title = ["forebay-alarms", "1"]
    /// More ranges that can't be read are not kept: a disk that loses so much has been told of. One lost segment may hurt as many units as
    /// there may be.
    static let limit = 12_000

    let disk: any Disk
    let directory: String
    let log: SpoolID
    /// Tries a write again with the reserve.
    let budget: SpoolBudget?

    struct Found {
        /// None: neither file is there and can be read.
        var record: AlarmRecord?
        /// One of them can't be read, or says something else.
        var isDamaged: Bool
        fileprivate var generation: UInt64
    }

    func read() throws(ForebayError) -> Found {
        var found = Found(record: nil, isDamaged: false, generation: 0)
        var count = 0
        for name in Self.names {
            guard let bytes = try CheckedText.bytes(of: "\(self.directory)/\(name)", self.disk) else { continue }
            count += 1
            guard let (record, generation) = self.decode(bytes) else {
                found.isDamaged = true
                continue
            }
            if found.record != nil, generation != found.generation { found.isDamaged = true }
            if found.record == nil || generation > found.generation { (found.record, found.generation) = (record, generation) }
        }
        if count == 1 { found.isDamaged = true }
        return found
    }

    /// Durable on return.
    func write(_ record: AlarmRecord) throws(ForebayError) {
        let bytes = self.encode(record, generation: try self.read().generation + 1)
        guard let budget else { return try CheckedText.write(bytes, to: Self.names, in: self.directory, self.disk) }
        try budget.withReserve { () throws(ForebayError) in
            try CheckedText.write(bytes, to: Self.names, in: self.directory, self.disk)
        }
    }

    private func encode(_ record: AlarmRecord, generation: UInt64) -> [UInt8] {
        var lines = [Self.title.joined(separator: " "), "log \(self.log)", "generation \(generation)"]
        if record.losses > 0 { lines.append("losses \(record.losses)") }
        lines += Self.kept(record.missing).map { self.line($0.isGone ? "gone" : "lost", $0) }
        lines += Self.kept(record.acknowledged.reversed()).reversed().map { self.line($0.isGone ? "seen-gone" : "seen-lost", $0) }
        lines += record.alarms.filter(\.holdsEvents).prefix(Self.limit).map { self.line("damaged", $0) }
        lines += record.acknowledgedAlarms.suffix(Self.limit).map { self.line("seen-damaged", $0) }
        lines += record.passed.suffix(Self.limit).map { passed in
            (["passed", "\(passed.sequences.lowerBound)", "\(passed.sequences.upperBound)"]
                + passed.routes.map { String($0.rawValue, radix: 16) }).joined(separator: " ")
        }
        if record.missing.count > Self.limit {
            lines.append(
                self.line(
                    "damaged",
                    SpoolAlarm(
                        file: "\(self.directory)/segments", text: "more was lost than is kept here: the log of that time names it",
                        noticedAt: record.missing[Self.limit].noticedAt)))
        }
        return CheckedText.encode(lines)
    }

    /// By what says that a segment is gone, it is known should it come back: all of that.
    private static func kept(_ missing: [MissingRange]) -> [MissingRange] {
        var left = Self.limit
        return missing.filter { missing in
            if missing.isGone, missing.unit == nil { return true }
            left -= 1
            return left >= 0
        }
    }

    private func line(_ word: String, _ missing: MissingRange) -> String {
        let numbers = [missing.sequences.lowerBound, missing.sequences.upperBound, missing.events, missing.segment].map { "\($0)" }
        return
            ([word] + numbers
            + ["\(missing.position)", missing.unit.map { "\($0)" } ?? "-", "\(missing.noticedAt)", CheckedText.escaped(missing.reason)]
            + (missing.topic.map { [CheckedText.escaped($0)] } ?? []))
            .joined(separator: " ")
    }

    /// With its place in the log's folder: that may be another one at the next start.
    private func line(_ word: String, _ alarm: SpoolAlarm) -> String {
        var file = alarm.file
        for (prefix, short) in self.places where file.hasPrefix(prefix) {
            file = short + file.dropFirst(prefix.count)
            break
        }
        let log = alarm.log.map { " \($0)" } ?? ""
        return "\(word) \(alarm.noticedAt) \(CheckedText.escaped(file)) \(CheckedText.escaped(alarm.text))\(log)"
    }

    /// What a file's path begins with, and what stands for that.
    private var places: [(prefix: String, short: String)] {
        [("\(self.directory)/", ""), ("\(Folder.parent(of: self.directory))/", "../")]
    }

    private func decode(_ bytes: [UInt8]) -> (record: AlarmRecord, generation: UInt64)? {
        guard let words = CheckedText.decode(bytes), words.count >= 3, words[0].map(String.init) == Self.title, words[1].count == 2,
            words[1][0] == "log", CheckedText.spoolID(words[1][1]) == self.log, words[2].count == 2, words[2][0] == "generation",
            let generation = UInt64(words[2][1]), generation < SpoolFormat.highestMark
        else { return nil }
        var record = AlarmRecord()
        for line in words.dropFirst(3) {
            switch line.first {
            case "passed":
                guard let passed = Self.passed(line) else { return nil }
                record.passed.append(passed)
            case "losses":
                guard line.count == 2, let losses = UInt64(line[1]), losses < SpoolFormat.highestMark else { return nil }
                record.losses = losses
            case "damaged", "seen-damaged":
                guard let alarm = self.alarm(line) else { return nil }
                if line[0] == "damaged" { record.alarms.append(alarm) } else { record.acknowledgedAlarms.append(alarm) }
            case "lost", "gone", "seen-lost", "seen-gone":
                guard let missing = Self.missing(line) else { return nil }
                if line[0].hasPrefix("seen") { record.acknowledged.append(missing) } else { record.missing.append(missing) }
            case nil: return nil
            default: continue  // A later version's, which lets it be passed over.
            }
        }
        return (record, generation)
    }

    private func alarm(_ words: [Substring]) -> SpoolAlarm? {
        guard (4...5).contains(words.count), let at = Self.time(words[1]), var file = CheckedText.unescaped(words[2]),
            let text = CheckedText.unescaped(words[3])
        else { return nil }
        let log = words.count == 5 ? CheckedText.spoolID(words[4]) : nil
        guard words.count == 4 || log != nil else { return nil }
        if !file.hasPrefix("/"), let place = self.places.last(where: { file.hasPrefix($0.short) }) {
            file = place.prefix + file.dropFirst(place.short.count)
        }
        return SpoolAlarm(file: file, text: text, holdsEvents: true, log: log, noticedAt: at)
    }

    private static func missing(_ words: [Substring]) -> MissingRange? {
        guard (9...10).contains(words.count), let position = Int(words[5]), position >= 0, let at = self.time(words[7]),
            let reason = CheckedText.unescaped(words[8])
        else { return nil }
        let numbers = words[1...4].compactMap { UInt64($0) }.filter { $0 <= SpoolFormat.highestSequence }
        let unit = UInt64(words[6])
        let topic = words.count == 10 ? CheckedText.unescaped(words[9]) : nil
        guard words.count == 9 || topic != nil && unit != nil else { return nil }
        guard numbers.count == 4, numbers[0] <= numbers[1], numbers[2] <= numbers[1] - numbers[0], words[6] == "-" || unit != nil else {
            return nil
        }
        var missing = MissingRange(
            sequences: numbers[0]..<numbers[1], segment: numbers[3], position: position, reason: reason, unit: unit, topic: topic,
            events: numbers[2], isGone: words[0].hasSuffix("gone"))
        missing.noticedAt = at
        return missing
    }

    private static func passed(_ words: [Substring]) -> PassedRange? {
        guard words.count > 3, let first = UInt64(words[1]), let end = UInt64(words[2]), first <= end, end <= SpoolFormat.highestSequence
        else { return nil }
        let routes = words[3...].compactMap { UInt64($0, radix: 16).map(RouteID.init(rawValue:)) }
        return routes.count == words.count - 3 ? PassedRange(sequences: first..<end, routes: routes) : nil
    }

    private static func time(_ word: Substring) -> Int64? { Int64(word).flatMap { SpoolFormat.isTime($0) ? $0 : nil } }
}
