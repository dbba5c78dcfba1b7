/// Decides which warnings and errors are written and which are only counted.
///
///     first ──────────────> written, a window opens (10 s)
///       same data again ──> counted for that data
///       other data ───────> written, up to 10 different ones; the rest is counted together
///     window over, something counted ──> one line for each count ("repeated 512 times"), a new window
///     window over, nothing counted ────> forgotten
///     an info of the same logger, route and client ──> what was counted of it is said before that, and forgotten: it may be over
///
/// No timer: time comes with the calls. A struct that decides: no clock, no I/O.
struct LogFold {
    /// What a folded line says about those that were not written.
    struct Repeats: Equatable, Sendable {
        let count: UInt64
        /// The data of the counted ones differed, so that only the message is common to them.
        let isVarious: Bool
        /// When the last of them was, by the clock of those who ask.
        var last: Int64
    }

    struct Summary: Equatable {
        let record: LogRecord
        let repeats: Repeats
    }

    static let window: Int64 = 10_000
    static let variants = 10
    /// Messages are constants in our own code, so this is a net under a message that is not.
    static let messages = 128

    private struct Key: Hashable {
        let level: LogLevel
        let label: String
        let message: String
    }

    fileprivate struct Entry {
        let opened: Int64
        var variants: [(data: [LogRecord.Field], count: UInt64, last: Int64)]
        var others: UInt64 = 0
        var lastOther: Int64 = 0

        var isQuiet: Bool { self.others == 0 && self.variants.allSatisfy { $0.count == 0 } }
    }

    private var entries: [Key: Entry] = [:]
    private var nextEnd = Int64.max

    /// True if the record is to be written now.
    mutating func admit(_ record: LogRecord, at now: Int64) -> Bool {
        guard record.level >= .warning else { return true }
        let key = Key(level: record.level, label: record.label, message: record.message)
        guard self.entries[key] != nil else {
            guard self.entries.count < Self.messages else { return true }
            self.entries[key] = Entry(opened: now, variants: [(record.data, 0, now)])
            self.nextEnd = min(self.nextEnd, now + Self.window)
            return true
        }
        return self.entries[key]!.admit(record.data, at: now)
    }

    /// The lines of the windows that are over; `all` closes every window, for the end of the process.
    mutating func summaries(at now: Int64, all: Bool = false) -> [Summary] {
        guard all || now >= self.nextEnd else { return [] }
        var result: [Summary] = []
        for (key, entry) in self.entries where all || now - entry.opened >= Self.window {
            if entry.isQuiet || all {
                self.entries[key] = nil
            } else {
                // What did not come again makes room for other data.
                self.entries[key] = Entry(opened: now, variants: entry.variants.filter { $0.count > 0 }.map { ($0.data, 0, $0.last) })
            }
            result += entry.summaries(key.level, key.label, key.message)
        }
        return self.ended(result)
    }

    /// What was counted, and is to be said before a record that may tell that it is over. Should it come again, it is new.
    mutating func summaries(before record: LogRecord) -> [Summary] {
        guard record.level == .info, self.entries.keys.contains(where: { $0.label == record.label }) else { return [] }
        func isOfTheSame(_ data: [LogRecord.Field]) -> Bool {
            ["route", "client"].allSatisfy { data.value(of: $0) == record[$0] }
        }
        var result: [Summary] = []
        for (key, entry) in self.entries where key.label == record.label {
            var told = entry, rest = entry
            told.others = 0
            told.variants = entry.variants.filter { isOfTheSame($0.data) }
            rest.variants = entry.variants.filter { !isOfTheSame($0.data) }
            result += told.summaries(key.level, key.label, key.message)
            self.entries[key] = rest.variants.isEmpty && rest.others == 0 ? nil : rest
        }
        return self.ended(result)
    }

    private mutating func ended(_ summaries: [Summary]) -> [Summary] {
        self.nextEnd = self.entries.values.map { $0.opened + Self.window }.min() ?? .max
        return summaries.sorted { ($0.record.label, $0.record.message) < ($1.record.label, $1.record.message) }
    }
}

extension LogFold.Entry {
    fileprivate mutating func admit(_ data: [LogRecord.Field], at now: Int64) -> Bool {
        if let index = self.variants.firstIndex(where: { $0.data == data }) {
            self.variants[index].count += 1
            self.variants[index].last = now
            return false
        }
        guard self.variants.count < LogFold.variants else {
            self.others += 1
            self.lastOther = now
            return false
        }
        self.variants.append((data, 0, now))
        return true
    }

    fileprivate func summaries(_ level: LogLevel, _ label: String, _ message: String) -> [LogFold.Summary] {
        var result = self.variants.filter { $0.count > 0 }.map { variant in
            LogFold.Summary(
                record: LogRecord(level, label, message, fields: variant.data),
                repeats: .init(count: variant.count, isVarious: false, last: variant.last))
        }
        if self.others > 0 {
            let repeats = LogFold.Repeats(count: self.others, isVarious: true, last: self.lastOther)
            result.append(.init(record: LogRecord(level, label, message), repeats: repeats))
        }
        return result
    }
}

extension [LogRecord.Field] {
    fileprivate func value(of key: String) -> String? { self.first { $0.key == key }?.value }
}
