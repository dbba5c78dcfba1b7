import ForebayCore
import ForebayKafka
import ForebayTestKit
import Testing

@testable import ForebayForward

@Suite("Prefixes of lanes")
struct LanePrefixTests {
    /// A drain's state with events of units, each in a topic of its own.
    private struct Drain {
        var state = ForwardState(role: .drain, configuration: ForwardConfiguration(), seed: 1)
        var positions: [UInt64: UInt64] = [:]
        var now: UInt64 = 100

        init() {
            self.state.opened(.main)
        }

        mutating func admit(unit: UInt64, pass: UInt32 = 1, _ count: Int) {
            let first = self.positions[unit, default: 0]
            let batch = EventFactory.batch(
                (0..<count).map { _ in EventFactory.Sample("topic-\(unit)", value: "v") }, spool: .none, first: first)
            self.positions[unit] = batch.end
            self.state.admit(
                Batch(
                    lane: .unit(unit, pass: pass), first: first, count: count, route: batch.route, acceptedAt: batch.acceptedAt,
                    slab: batch.slab, range: batch.range), now: self.now)
            for topic in self.state.takeWanted(by: .main) {
                let answer = KafkaMetadata.Topic(name: self.state.topics[topic].name, error: .none, leaders: [1])
                self.state.learned(answer, topic, from: .main, now: self.now)
            }
            for topic in self.state.takeLimitsWanted() { self.state.learnedLimit(nil, topic, now: self.now) }
            for place in self.state.partitions.indices { self.state.partitions[place].knownProducer = self.state[.main].number }
            self.state.pump(now: self.now) { _, _, _ in .none }
        }

        /// - Returns: the cursors that moved, by unit.
        mutating func report(_ flights: some Sequence<UInt64>) -> [UInt64: UInt64] {
            for flight in flights {
                _ = self.state.report(
                    KafkaReport(token: flight, offset: 0, partition: 0, error: .none, mayBeStored: true), from: .main, now: self.now)
            }
            self.state.retire()
            defer { self.state.commits = [] }
            return Dictionary(
                uniqueKeysWithValues: self.state.commits.map { offset in
                    guard case .unit(let unit, _) = offset.lane else { fatalError("a lane of another kind") }
                    return (unit, offset.number)
                })
        }
    }

    @Test("a unit that stands still delays nobody else's cursor, and gives back the bytes of others")
    func apart() {
        var drain = Drain()
        drain.admit(unit: 1, 3)  // 0...2: never reported
        drain.admit(unit: 2, 4)  // 3...6
        drain.admit(unit: 3, 2)  // 7, 8
        drain.admit(unit: 2, 2)  // 9, 10
        let whole = drain.state.released

        #expect(drain.report([3, 4]) == [2: 2], "also within a batch")
        #expect(drain.state.released == whole)
        #expect(drain.report([7, 8]) == [3: 2])
        #expect(drain.state.released > whole + 2 * 200, "its bytes, though its flights stay in the ring")
        #expect(drain.report([9, 10]).isEmpty, "not before those in front of it in its lane")
        #expect(drain.report([5, 6]) == [2: 6])
        #expect(drain.state.batches.all.count == 1)
    }

    @Test("what was taken of the budget is given back to the byte, in whatever order events are settled", arguments: 0..<20)
    func balances(seed: Int) {
        var random = SplitMix(seed: UInt64(seed))
        var drain = Drain()
        var cost = 0, count: UInt64 = 0
        for _ in 0..<40 {
            let unit = UInt64.random(in: 1...5, using: &random), events = Int.random(in: 1...9, using: &random)
            let before = drain.state.flights.tail
            drain.admit(unit: unit, events)
            count += drain.state.flights.tail - before
        }
        for batch in drain.state.batches.all { cost += drain.state.cost(of: batch) }
        var ends: [UInt64: UInt64] = [:]
        for flight in (0..<count).shuffled(using: &random) {
            for (unit, end) in drain.report([flight]) {
                #expect(end > ends[unit, default: 0])
                ends[unit] = end
            }
        }
        #expect(ends == drain.positions && drain.state.isIdle && drain.state.released == cost)
        #expect(drain.state.batches.isEmpty && drain.state.settledBatches.count == 40)
    }

    @Test("a unit that is to be tried while the producer fails gets its successor, though the drain has nothing else to do")
    func askedWhileFailing() {
        var drain = Drain()
        drain.state.failed(.main, now: drain.now)
        drain.state.ask("topic-1", probe: false)
        drain.state.closed(.main, now: drain.now)
        #expect(drain.state.slotsToOpen(now: drain.now + 5000) == [.main])
    }

    @Test("a batch of an earlier pass has a lane of its own")
    func passes() {
        var drain = Drain()
        drain.admit(unit: 1, pass: 1, 2)
        drain.positions[1] = 0
        drain.admit(unit: 1, pass: 2, 2)
        _ = drain.report([2, 3])
        #expect(drain.state.batches.all.count == 1)
        _ = drain.report([0, 1])
        #expect(drain.state.isIdle)
    }

    @Test("events of a spool whose ids begin with something new since its newest segment was lost have one cursor with those before")
    func newOrigin() throws {
        var random = SplitMix(seed: 1)
        let (old, new) = (SpoolID.random(using: &random), SpoolID.random(using: &random))
        var state = ForwardState(role: .direct, configuration: ForwardConfiguration(), seed: 1)
        state.opened(.main)
        for (spool, first) in [(old, 10), (new, 13)] as [(SpoolID, UInt64)] {
            state.admit(
                EventFactory.batch((0..<3).map { _ in EventFactory.Sample("topic", value: "v") }, spool: spool, first: first), now: 1)
        }
        #expect(state.offset(of: 0).lane == .spool(old) && state.offset(of: 3).lane == .spool(new), "ids stay what they were")
        for flight in [0, 3, 4, 5] as [UInt64] { state.buried(flight) }
        state.retire()
        #expect(state.commits.map(\.number) == [11], "never beyond an event that is not settled")
        for flight in [1, 2] as [UInt64] { state.buried(flight) }
        state.retire()
        #expect(state.commits.map(\.number) == [16])
    }
}
