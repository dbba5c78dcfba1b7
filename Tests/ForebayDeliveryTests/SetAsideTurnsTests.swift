import ForebayKafka
import Testing

@testable import ForebayDelivery

@Suite("Set aside: turns of one log")
struct SetAsideTurnsTests {
    private static let failure = KafkaFailure(.leaderNotAvailable, reason: "older events wait")

    @Test("without any, a topic is in its first turn, which has come")
    func none() {
        let turns = SetAsideTurns()
        #expect(turns.last(of: "t") == 0 && turns.hasCome("t", 0) && !turns.waits("t") && turns.waiting.isEmpty)
    }

    @Test("a turn waits until it begins, and its topic as long as any of its turns does")
    func waits() {
        var turns = SetAsideTurns()
        for place in [1, 3] {
            turns.add(SetAsideTurn(topic: "t", place: place))
            turns.wait(for: SetAsideTurn(topic: "t", place: place), Self.failure)
        }
        turns.add(SetAsideTurn(topic: "t", place: 2))
        #expect(turns.last(of: "t") == 3 && turns.waiting == ["t"], "newer events come in the last, whatever order they were told in")
        #expect(turns.wait(of: "t", 1) == Self.failure && !turns.hasCome("t", 1) && turns.hasCome("t", 2) && turns.wait(of: "t", 2) == nil)
        turns.begin(SetAsideTurn(topic: "t", place: 1))
        #expect(turns.hasCome("t", 1) && turns.waits("t"), "the third is still to come")
        turns.begin(SetAsideTurn(topic: "t", place: 3))
        turns.begin(SetAsideTurn(topic: "x", place: 3))
        #expect(!turns.waits("t") && turns.waiting.isEmpty && turns.last(of: "t") == 3)
    }

    @Test("a turn that is opened is behind what is there, and waits; all is forgotten only when none is to come")
    func opened() {
        var turns = SetAsideTurns()
        #expect(turns.open(of: "t", Self.failure) == 0 && turns.open(of: "t", Self.failure) == 1)
        #expect(turns.last(of: "t") == 2 && turns.hasCome("t", 0) && !turns.hasCome("t", 1) && !turns.hasCome("t", 2))
        turns.forget("t")
        #expect(turns.last(of: "t") == 2, "two are to come")
        for place in [1, 2] { turns.begin(SetAsideTurn(topic: "t", place: place)) }
        turns.forget("t")
        #expect(turns.last(of: "t") == 0)
    }
}
