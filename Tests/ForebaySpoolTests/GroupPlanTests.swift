import ForebayCore
import ForebayTestKit
import Testing

@testable import ForebaySpool

@Suite("Group plan")
struct GroupPlanTests {
    private static func submission(_ batches: [(route: String, acceptedAt: Int64)]) -> Submission {
        Submission(
            batches: batches.map {
                EventFactory.batch(
                    [EventFactory.Sample("t", value: "v")], spool: .none, first: 0, route: $0.route, acceptedAt: $0.acceptedAt)
            }, ack: AckToken { _ in })
    }

    @Test("a route's events that were accepted about together share a frame, from however many requests; those of another time don't")
    func times() {
        let plan = GroupPlan([
            Self.submission([("a", 5000), ("b", 5000)]), Self.submission([("a", 6000)]), Self.submission([("a", 6001), ("b", 4000)]),
            Self.submission([("a", 5500), ("b", .min), ("b", .max)]),
        ])
        #expect(plan.frames.map(\.count) == [2, 2, 2, 1, 1] && plan.eventCount == 8)
        #expect(plan.frames.map(\.acceptedAt) == [5000, 6001, 5000, .min, .max])
        #expect(plan.frames.map(\.first) == [0, 2, 4, 6, 7] && plan.places == [[0, 4], [1], [2, 5], [3, 6, 7]])
    }
}
