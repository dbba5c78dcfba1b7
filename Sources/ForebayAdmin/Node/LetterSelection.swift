package import ForebayCore
import ForebayTelemetry

/// Which dead letters an operator means: all conditions must hold; of several values of one condition, one.
package struct LetterSelection: Sendable, Equatable {
    /// What is wrong with a condition.
    package struct Fault: Error, Sendable, Equatable {
        package let parameter: String
        /// As in "must be …".
        package let wanted: String
    }

    /// Of this route or stage alone; none: of all.
    package var delivery: DeliveryName?
    package var numbers: [ClosedRange<UInt64>] = []
    package var ids: Set<String> = []
    package var topics: Set<String> = []
    package var codes: Set<String> = []
    /// How long ago they were given up, at least and at most, ms.
    package var olderThan: Int64?
    package var newerThan: Int64?
    /// All of them are meant, on purpose.
    package var isAll = false
    /// Given up at this time at the latest, ms since 1970: what becomes a dead letter meanwhile is not meant.
    package var asOf: Int64?
    package var isDryRun = false
    /// What an earlier request had not come to: only that is looked at. Empty: all.
    package var rest: [Rest] = []

    /// The letters of one delivery that are still to be looked at.
    package struct Rest: Sendable, Equatable, CustomStringConvertible {
        package let delivery: DeliveryName
        package let numbers: Range<UInt64>

        package init(delivery: DeliveryName, numbers: Range<UInt64>) { (self.delivery, self.numbers) = (delivery, numbers) }

        /// `orders:500-9000`; the last number is not one of them.
        package var description: String { "\(self.delivery):\(self.numbers.lowerBound)-\(self.numbers.upperBound)" }

        init?(_ text: String) {
            guard let colon = text.lastIndex(of: ":") else { return nil }
            let ends = text[text.index(after: colon)...].split(separator: "-", omittingEmptySubsequences: false)
            guard ends.count == 2, let first = UInt64(digits: String(ends[0])), let end = UInt64(digits: String(ends[1])), first <= end
            else {
                return nil
            }
            self.init(delivery: DeliveryName(name: String(text[..<colon])), numbers: first..<end)
        }
    }

    package init() {}

    /// The names of the conditions, as parameters of a request; those that may be given several times.
    package static let parameters: Set<String> = [
        "delivery", "number", "id", "topic", "code", "older_than", "newer_than", "all", "as_of", "next", "dry_run",
    ]
    package static let repeatable: Set<String> = ["number", "id", "topic", "code", "next"]

    /// - Parameter pairs: of names in ``parameters``.
    package init(_ pairs: [(name: String, value: String)]) throws(Fault) {
        for (name, value) in pairs { try self.take(name, value) }
        if !self.isAll, self.numbers.isEmpty, self.ids.isEmpty, self.topics.isEmpty, self.codes.isEmpty, self.olderThan == nil,
            self.newerThan == nil
        {
            throw Fault(
                parameter: "all",
                wanted: "true where no other condition says which dead letters are meant: number, id, topic, code, older_than or newer_than"
            )
        }
        if self.isAll, !self.numbers.isEmpty || !self.ids.isEmpty {
            throw Fault(parameter: "all", wanted: "left out beside number or id, which name single ones")
        }
        guard self.numbers.isEmpty || self.delivery != nil else {
            throw Fault(parameter: "delivery", wanted: "given with number: each route counts its own")
        }
    }

    private mutating func take(_ name: String, _ value: String) throws(Fault) {
        switch name {
        case "delivery":
            guard !value.isEmpty else { throw Fault(parameter: name, wanted: "a route, or ROUTE/STAGE") }
            self.delivery = DeliveryName(name: value)
        case "number":
            for part in value.split(separator: ",", omittingEmptySubsequences: false) { self.numbers.append(try Self.range(part)) }
        case "id": self.ids.insert(value)
        case "topic": self.topics.insert(value)
        case "code": self.codes.insert(value)
        case "older_than": self.olderThan = try Self.duration(name, value)
        case "newer_than": self.newerThan = try Self.duration(name, value)
        case "all": self.isAll = try Self.all(value)
        case "dry_run": self.isDryRun = try Self.flag(name, value)
        case "as_of":
            guard let time = UInt64(digits: value), time <= Int64.max else {
                throw Fault(parameter: name, wanted: "milliseconds since 1970, as an answer has them")
            }
            self.asOf = Int64(time)
        case "next":
            guard let rest = Rest(value) else { throw Fault(parameter: name, wanted: "one of those in the answer before") }
            self.rest.append(rest)
        default: throw Fault(parameter: name, wanted: "left out: there is no such condition")
        }
    }

    private static func range(_ text: Substring) throws(Fault) -> ClosedRange<UInt64> {
        let ends = text.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false).map { UInt64(digits: String($0)) }
        guard let first = ends[0], let last = ends[ends.count - 1], first <= last, last < .max else {
            throw Fault(parameter: "number", wanted: "numbers as the list has them, or ranges of them: 17,20-30")
        }
        return first...last
    }

    private static func duration(_ name: String, _ text: String) throws(Fault) -> Int64 {
        guard let duration = DurationText.parse(text) else {
            throw Fault(parameter: name, wanted: "a duration such as 2h (units ms, s, m, h, d)")
        }
        return Int64(duration)
    }

    /// An empty one is a script's whose variable is not set: it must not mean all.
    static func all(_ text: String) throws(Fault) -> Bool {
        guard !text.isEmpty else { throw Fault(parameter: "all", wanted: "true or false") }
        return try Self.flag("all", text)
    }

    static func flag(_ name: String, _ text: String) throws(Fault) -> Bool {
        switch text {
        case "true", "": return true
        case "false": return false
        default: throw Fault(parameter: name, wanted: "true or false")
        }
    }

    // MARK: Deciding

    /// The numbers that are meant, where nothing else says which: also those of letters that can't be read. None: something else does.
    /// They don't overlap.
    package var places: [Range<UInt64>]? {
        guard self.ids.isEmpty, self.topics.isEmpty, self.codes.isEmpty, self.olderThan == nil, self.newerThan == nil else { return nil }
        if self.isAll { return [0..<(.max)] }
        return self.numbers.sorted { $0.lowerBound < $1.lowerBound }.reduce(into: []) { places, numbers in
            let start = max(numbers.lowerBound, places.last?.upperBound ?? 0)
            if start <= numbers.upperBound { places.append(start..<numbers.upperBound + 1) }
        }
    }

    /// - Parameters:
    ///   - number, topic, code, id: of a letter.
    ///   - at: when it was given up.
    ///   - now: ages are counted from here.
    package func holds(number: UInt64, topic: String, code: String, id: String, at: Int64, now: Int64) -> Bool {
        if let asOf, at > asOf { return false }
        if !self.numbers.isEmpty, !self.numbers.contains(where: { $0.contains(number) }) { return false }
        if !self.ids.isEmpty, !self.ids.contains(id) { return false }
        if !self.topics.isEmpty, !self.topics.contains(topic) { return false }
        if !self.codes.isEmpty, !self.codes.contains(code) { return false }
        let (age, isBeyond) = now.subtractingReportingOverflow(at)
        guard !isBeyond else { return false }
        if let olderThan, age < olderThan { return false }
        if let newerThan, age > newerThan { return false }
        return true
    }

    /// In words, for the log: `topic=orders older_than=2h`.
    package var text: String {
        var words: [String] = []
        if let delivery { words.append("delivery=\(delivery)") }
        if !self.numbers.isEmpty {
            let texts = self.numbers.prefix(20).map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }
            words.append("number=" + texts.joined(separator: ",") + (self.numbers.count > 20 ? ",…" : ""))
        }
        for (name, values) in [("id", self.ids), ("topic", self.topics), ("code", self.codes)] where !values.isEmpty {
            words.append("\(name)=" + values.sorted().prefix(5).joined(separator: ",") + (values.count > 5 ? ",…" : ""))
        }
        if let olderThan { words.append("older_than=\(DurationText.text(milliseconds: Int(olderThan)))") }
        if let newerThan { words.append("newer_than=\(DurationText.text(milliseconds: Int(newerThan)))") }
        if self.isAll { words.append("all") }
        return words.joined(separator: " ")
    }
}

/// What is done with dead letters.
package enum LetterAction: String, Sendable {
    case replay, remove

    /// `replayed`.
    package var done: String { self == .replay ? "replayed" : "removed" }
}
