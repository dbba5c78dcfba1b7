package import ForebayCore
package import ForebayTelemetry

/// What was done with dead letters, or would be.
package struct LetterOutcome: Sendable, Equatable {
    /// Of one topic, refused with one code.
    package struct Group: Sendable, Hashable {
        package let delivery: DeliveryName
        package let topic: String
        package let code: String

        package init(delivery: DeliveryName, topic: String, code: String) {
            self.delivery = delivery
            self.topic = topic
            self.code = code
        }
    }

    package let action: LetterAction
    package let isDryRun: Bool
    /// See ``LetterSelection/asOf``.
    package let asOf: Int64
    /// How many of each.
    package var groups: [Group: UInt64] = [:]
    /// The time for one request was over: this is still to be looked at.
    package var rest: [LetterSelection.Rest] = []
    /// Letters that can't be replayed, for their route is not configured any more.
    package var kept: [DeliveryName: UInt64] = [:]

    package init(_ action: LetterAction, isDryRun: Bool, asOf: Int64) {
        self.action = action
        self.isDryRun = isDryRun
        self.asOf = asOf
    }

    /// Counts letters of which nothing is known but their numbers.
    package mutating func addUnreadable(_ count: UInt64, of delivery: DeliveryName) {
        guard count > 0 else { return }
        self.groups[Group(delivery: delivery, topic: "", code: "UNREADABLE"), default: 0] += count
    }

    package var letters: UInt64 { self.groups.values.reduce(0, +) }

    /// Of one delivery.
    package func letters(of delivery: DeliveryName) -> UInt64 {
        self.groups.reduce(0) { $0 + ($1.key.delivery == delivery ? $1.value : 0) }
    }

    /// Groups in one answer; the largest come first.
    private static let groupLimit = 500

    /// What is answered; also what is told of a node that is down.
    package var document: JSONWriter {
        let groups = self.groups.sorted {
            ($1.value, $0.key.delivery, $0.key.topic, $0.key.code) < ($0.value, $1.key.delivery, $1.key.topic, $1.key.code)
        }
        var json = JSONWriter(reserving: 1024)
        json.object {
            $0.field("dry_run", self.isDryRun)
            $0.field(self.action.done, self.letters)
            $0.array("letters") { json in
                for (group, count) in groups.prefix(Self.groupLimit) {
                    json.object {
                        $0.field("delivery", group.delivery.description)
                        $0.field("topic", group.topic)
                        $0.field("code", group.code)
                        $0.field("count", count)
                    }
                }
            }
            $0.array("kept") { json in
                for (delivery, count) in self.kept.sorted(by: { $0.key < $1.key }) {
                    json.object {
                        $0.field("delivery", delivery.description)
                        $0.field("count", count)
                        $0.field("reason", Self.reason(delivery))
                    }
                }
            }
            $0.field("as_of", self.asOf)
            $0.field("more", !self.rest.isEmpty)
            $0.array("next") { json in
                for rest in self.rest { json.string(rest.description) }
            }
        }
        return json
    }

    static func reason(_ delivery: DeliveryName) -> String {
        let (what, name) =
            delivery.stage == .forward
            ? ("route '\(delivery.route)'", "it") : ("\(delivery.stage.rawValue) of route '\(delivery.route)'", "its route")
        return "The \(what) is not configured, so nobody would deliver them: configure it again, or name \(name) under formerly of a "
            + "route that has no dead letters of its own there, which takes them over; or remove them."
    }
}

/// What came of it.
package enum LetterAnswer: OperatorAnswer, Equatable {
    case done(LetterOutcome)
    case unknown(DeliveryName, known: [String])
    case notConfigured(DeliveryName)
    /// Somebody else is at it, or at what is set aside.
    case busy
    case stopping
    /// The disk is being opened.
    case starting
    /// It had to end early, with what was done until then.
    case failed(LetterOutcome, code: String, detail: String)

    package var result: Result<JSONWriter, Refusal> {
        switch self {
        case .done(let outcome): return .success(outcome.document)
        case .unknown(let delivery, let known):
            let others = known.isEmpty ? "there are none at all" : "there are some of \(known.joined(separator: ", "))"
            return .failure(Refusal(404, "unknown_route", "There are no dead letters of '\(delivery)'; \(others)."))
        case .notConfigured(let delivery): return .failure(Refusal(409, "route_not_configured", LetterOutcome.reason(delivery)))
        case .busy: return .failure(Refusal(409, "dead_letters_busy", Refusal.busy))
        case .stopping: return .failure(.stopping)
        case .starting: return .failure(Refusal(503, "starting", "The node is opening its disk."))
        case .failed(let outcome, let code, let detail):
            let done = outcome.letters == 0 ? "Nothing was \(outcome.action.done)" : "Only \(outcome.letters) were \(outcome.action.done)"
            return .failure(Refusal(afterError: code, "\(done): \(detail)."))
        }
    }
}
