import ForebayCore
import Testing

@testable import ForebayTestKit

@Suite("A simulated producer's connections")
struct SimulatedConnectionsTests {
    private let batches = (0..<4).map {
        SimulatedBatch(producer: 1, topic: "t", partition: 0, base: $0, records: [], tokens: [], size: 0)
    }

    @Test("requests and answers come when they are due, none before one that was there first")
    func order() {
        var connections = SimulatedConnections()
        connections.send(self.batches[0], to: 2, due: 10, now: 0)
        connections.send(self.batches[1], to: 2, due: 5, now: 0)
        connections.send(self.batches[2], to: 1, due: 5, now: 0)
        #expect(connections.brokers == [1, 2] && connections.takeRequest(at: 2, now: 9) == nil)
        #expect(connections.takeRequest(at: 1, now: 9) === self.batches[2])
        #expect(connections.takeRequest(at: 2, now: 10) === self.batches[0])
        #expect(connections.takeRequest(at: 2, now: 10) === self.batches[1] && connections.takeRequest(at: 2, now: 99) == nil)
        connections.answer(self.batches[0], .success(7), of: 2, due: 20)
        connections.answer(self.batches[1], .success(8), of: 2, due: 15)
        #expect(connections.takeAnswer(of: 2, now: 19) == nil && connections.takeAnswer(of: 1, now: 99) == nil)
        let first = connections.takeAnswer(of: 2, now: 20)
        #expect(first?.batch === self.batches[0] && first?.answer == .success(7))
        #expect(connections.takeAnswer(of: 2, now: 20)?.batch === self.batches[1] && connections.takeAnswer(of: 2, now: 20) == nil)
    }

    @Test("a broker is waited for since it answered last, or since it was first sent anything; not with nothing under way")
    func waits() {
        var connections = SimulatedConnections()
        #expect(connections.wait(for: 1, now: 5) == nil)
        connections.send(self.batches[0], to: 1, due: 6, now: 5)
        connections.send(self.batches[1], to: 1, due: 9, now: 8)
        #expect(connections.wait(for: 1, now: 15) == 10)
        for batch in self.batches.prefix(2) {
            #expect(connections.takeRequest(at: 1, now: 20) === batch)
            connections.answer(batch, .success(0), of: 1, due: 20)
        }
        #expect(connections.wait(for: 1, now: 20) == 15, "answered, and not there yet")
        #expect(connections.takeAnswer(of: 1, now: 21) != nil && connections.wait(for: 1, now: 25) == 4)
        #expect(connections.takeAnswer(of: 1, now: 26) != nil && connections.wait(for: 1, now: 99) == nil)
        connections.send(self.batches[2], to: 1, due: 100, now: 99)
        #expect(connections.wait(for: 1, now: 100) == 1)
    }

    @Test("one that is cut has nothing under way any more; what was is told")
    func cut() {
        var connections = SimulatedConnections()
        for batch in self.batches { connections.send(batch, to: 1, due: 1, now: 0) }
        connections.answer(connections.takeRequest(at: 1, now: 1)!, .success(0), of: 1, due: 2)
        let (requests, answered) = connections.cut(1)
        #expect(requests.map(\.base) == [1, 2, 3] && answered.map(\.base) == [0])
        #expect(connections.brokers.isEmpty && connections.wait(for: 1, now: 9) == nil && connections.cut(1).requests.isEmpty)
    }

    @Test("a question goes to the broker that was sent to last, if it may, else to any, and then to that one")
    func questions() {
        var (connections, chance) = (SimulatedConnections(), SplitMix(seed: 1))
        #expect(connections.choose(among: [], &chance) == nil)
        connections.send(self.batches[0], to: 3, due: 1, now: 0)
        for _ in 0..<5 { #expect(connections.choose(among: [1, 2, 3], &chance) == 3) }
        #expect(connections.choose(among: [], &chance) == nil && connections.choose(among: [1, 2, 3], &chance) == 3)
        let other = connections.choose(among: [1, 2], &chance)
        #expect(other == 1 || other == 2)
        for _ in 0..<5 { #expect(connections.choose(among: [1, 2, 3], &chance) == other) }
    }
}
