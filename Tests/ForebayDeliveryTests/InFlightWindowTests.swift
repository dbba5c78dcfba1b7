import ForebayCore
import ForebayTestKit
import Testing

@testable import ForebayDelivery

@Suite("In-flight window: what is pulled and not settled, by itself")
struct InFlightWindowTests {
    private static let overhead = 256
    private static let cost = 1000

    /// A window with a batch of `counts` events for each lane; their flights are numbered on.
    private static func window(_ counts: [(lane: Lane, count: Int, first: UInt64)]) -> InFlightWindow {
        var window = InFlightWindow(eventOverhead: self.overhead)
        for (lane, count, first) in counts {
            let batch = EventFactory.batch((0..<count).map { _ in EventFactory.Sample("t", value: "v") }, spool: .none, first: first)
            let number = window.admit(
                Batch(
                    lane: lane, origin: nil, first: first, count: count, route: batch.route, acceptedAt: Int64(first), slab: batch.slab,
                    range: batch.range), cost: self.cost, partition: nil)
            var offset = 0
            for _ in 0..<count {
                let bytes = UnsafeRawBufferPointer(start: window.base(ofBatch: number) + offset, count: batch.byteCount - offset)
                let size = Event(at: bytes)!.record.count
                _ = window.append(Flight(batch: number, record: UInt32(offset), bytes: UInt32(size), place: 0))
                offset += size
            }
        }
        return window
    }

    private static let spool = Lane.spool(.none)

    @Test(
        "bytes are queued until a producer takes the event, it goes to a log or is settled; whatever becomes of it, they are counted once")
    func queuedBytes() {
        var window = Self.window([(Self.spool, 4, 0)])
        let each = Int(window[0].bytes)
        #expect(window.queuedBytes == 4 * each && window.count == 4)
        window.send(0)
        window.divert(1, as: .settingAside)
        window.settle(2)
        #expect(window.queuedBytes == each)
        window.requeue(0)
        window.requeue(1)
        #expect(window.queuedBytes == 3 * each)
        window.divert(0, as: .becomingDeadLetter)
        window.settle(0)
        window.send(1)
        window.settle(1)
        window.settle(3)
        #expect(window.queuedBytes == 0 && !window.isEmpty)
        window.retire()
        #expect(window.isEmpty && window.head == 4)
    }

    @Test("each lane's cursor moves over its own settled events, whatever the others do")
    func lanes() {
        let one = Lane.partition(topic: "a", 0), other = Lane.partition(topic: "a", 1)
        var window = Self.window([(one, 2, 10), (other, 2, 70), (one, 1, 12)])
        window.settle(2)
        window.retire()
        #expect(window.commits == [Offset(lane: other, number: 71)])
        window.settle(3)
        window.settle(0)
        window.retire()
        #expect(window.commits == [Offset(lane: other, number: 72), Offset(lane: one, number: 11)], "the newest end of each")
        var committed: [Offset] = []
        window.commit { committed.append($0) }
        #expect(committed.count == 2 && window.commits.isEmpty)
        window.settle(1)
        window.settle(4)
        window.retire()
        #expect(window.commits == [Offset(lane: one, number: 13)] && window.isEmpty)
    }

    @Test("what can't be committed is handed out again")
    func commitFails() {
        var window = Self.window([(Self.spool, 1, 5)])
        window.settle(0)
        window.retire()
        #expect(throws: CancellationError.self) { try window.commit { _ in throw CancellationError() } }
        #expect(window.commits == [Offset(lane: Self.spool, number: 6)])
    }

    @Test("a batch's share of the budget comes back when it is settled whole, its flights' when none older is in the ring; all of it once")
    func budget() {
        var window = Self.window([(.unit(1), 2, 0), (.unit(2), 3, 0)])
        let flight = min(MemoryLayout<Flight>.stride, Self.overhead)
        for number in 2..<5 as Range<UInt32> { window.settle(number) }
        window.retire()
        #expect(window.takeReleased() == Self.cost - 3 * flight && window.count == 5, "an older one is in flight")
        window.settle(0)
        window.retire()
        #expect(window.takeReleased() == flight)
        window.settle(1)
        window.retire()
        #expect(window.takeReleased() == Self.cost - 2 * flight + 4 * flight && window.takeReleased() == 0)
        window.release(7)
        #expect(window.takeReleased() == 7)
    }

    @Test("what is settled ahead of the oldest is told in runs, and up to where events may have been sent")
    func settledAhead() {
        var window = Self.window([(Self.spool, 8, 100)])
        for flight in [2, 3, 6] as [UInt32] { window.settle(flight) }
        window.send(4)
        #expect(window.settledAheadCount == 3)
        #expect(window.settledAhead.ranges == [102..<104, 106..<107] && window.settledAhead.sentBelow == 105)
        window[7].flags.insert(.mayBeStored)
        #expect(window.settledAhead.sentBelow == 108)
        window.settle(0)
        window.retire()
        #expect(window.settledAheadCount == 3, "the oldest is the cursor's")
    }

    @Test("a report means a flight that is sent, and no other")
    func reports() {
        var window = Self.window([(Self.spool, 3, 0)])
        window.send(1)
        #expect((0..<5).map { window.sentFlight($0) } == [nil, 1, nil, nil, nil])
        window.settle(1)
        #expect(window.sentFlight(1) == nil)
    }
}
