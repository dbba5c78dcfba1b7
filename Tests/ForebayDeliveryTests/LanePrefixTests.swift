import ForebayCore
import ForebayKafka
import ForebayTestKit
import Testing

@testable import ForebayDelivery

@Suite("Prefixes of lanes")
struct LanePrefixTests {
    /// A drain's state with events of units, each in a topic of its own.
    private struct Drain {
        var state = DeliveryState(way: .aside, settings: DeliverySettings(), seed: 1)
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
                    lane: .unit(unit, pass: pass), origin: nil, first: first, count: count, route: batch.route,
                    acceptedAt: batch.acceptedAt,
                    slab: batch.slab, range: batch.range), now: self.now)
            for topic in self.state.takeWanted(by: .main) {
                let answer = KafkaMetadata.Topic(name: self.state.topics[topic].name, error: .none, leaders: [1])
                self.state.learned(answer, topic, from: .main, now: self.now)
            }
            for topic in self.state.takeLimitsWanted() { self.state.learnedLimit(nil, topic, now: self.now) }
            for place in self.state.partitions.places { self.state.partitions[place].producer.known = self.state.producers[.main].number }
            self.state.pump(now: self.now) { _, _, _ in .none }
        }

        /// - Returns: the cursors that moved, by unit.
        mutating func report(_ flights: some Sequence<UInt64>) -> [UInt64: UInt64] {
            for flight in flights {
                _ = self.state.report(
                    KafkaReport(token: flight, offset: 0, partition: 0, error: .none, mayBeStored: true), from: .main, now: self.now)
            }
            self.state.window.retire()
            defer { self.state.window.commit { _ in } }
            return Dictionary(
                uniqueKeysWithValues: self.state.window.commits.map { offset in
                    guard case .unit(let unit, _) = offset.lane else { fatalError("a lane of another kind") }
                    return (unit, offset.number)
                })
        }
    }

    @Test("a spool is one lane, whatever its ids begin with: no event moves the cursor over one that is not settled", arguments: 0..<20)
    func origins(seed: UInt64) {
        var generator = SplitMix(seed: seed)
        let spool = SpoolID.random(using: &generator)
        let origins = (0..<3).map { _ in SpoolID.random(using: &generator) }
        var state = DeliveryState(settings: DeliverySettings(), seed: seed)
        state.opened(.main)
        var ids: [String] = []
        // The newest segment was lost twice. The sequences go on, the last time with a gap.
        var first: UInt64 = 10
        for origin in [spool] + origins + [origins[2]] {
            let count = Int.random(in: 1...4, using: &generator)
            let samples = (0..<count).map { EventFactory.Sample("topic-\($0 % 2)", value: "v", partition: Int32($0 % 3)) }
            let batch = EventFactory.batch(samples, spool: spool, origin: origin, first: first)
            state.admit(batch, now: 100)
            ids += (0..<count).map { EventID.text(origin: origin, sequence: first + UInt64($0)) }
            first = batch.end + (origin == origins[1] ? 1000 : 0)
        }
        for topic in state.takeWanted(by: .main) {
            let answer = KafkaMetadata.Topic(name: state.topics[topic].name, error: .none, leaders: [1, 1, 1])
            state.learned(answer, topic, from: .main, now: 100)
        }
        for topic in state.takeLimitsWanted() { state.learnedLimit(nil, topic, now: 100) }
        for place in state.partitions.places { state.partitions[place].producer.known = state.producers[.main].number }
        var sent: [(flight: UInt64, sequence: UInt64, id: String)] = []
        state.pump(now: 100) { outgoing, _, sequence in
            sent.append((outgoing.flight, sequence, outgoing.origin.map { EventID.text(origin: $0, sequence: sequence) } ?? ""))
            return .none
        }
        #expect(sent.map(\.id).sorted() == ids.sorted())
        var waiting = Set(sent.map(\.sequence))
        for event in sent.shuffled(using: &generator) {
            let report = KafkaReport(token: event.flight, offset: 0, partition: 0, error: .none, mayBeStored: false)
            _ = state.report(report, from: .main, now: 100)
            waiting.remove(event.sequence)
            state.window.retire()
            #expect(state.window.commits.count <= 1 && state.window.commits.allSatisfy { $0.lane == .spool(spool) })
            #expect(
                state.window.commits.allSatisfy { commit in waiting.allSatisfy { $0 >= commit.number } },
                "\(state.window.commits), \(waiting)")
        }
        #expect(state.window.commits.map(\.number) == [first], "all is settled")
    }

    @Test(
        "where a lane has holes its cursor stands at the next event that is not settled, and at the end of what a batch covers",
        arguments: 0..<20)
    func holes(seed: UInt64) {
        var random = SplitMix(seed: seed)
        var state = DeliveryState(settings: DeliverySettings(), seed: seed)
        state.opened(.main)
        var places: [UInt64] = []
        var first: UInt64 = 50
        for _ in 0..<5 {
            let end = first + UInt64.random(in: 1...9, using: &random)
            let own = (first..<end).filter { _ in Bool.random(using: &random) }
            let samples = (own.isEmpty ? [first] : own).map { EventFactory.Sample("topic", value: "\($0)", partition: Int32($0 % 3)) }
            let plain = EventFactory.batch(samples, spool: .none, first: 0)
            state.admit(
                Batch(
                    lane: .partition(topic: "front", 1, generation: 2), origin: nil, first: first, count: own.count,
                    holes: HoledPlaces(distances: own.map { UInt32($0 - first) }, length: end - first), route: plain.route, acceptedAt: 1,
                    slab: plain.slab, range: own.isEmpty ? 0..<0 : plain.range), now: 100)
            (places, first) = (places + own, end)
        }
        for topic in state.takeWanted(by: .main) {
            state.learned(KafkaMetadata.Topic(name: "topic", error: .none, leaders: [1, 1, 1]), topic, from: .main, now: 100)
        }
        for topic in state.takeLimitsWanted() { state.learnedLimit(nil, topic, now: 100) }
        for place in state.partitions.places { state.partitions[place].producer.known = state.producers[.main].number }
        var sent: [(flight: UInt64, place: UInt64)] = []
        state.pump(now: 100) { outgoing, event, place in
            #expect(String(decoding: event.value!, as: UTF8.self) == "\(place)")
            sent.append((outgoing.flight, place))
            return .none
        }
        #expect(sent.map(\.place).sorted() == places)
        var waiting = Set(places)
        for event in sent.shuffled(using: &random) {
            let report = KafkaReport(token: event.flight, offset: 0, partition: 0, error: .none, mayBeStored: false)
            _ = state.report(report, from: .main, now: 100)
            waiting.remove(event.place)
            state.window.retire()
            let cursor = state.window.commits.last?.number ?? 50
            #expect(waiting.min().map { cursor <= $0 && !places.contains { $0 < cursor && waiting.contains($0) } } ?? (cursor == first))
        }
        state.window.retire()
        #expect(state.window.commits.map(\.number) == [first] && state.isIdle)
    }

    @Test("a unit that stands still delays nobody else's cursor, and gives back the bytes of others")
    func apart() {
        var drain = Drain()
        drain.admit(unit: 1, 3)  // 0...2: never reported
        drain.admit(unit: 2, 4)  // 3...6
        drain.admit(unit: 3, 2)  // 7, 8
        drain.admit(unit: 2, 2)  // 9, 10
        let whole = drain.state.window.released

        #expect(drain.report([3, 4]) == [2: 2], "also within a batch")
        #expect(drain.state.window.released == whole)
        #expect(drain.report([7, 8]) == [3: 2])
        #expect(drain.state.window.released > whole + 2 * 200, "its bytes, though its flights stay in the ring")
        #expect(drain.report([9, 10]).isEmpty, "not before those in front of it in its lane")
        #expect(drain.report([5, 6]) == [2: 6])
        #expect(drain.state.window.allBatches.count == 1)
    }

    @Test("what was taken of the budget is given back to the byte, in whatever order events are settled", arguments: 0..<20)
    func balances(seed: Int) {
        var random = SplitMix(seed: UInt64(seed))
        var drain = Drain()
        var cost = 0, count: UInt64 = 0
        for _ in 0..<40 {
            let unit = UInt64.random(in: 1...5, using: &random), events = Int.random(in: 1...9, using: &random)
            let before = drain.state.window.tail
            drain.admit(unit: unit, events)
            count += drain.state.window.tail - before
        }
        for batch in drain.state.window.allBatches { cost += drain.state.settings.cost(of: batch) }
        var ends: [UInt64: UInt64] = [:]
        for flight in (0..<count).shuffled(using: &random) {
            for (unit, end) in drain.report([flight]) {
                #expect(end > ends[unit, default: 0])
                ends[unit] = end
            }
        }
        #expect(ends == drain.positions && drain.state.isIdle && drain.state.window.released == cost)
        #expect(drain.state.window.allBatches.isEmpty && drain.state.actions.deliveries.reduce(0) { $0 + $1.count } == count)
    }

    @Test("a unit that is to be tried while the producer fails gets its successor, though the drain has nothing else to do")
    func askedWhileFailing() {
        var drain = Drain()
        drain.state.failed(.main, now: drain.now)
        drain.state.ask("topic-1", probe: false)
        drain.state.closed(.main, now: drain.now)
        #expect(drain.state.producers.toOpen(now: drain.now + 5000) == [.main])
    }

    @Test("a batch of an earlier pass has a lane of its own")
    func passes() {
        var drain = Drain()
        drain.admit(unit: 1, pass: 1, 2)
        drain.positions[1] = 0
        drain.admit(unit: 1, pass: 2, 2)
        _ = drain.report([2, 3])
        #expect(drain.state.window.allBatches.count == 1)
        _ = drain.report([0, 1])
        #expect(drain.state.isIdle)
    }
}
