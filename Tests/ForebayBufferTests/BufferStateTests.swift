import ForebayCore
import Testing

@testable import ForebayBuffer

@Suite("Buffer state")
struct BufferStateTests {
    private func submission(bytes: Int) -> Submission {
        let batch = Batch(
            lane: .spool(.none), origin: nil, first: 0, count: 1, route: RouteID(name: "a"), acceptedAt: 1, slab: Slab(capacity: 1),
            range: 0..<bytes)
        return Submission(batches: [batch], ack: AckToken { _ in })
    }

    @Test("a group takes what its first submission leaves of the bound, and nothing beside one that fills it")
    func room() {
        let state = BufferState(groupBytes: 100)
        for (weight, room) in [(0, 100), (1, 99), (99, 1), (100, 0), (101, 0), (5000, 0)] {
            #expect(state.room(beside: self.submission(bytes: weight)) == room)
        }
        #expect(BufferConfiguration().groupBytes == 4 << 20 && BufferConfiguration().readAheadBytes == 4 << 20)
        let chosen = BufferConfiguration(groupBytes: 5, readAheadBytes: 6)
        #expect(chosen.groupBytes == 5 && chosen.readAheadBytes == 6)
    }

    @Test("only the first of refusals in a row is news; that nobody knows says nothing")
    func refusals() {
        var state = BufferState(groupBytes: 1)
        let error = ForebayError(.spoolFull, recovery: .retry, "full")
        let stored = AckOutcome.durable(DurableReceipt(origin: .none, firstSequences: []))
        let outcomes = [
            .refused(error), .refused(error), stored, .refused(error), .unknown, .refused(error), stored, stored, .unknown, .refused(error),
        ]
        #expect(outcomes.map { state.ended($0)?.message } == ["full", nil, nil, "full", nil, nil, nil, nil, nil, "full"])
    }
}
