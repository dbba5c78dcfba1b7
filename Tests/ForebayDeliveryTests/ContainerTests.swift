import ForebayCore
import ForebayTestKit
import Testing

@testable import ForebayDelivery

/// What a ``DeliveryState`` keeps its events and topics in, each held to a plain model of it.
@Suite("Containers of the forward state")
struct ContainerTests {
    private static func withName<Result>(_ name: String, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        var name = name
        return name.withUTF8 { body(UnsafeRawBufferPointer($0)) }
    }

    // MARK: Flights

    @Test("a ring of flights holds what was appended, by number, from the first unsettled one on, however it grows and wraps")
    func flights() {
        var random = SplitMix(seed: 4)
        var ring = FlightRing(capacity: 4)
        var model: [(bytes: UInt32, isSettled: Bool)] = []
        #expect(ring.isEmpty && ring.count == 0 && ring.head == 0 && ring.tail == 0)
        for number in 0..<2000 {
            let flight = Flight(batch: 1, record: 2, bytes: UInt32(number), place: 3)
            #expect(flight.status == .queued && flight.flags == [])
            #expect(ring.append(flight) == UInt32(number))
            model.append((UInt32(number), false))
            while Bool.random(using: &random), ring.count > 0 {
                let settled = Int.random(in: Int(ring.head)..<model.count, using: &random)
                model[settled].isSettled = true
                ring[UInt32(settled)].status = .settled
                ring.retire()
            }
            let head = model.firstIndex { !$0.isSettled } ?? model.count
            #expect(ring.head == UInt64(head) && ring.tail == UInt64(model.count))
            #expect(ring.count == model.count - head && ring.isEmpty == (head == model.count))
            #expect(!ring.contains(UInt64(model.count)) && (head == 0 || !ring.contains(UInt64(head - 1))))
            guard head < model.count else { continue }
            for number in [head, model.count - 1, (head + model.count) / 2] {
                #expect(ring.contains(UInt64(number)) && ring.number(UInt32(number)) == UInt64(number))
                #expect(ring[UInt32(number)].bytes == model[number].bytes)
                #expect((ring[UInt32(number)].status == .settled) == model[number].isSettled)
            }
        }
    }

    @Test("flights are linked in the order in which they came")
    func queue() {
        var window = InFlightWindow(eventOverhead: 0)
        var queue = FlightQueue()
        for number in 0..<6 {
            let flight = window.append(Flight(batch: 0, record: 0, bytes: 0, place: 0))
            if number != 2 { queue.append(flight, in: &window) }
            #expect(queue.count == number + (number < 2 ? 1 : 0) && queue.first == 0)
        }
        #expect(queue.removeFirst(in: window) == 0 && queue.removeAll(in: window) == [1, 3, 4, 5] && queue.count == 0)
        queue.append(2, in: &window)
        #expect(queue.first == 2 && queue.count == 1 && queue.removeFirst(in: window) == 2)
    }

    // MARK: Batches

    @Test("batches are numbered in their order, kept until they are let go of one by one, and linked within their lanes")
    func batches() {
        var random = SplitMix(seed: 8)
        var queue = BatchQueue()
        var held: [UInt32: Batch] = [:]
        #expect(queue.isEmpty && queue.count == 0 && queue.all.isEmpty)
        for number in 0..<UInt32(400) {
            let first = UInt64(number) * 7 + 1000
            let spool = number % 3 == 0 ? SpoolID.none : SpoolID.random(using: &random)
            let filler = EventFactory.batch([EventFactory.Sample("t", value: "filler")], spool: spool, first: first)
            let batch =
                number % 5 == 0
                ? Batch(
                    lane: .unit(9, pass: 1), origin: nil, first: first, count: 1, route: filler.route, acceptedAt: 1, slab: filler.slab,
                    range: filler.range) : filler
            #expect(queue.append(batch, firstFlight: UInt64(number) * 2, cost: Int(number), partition: number % 4 == 0 ? 3 : nil) == number)
            held[number] = batch
            let entry = queue[number]
            #expect(entry.firstFlight == UInt64(number) * 2 && entry.endFlight == UInt64(number) * 2 + 1 && entry.cost == Int(number))
            #expect(queue.place(of: UInt64(number) * 2, in: number) == first && entry.next == nil)
            #expect(queue.partition(number) == (number % 4 == 0 ? 3 : nil) && queue.origin(number) == (number % 5 == 0 ? nil : spool))
            #expect(queue.base(number) == UnsafeRawPointer(batch.slab.base + batch.range.lowerBound))
            if number > 0, held[number - 1] != nil {
                queue.link(number - 1, to: number)
                #expect(queue[number - 1].next == number)
            }
            for gone in held.keys.sorted() where UInt32.random(in: 0..<4, using: &random) == 0 && (number < 300 || gone < number - 200) {
                queue.remove(gone)
                held[gone] = nil
            }
            #expect(queue.all.map(\.first) == held.sorted { $0.key < $1.key }.map(\.value.first))
            #expect(queue.isEmpty == held.isEmpty && queue.count == (held.keys.min().map { Int(number + 1 - $0) } ?? 0))
            for (number, batch) in held { #expect(queue[number].batch.first == batch.first) }
        }
    }

    // MARK: Topics

    @Test("names find their topics again, however many there are; those that are removed are found no more, and their places are free")
    func names() {
        var random = SplitMix(seed: 15)
        var table = TopicNames()
        var model: [Int: String] = [:]
        func check() {
            #expect(table.count == model.count)
            for (index, name) in model {
                #expect(Self.withName(name) { table.index(of: $0) } == index && table.holds(index))
                #expect(Self.withName(name) { table.isName($0, of: index) })
                #expect(!Self.withName(name + "x") { table.isName($0, of: index) })
                #expect(!Self.withName(String(name.dropLast()) + "~") { table.isName($0, of: index) }, "of the same length")
            }
            #expect(Self.withName("nobody") { table.index(of: $0) } == nil)
        }
        #expect(!table.holds(0))
        for index in 0..<33 {
            model[index] = "topic-\(index)"
            Self.withName("topic-\(index)") { table.add($0, at: index) }
        }
        check()
        for round in 0..<20 {
            let gone = Array(model.keys.sorted().shuffled(using: &random).prefix(10))
            let names = gone.map { model.removeValue(forKey: $0)! }
            table.remove(gone)
            for (index, name) in zip(gone, names) {
                #expect(!table.holds(index) && Self.withName(name) { table.index(of: $0) } == nil)
            }
            check()
            for number in 0..<25 {
                let index = (0...).first { model[$0] == nil }!
                model[index] = "again-\(round)-\(number)"
                Self.withName(model[index]!) { table.add($0, at: index) }
            }
            check()
        }
        #expect(!table.holds(model.count))
    }

    @Test("names are spread over the table, so that a search is short")
    func spread() throws {
        var table = TopicNames()
        for index in 0..<100 { Self.withName("topic-\(index)") { table.add($0, at: index) } }
        let cells = try #require(Mirror(reflecting: table).descendant("cells") as? [Int32])
        #expect(cells.count { $0 >= 0 } == 100)
        #expect(cells.split(whereSeparator: { $0 < 0 }).allSatisfy { $0.count < 90 })
    }

    @Test("topics that wait come in their order, however they come and go")
    func waitingTopics() {
        var random = SplitMix(seed: 16)
        var waiting = WaitingTopics()
        var model: [Int] = []
        #expect(waiting.isEmpty && waiting.popFirst() == nil)
        for number in 0..<500 {
            if Int.random(in: 0..<5, using: &random) > 1 {
                waiting.append(number)
                model.append(number)
            } else {
                #expect(waiting.popFirst() == (model.isEmpty ? nil : model.removeFirst()))
            }
            #expect(waiting.count == model.count && waiting.isEmpty == model.isEmpty && waiting.all == model)
            #expect(waiting.stored <= 2 * waiting.count, "what was taken is let go of")
        }
    }

    @Test("who is known by which producer is kept apart")
    func knownBy() {
        var topic = TopicState(name: "t")
        #expect(topic.isIdle && topic.phase == .unknown && ProducerSlot.allCases.allSatisfy { !topic.isKnown(by: $0) })
        topic.setKnown(by: .small, true)
        topic.setKnown(by: .single, true)
        #expect(ProducerSlot.allCases.map { topic.isKnown(by: $0) } == [false, true, true])
        topic.setKnown(by: .small, false)
        #expect(ProducerSlot.allCases.map { topic.isKnown(by: $0) } == [false, false, true])
        var window = InFlightWindow(eventOverhead: 0)
        topic.events.assigned = 1
        #expect(!topic.isIdle)
        topic.events.assigned = 0
        topic.events.waiting.append(window.append(Flight(batch: 0, record: 0, bytes: 0, place: 0)), in: &window)
        #expect(!topic.isIdle)
        #expect(ProducerSlot.allCases.map(\.bit) == [1, 2, 4])
    }

    @Test("a producer waits for a time while it fails, is renewed, or is closed and needed")
    func waitsForTime() {
        let phases: [(ProducerSlotState.Phase, isWanted: Bool, waits: Bool)] = [
            (.closed(until: 5), false, false), (.closed(until: 5), true, true), (.open, true, false), (.draining(until: 5), true, false),
            (.failing(until: 5), false, true), (.renewing(until: 5), false, true),
        ]
        for (phase, isWanted, waits) in phases {
            var slot = ProducerSlotState()
            (slot.phase, slot.isWanted) = (phase, isWanted)
            #expect(slot.waitsForTime == waits && slot.isOpen == (phase == .open) && !slot.wantsMetadata, "\(phase)")
            slot.wanted.append(0)
            #expect(slot.wantsMetadata)
            slot.settledOutstanding = 1
            #expect(slot.waitsForTime == (waits || phase == .draining(until: 5)), "of what it holds the reports are waited for")
        }
    }

    @Test("a producer is made when it is needed and its time has come; it is closed when its reports are in, or for long enough not")
    func opensAndCloses() {
        for (phase, outstanding, held, opens, closes) in [
            (.closed(until: 5), 0, 0, 5, nil), (.open, 0, 0, nil, nil), (.failing(until: 5), 1, 0, nil, 5),
            (.failing(until: 5), 0, 1, nil, 0),
            (.draining(until: 5), 1, 0, nil, nil), (.draining(until: 5), 0, 0, nil, 0), (.draining(until: 5), 0, 1, nil, 5),
            (.draining(until: 5), 1, 1, nil, nil), (.renewing(until: 5), 0, 0, nil, 0), (.renewing(until: 5), 1, 0, nil, nil),
            (.renewing(until: 5), 0, 1, nil, nil),
        ] as [(ProducerSlotState.Phase, Int, Int, opens: UInt64?, closes: UInt64?)] {
            for now in [0, 4, 5, 6] as [UInt64] {
                var pool = ProducerPool()
                (pool[.small].phase, pool[.small].outstanding, pool[.small].settledOutstanding) = (phase, outstanding, held)
                #expect(pool.toOpen(now: now).isEmpty)
                pool[.small].isWanted = true
                #expect(pool.toOpen(now: now) == (opens.map { now >= $0 } ?? false ? [.small] : []), "\(phase), \(now)")
                #expect(
                    pool.toClose(now: now) == (closes.map { now >= $0 } ?? false ? [.small] : []),
                    "\(phase), \(outstanding), \(held), \(now)")
            }
        }
    }

    @Test("random numbers are those of the published SplitMix64, so that a seed means the same everywhere")
    func splitMix() {
        var generator = SplitMix(seed: 1_234_567)
        #expect(
            (0..<5).map { _ in generator.next() } == [
                6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423, 4_593_380_528_125_082_431,
                16_408_922_859_458_223_821,
            ])
    }
}
