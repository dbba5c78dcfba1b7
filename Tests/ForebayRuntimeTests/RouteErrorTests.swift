import ForebayAdmin
import ForebayCore
import Testing

@testable import ForebayRuntime

@Suite struct RouteErrorTests {
    private static func stage(
        _ facts: [String: Fact.Value] = [:], _ state: StageReport.State = .running, lastError: String? = nil
    ) -> StageReport {
        let facts = facts.map { Fact($0.key, $0.value) }
        return StageReport(name: "forward/r", state: state, restarts: 1, lastError: lastError, since: 5, facts: facts)
    }

    @Test func theFactsOfTheStage() {
        let all: [String: Fact.Value] = [
            "error_code": .text("_AUTHENTICATION"), "error_reason": .text("bad password"), "error_advice": .text("mend it"),
            "error_since": .number(17), "in_flight": .number(1),
        ]
        #expect(
            RouteError(of: Self.stage(all), backingOff: "held")
                == RouteError(code: "_AUTHENTICATION", reason: "bad password", advice: "mend it", since: 17))
        // Each may be absent.
        #expect(
            RouteError(of: Self.stage(["error_code": .text("X")]), backingOff: nil) == RouteError(code: "X", reason: ""))
        #expect(RouteError(of: Self.stage(["error_reason": .text("why")]), backingOff: nil) == RouteError(reason: "why"))
        #expect(
            RouteError(of: Self.stage(["error_code": .text(""), "error_reason": .text(""), "error_since": .number(0)]), backingOff: nil)
                == nil)
    }

    @Test func aLogThatTakesNothing() {
        let room: [String: Fact.Value] = [
            "room_code": .text("spool_full"), "room_reason": .text("events can't be set aside"), "room_advice": .text("make room"),
            "room_since": .number(19),
        ]
        let told = RouteError(code: "spool_full", reason: "events can't be set aside", advice: "make room", since: 19)
        #expect(RouteError(of: Self.stage(room), backingOff: "held") == told)
        // What the cluster says comes first: with it mended the room may not be needed.
        #expect(RouteError(of: Self.stage(room.merging(["error_code": .text("X")]) { $1 }), backingOff: nil)?.code == "X")
        // One of the stages that drain may be who waits.
        #expect(RouteError(of: Self.stage(), backingOff: nil, drains: [Self.stage(), Self.stage(room)]) == told)
        #expect(RouteError(of: Self.stage(), backingOff: nil, drains: [Self.stage()]) == nil)
    }

    @Test func aPartitionThatStandsStill() {
        let stall: [String: Fact.Value] = [
            "stall_code": .text("_TIMED_OUT"), "stall_reason": .text("it stands"), "stall_since": .number(7),
        ]
        #expect(RouteError(of: Self.stage(stall), backingOff: nil) == RouteError(code: "_TIMED_OUT", reason: "it stands", since: 7))
        // What holds the whole route says more.
        #expect(RouteError(of: Self.stage(stall), backingOff: "held") == RouteError(reason: "held"))
        #expect(RouteError(of: Self.stage(stall.merging(["error_code": .text("X")]) { $1 }), backingOff: nil)?.code == "X")
    }

    @Test func aTopicThatCantBeSetAsideEither() {
        let bound: [String: Fact.Value] = [
            "set_aside_limit_code": .text("UNKNOWN_TOPIC_OR_PART"), "set_aside_limit_reason": .text("too many"),
            "set_aside_limit_advice": .text("deliver some"),
        ]
        let told = RouteError(code: "UNKNOWN_TOPIC_OR_PART", reason: "too many", advice: "deliver some")
        #expect(RouteError(of: Self.stage(bound), backingOff: "t: UNKNOWN_TOPIC_OR_PART") == told)
        #expect(RouteError(of: Self.stage(bound.merging(["error_code": .text("X")]) { $1 }), backingOff: "t")?.code == "X")
        #expect(RouteError(of: Self.stage(bound.merging(["room_code": .text("Y")]) { $1 }), backingOff: "t")?.code == "Y")
    }

    @Test func withoutThem() {
        #expect(RouteError(of: nil, backingOff: "held") == nil)
        #expect(RouteError(of: Self.stage(), backingOff: nil) == nil)
        #expect(RouteError(of: Self.stage(), backingOff: "held") == RouteError(reason: "held"))
        #expect(RouteError(of: Self.stage(lastError: "history"), backingOff: nil) == nil)
        for state in [StageReport.State.waiting, .stopped] {
            #expect(RouteError(of: Self.stage([:], state, lastError: "gone"), backingOff: nil) == RouteError(reason: "gone", since: 5))
        }
    }

    @Test func inOneLine() {
        #expect(RouteError(code: "C", reason: "r").text == "C: r")
        #expect(RouteError(code: "C", reason: "").text == "C")
        #expect(RouteError(reason: "r").text == "r")
    }
}
