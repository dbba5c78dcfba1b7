import ForebayKafka
import Testing

@testable import ForebayDelivery

/// Topics that come back with another number of partitions than their units remember.
@Suite("Set-aside state: fewer partitions")
struct SetAsideStateNarrowTests {
    /// Units of partitions and of a whole topic, all durable; `count`: how many partitions the topic had.
    private func state(_ partitions: [Int32], of count: Int32 = 4, others: [String] = []) -> SetAsideState {
        var state = SetAsideState(configuration: DeliverySettings())
        for key in partitions.map({ SetAsideKey("t", $0) }) + [SetAsideKey("t")] + others.map({ SetAsideKey($0) }) {
            var request = SetAsideState.AppendRequest(key: key, partitionCount: count, failure: SetAsideStateTests.failure, acceptedAt: 5)
            (request.count, request.bytes) = (2, 20)
            let unit = state.beginAppend([request], from: .direct, now: 0)[0]
            state.stored(unit, count: 2, end: 2, from: .direct, now: 0)
        }
        return state
    }

    private func find(_ state: inout SetAsideState, _ topic: String = "t", leaderless: Set<Int32> = [], partitions: Int, now: UInt64) {
        state.found(DeliveryActions.Found(topic: topic, leaderless: leaderless, partitionCount: partitions), now: now)
    }

    private func draining(_ state: SetAsideState) -> Set<SetAsideKey> {
        Set(state.units.all.filter { $0.phase == .draining || $0.phase == .closing }.map(\.key))
    }

    /// All of a unit is read and settled.
    private func finish(_ state: inout SetAsideState, _ key: SetAsideKey, now: UInt64) {
        let number = state.unit(key)!, pass = state.units[number]!.pass
        state.hasRead(number, pass: pass, through: 2, acceptedAt: 5)
        state.readAll([(number, pass, 2)])
        #expect(state.units[number]?.phase == .closing, "\(key)")
        state.settle(number, pass: pass, through: 2)
    }

    @Test("the whole topic's unit waits until those of its former partitions are gone; other topics' don't")
    func waits() {
        var state = self.state([0, 3], others: ["other"])
        #expect(Set(state.due(now: 1000).keys) == ["t", "other"])
        self.find(&state, partitions: 3, now: 1000)
        self.find(&state, "other", partitions: 1, now: 1000)
        #expect(self.draining(state) == [SetAsideKey("t", 0), SetAsideKey("t", 3), SetAsideKey("other")])
        #expect(state.due(now: 100_000).isEmpty)
        self.finish(&state, SetAsideKey("t", 3), now: 100_000)
        #expect(state.due(now: 100_000).isEmpty)
        self.finish(&state, SetAsideKey("t", 0), now: 100_000)
        #expect(Set(state.due(now: 100_000).keys) == ["t"])
        self.find(&state, partitions: 3, now: 100_000)
        #expect(self.draining(state) == [SetAsideKey("t"), SetAsideKey("other")])
        self.finish(&state, SetAsideKey("t"), now: 100_000)
        #expect(state.unit(SetAsideKey("t")) == nil && !state.units.holds("t"))
    }

    @Test("with as many partitions as before, or more, all drain side by side", arguments: [4, 9])
    func sideBySide(count: Int) {
        var state = self.state([0, 3])
        _ = state.due(now: 1000)
        self.find(&state, partitions: count, now: 1000)
        #expect(self.draining(state) == [SetAsideKey("t", 0), SetAsideKey("t", 3), SetAsideKey("t")])
    }

    @Test("it waits no longer when the topic has its partitions back")
    func back() {
        var state = self.state([0, 3])
        _ = state.due(now: 1000)
        self.find(&state, partitions: 3, now: 1000)
        state.failed(SetAsideKey("t"), SetAsideStateTests.failure, byDelivery: false, now: 1000)
        #expect(state.due(now: 200_000) == ["t": false])
        self.find(&state, partitions: 4, now: 200_000)
        #expect(state.due(now: 200_000) == ["t": false])
        self.find(&state, partitions: 4, now: 200_000)
        #expect(self.draining(state) == [SetAsideKey("t", 0), SetAsideKey("t", 3), SetAsideKey("t")])
    }

    @Test("partitions whose keys are spread anew wait for leaders of all, others for their own")
    func leaders() {
        for (count, drained) in [(3, []), (4, [SetAsideKey("t", 0), SetAsideKey("t", 3), SetAsideKey("t")])] as [(Int, Set<SetAsideKey>)] {
            var state = self.state([0, 3])
            _ = state.due(now: 1000)
            self.find(&state, leaderless: [1], partitions: count, now: 1000)
            #expect(self.draining(state) == drained)
        }
    }
}
