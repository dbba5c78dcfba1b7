package import ForebayCore
package import ForebayTelemetry

/// What is done with what is set aside, and of which units.
package struct AsideSelection: Sendable, Equatable {
    package enum Action: Sendable, Equatable {
        case remove
        /// To this topic.
        case move(String)

        /// `removed`.
        package var done: String { self == .remove ? "removed" : "moved" }
    }

    /// Of this route, or stage of it, alone; none: of all.
    package var route: String?
    /// None: of all topics.
    package var topic: String?
    /// None: the whole topic, with those of its partitions that are units of their own.
    package var partition: Int32?
    package var isDryRun = false

    package init() {}

    package static let parameters: Set<String> = ["route", "unit", "all", "dry_run"]

    /// - Parameter pairs: of names in ``parameters``; others are passed over.
    package init(_ pairs: [(name: String, value: String)]) throws(LetterSelection.Fault) {
        var isAll = false
        for (name, value) in pairs {
            switch name {
            case "route":
                guard !value.isEmpty else { throw LetterSelection.Fault(parameter: name, wanted: "a route") }
                self.route = value
            case "unit": try self.take(unit: value)
            case "all": isAll = try LetterSelection.all(value)
            case "dry_run": self.isDryRun = try LetterSelection.flag(name, value)
            default: continue
            }
        }
        guard isAll != (self.topic != nil) else {
            throw LetterSelection.Fault(
                parameter: isAll ? "all" : "unit",
                wanted: isAll ? "left out beside unit" : "a topic, or one partition of it as in orders/3; or all must be true, with a route"
            )
        }
        guard !isAll || self.route != nil else {
            throw LetterSelection.Fault(parameter: "route", wanted: "given with all: one route at a time")
        }
    }

    private mutating func take(unit: String) throws(LetterSelection.Fault) {
        let parts = unit.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let partition = parts.count > 1 ? UInt64(digits: parts[1]).flatMap { Int32(exactly: $0) } : nil
        guard !parts[0].isEmpty, parts.count == 1 || partition != nil else {
            throw LetterSelection.Fault(parameter: "unit", wanted: "a topic, or one partition of it as in orders/3")
        }
        (self.topic, self.partition) = (parts[0], partition)
    }

    /// In words, for messages: `orders/3`.
    package var unit: String? { self.topic.map { topic in self.partition.map { "\(topic)/\($0)" } ?? topic } }
}

/// What was done with what is set aside, or would be.
package struct AsideOutcome: Sendable, Equatable {
    package struct Unit: Sendable, Equatable {
        package let delivery: DeliveryName
        package let unit: String
        package let code: String
        package let events: UInt64
        /// Its route is not configured any more, so nobody delivers what stays of it.
        package let isOfRemoved: Bool

        package init(delivery: DeliveryName, unit: String, code: String, events: UInt64, isOfRemoved: Bool = false) {
            (self.delivery, self.unit, self.code, self.events) = (delivery, unit, code, events)
            self.isOfRemoved = isOfRemoved
        }
    }

    package let action: AsideSelection.Action
    package let isDryRun: Bool
    package var units: [Unit] = []

    package init(_ action: AsideSelection.Action, isDryRun: Bool) { (self.action, self.isDryRun) = (action, isDryRun) }

    package var events: UInt64 { self.units.reduce(0) { $0 + $1.events } }

    /// Units in one answer.
    private static let unitLimit = 5000

    /// What is answered; also what is told of a node that is down.
    package var document: JSONWriter {
        var json = JSONWriter(reserving: 1024)
        json.object {
            $0.field("dry_run", self.isDryRun)
            $0.field(self.action.done, self.events)
            if case .move(let topic) = self.action {
                $0.field("to", topic)
                $0.array("undelivered") { json in
                    for delivery in Set(self.units.filter(\.isOfRemoved).map(\.delivery)).sorted() { json.string(delivery.description) }
                }
            }
            $0.array("units") { json in
                for unit in self.units.prefix(Self.unitLimit) {
                    json.object {
                        $0.field("delivery", unit.delivery.description)
                        $0.field("unit", unit.unit)
                        $0.field("code", unit.code)
                        $0.field("events", unit.events)
                    }
                }
            }
        }
        return json
    }
}

/// What came of it.
package enum AsideAnswer: OperatorAnswer, Equatable {
    case done(AsideOutcome)
    case unknownRoute(String)
    /// Nothing of it is set aside.
    case nothing(AsideSelection)
    case invalidTopic(String)
    /// One of Kafka's own.
    case reservedTopic(String)
    /// Somebody else is at it, or at dead letters.
    case busy
    case stopping
    /// Moved, the order of the events would be lost; why, and what to do.
    case elsewhere(String)
    case starting
    /// It had to end early, with what was done until then.
    case failed(AsideOutcome, code: String, detail: String)

    package var result: Result<JSONWriter, Refusal> {
        switch self {
        case .done(let outcome): return .success(outcome.document)
        case .unknownRoute(let route): return .failure(Refusal(404, "unknown_route", "There is no route '\(route)'."))
        case .nothing(let selection):
            let what = selection.unit.map { "of '\($0)'" } ?? "at all"
            let place = selection.route.map { " of the route '\($0)'" } ?? ""
            return .failure(Refusal(404, "nothing_set_aside", "Nothing \(what)\(place) is set aside."))
        case .invalidTopic(let topic):
            let detail =
                "'\(topic)' is not a topic's name (letters, digits, '.', '_', '-', at most 249), or it is the one that they are in."
            return .failure(Refusal(400, "invalid_topic", detail))
        case .reservedTopic(let topic):
            let detail = "'\(topic)' is one of Kafka's own topics (names that begin with '__'), which take no events from outside."
            return .failure(Refusal(403, "reserved_topic", detail))
        case .busy:
            return .failure(Refusal(409, "setaside_busy", Refusal.busy))
        case .stopping: return .failure(.stopping)
        case .elsewhere(let detail): return .failure(Refusal(409, "set_aside_elsewhere", detail))
        case .starting: return .failure(Refusal(503, "starting", "The node is opening its disk."))
        case .failed(let outcome, let code, let detail):
            let done = outcome.events == 0 ? "Nothing was \(outcome.action.done)" : "Only \(outcome.events) were \(outcome.action.done)"
            return .failure(Refusal(afterError: code, "\(done): \(detail)."))
        }
    }
}
