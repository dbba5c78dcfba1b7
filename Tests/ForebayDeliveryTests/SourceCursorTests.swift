import ForebayCore
import ForebayTestKit
import Synchronization
import Testing

@testable import ForebayDelivery

@Suite("What a source is told of what is settled")
struct SourceCursorTests {
    private static let witness = LogWitness(log: .none, end: 7, losses: 0)

    /// Events of a spool in flight, of which some are settled.
    private static func window(_ count: Int, settled: [UInt32]) -> InFlightWindow {
        var window = InFlightWindow(eventOverhead: 0)
        let number = window.admit(
            EventFactory.batch((0..<count).map { _ in EventFactory.Sample("t", value: "v") }, spool: .none, first: 0), cost: 0,
            partition: nil)
        for _ in 0..<count { _ = window.append(Flight(batch: number, record: 0, bytes: 1, place: 0)) }
        for flight in settled { window.settle(flight) }
        window.retire()
        return window
    }

    private static func source() -> MemorySource { MemorySource(spool: .none) { _ in nil } }

    @Test("the cursor moves behind what is settled without a gap, once; what lies beyond is counted")
    func commits() throws {
        let source = Self.source()
        let cursor = SourceCursor(source)
        var window = Self.window(4, settled: [0, 1, 3])
        for _ in 0..<2 { try cursor.commit(&window) }
        #expect(source.commits == [2] && source.settledAhead == 1)
        source.failCommits(with: ForebayError(.systemCall, recovery: .retry, "no file"))
        window.settle(2)
        window.retire()
        #expect(throws: ForebayError.self) { try cursor.commit(&window) }
        source.failCommits(with: nil)
        try cursor.commit(&window)
        #expect(source.commits == [2, 4], "what failed is to be done still")
    }

    @Test("what is settled ahead is kept when the cursor stood still since the last look and more is settled; and at the end")
    func keeps() {
        let source = Self.source()
        var cursor = SourceCursor(source)
        var looks = 0
        func look(_ window: InFlightWindow, _ settled: UInt64, isFinal: Bool = false) -> SettledAhead? {
            let before = looks
            cursor.keepAhead(window, settled: settled, isFinal: isFinal) {
                looks += 1
                return [Self.witness]
            }
            return looks > before ? source.ahead?.kept : nil
        }
        let window = Self.window(4, settled: [1, 2])
        let moved = Self.window(4, settled: [0, 2])
        let kept = look(window, 2)
        #expect(kept?.ranges == [1..<3] && kept?.witnesses == [Self.witness] && source.ahead?.isFinal == false)
        #expect(look(window, 2) == nil, "nothing more is settled")
        #expect(look(moved, 3) == nil, "the cursor moves")
        #expect(look(moved, 3)?.ranges == [2..<3])
        #expect(look(moved, 3, isFinal: true) != nil && source.ahead?.isFinal == true)
        cursor.begin()
        #expect(look(moved, 3) == nil && look(moved, 3) != nil, "a run has seen nothing yet")
    }

    @Test("a source that keeps nothing is not asked to; lanes that were revoked are given back when nothing of them is in flight")
    func lanes() throws {
        let source = LaneSource()
        var cursor = SourceCursor(source)
        var window = Self.window(2, settled: [0])
        window.close(.spool(.none), isLost: false)
        try cursor.commit(&window)
        #expect(source.given.withLock { $0 }.isEmpty)
        window.settle(1)
        window.retire()
        try cursor.commit(&window)
        #expect(source.given.withLock { $0 } == [.spool(.none)])
        cursor.keepAhead(window, settled: 2, isFinal: true) { [] }
        #expect(!source.isTold.withLock { $0 })
    }

    /// As a consumer group: it keeps nothing ahead.
    private final class LaneSource: EventSource {
        let given = Mutex<[Lane]>([])
        let isTold = Mutex(false)
        var cursor: Offset { Offset(lane: .spool(.none), number: 0) }
        var lag: UInt64 { 0 }

        func batches() -> AsyncStream<Batch> { AsyncStream(unfolding: { nil }) }
        func load(_ lane: Lane) -> UInt64? { nil }
        func commit(through end: Offset) {}
        func flush() async {}
        func released(_ lane: Lane) { self.given.withLock { $0.append(lane) } }
        func keep(_ ahead: SettledAhead, isFinal: Bool) { self.isTold.withLock { $0 = true } }
        func settled(ahead count: UInt64) { self.isTold.withLock { $0 = true } }
    }
}
