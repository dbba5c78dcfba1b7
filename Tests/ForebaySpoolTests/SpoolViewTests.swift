import ForebayCore
import Testing

@testable import ForebaySpool

@Suite("Spool: what readers see of it")
struct SpoolViewTests {
    /// Segments of two events each, the first one at a number and a sequence.
    private func view(segments: Int, from number: UInt64 = 1, base: UInt64 = 0) -> SpoolView {
        let id = spoolID("0123456789ABCDEF")
        let found = (0..<UInt64(segments)).map { place in
            let header = SegmentHeader(log: id, origin: id, number: number + place, base: base + 2 * place, salt: 1, madeAt: 0)
            return SegmentInfo(header: header, path: "/\(number + place)", end: header.base + 2, dataEnd: 12_288, size: 16_384)
        }
        return SpoolView(
            SpoolView.State(
                segments: found, durableEnd: base + 2 * UInt64(segments), ordinals: [:], retention: .cursors, recent: RecentTail(limit: 0)))
    }

    @Test("one at a time makes the next segment's file, and one at a time looks for room; each until it says that it is done")
    func claims() {
        let view = self.view(segments: 0)
        for _ in 0..<2 {
            #expect(view.claimPrepared() && view.wantsLookForRoom())
            for _ in 0..<2 { #expect(!view.claimPrepared() && !view.wantsLookForRoom()) }
            view.releasePrepared()
            view.lookedForRoom()
        }
        #expect(view.roomWithoutNewFile == 0)
        view.setRoom(7)
        #expect(view.roomWithoutNewFile == 7)
    }

    @Test("the segment that holds a sequence, or the next one behind it")
    func holding() {
        let view = self.view(segments: 3, from: 4, base: 10)
        for (sequence, number) in [(0, 4), (10, 4), (11, 4), (12, 5), (15, 6), (16, nil), (99, nil)] as [(UInt64, UInt64?)] {
            #expect(view.segment(holding: sequence)?.number == number, "\(sequence)")
        }
        #expect(view.read { $0.start } == 10 && self.view(segments: 0, base: 10).read { $0.start } == 10)
    }

    @Test("one has what it had until it is being removed, or was cut; a damaged one has it")
    func holds() {
        let view = self.view(segments: 5)
        view.damaged(1)
        view.damaged(99)
        view.change { state in
            state.with(2) { $0.isLeaving = true }
            state.with(3) { ($0.dataEnd, $0.hasFooter) = (8192, true) }
            // Without a footer, or in use, it is no husk.
            state.with(4) { ($0.dataEnd, $0.size) = (8192, 8192) }
            state.with(5) { ($0.dataEnd, $0.hasFooter, $0.isActive) = (8192, true, true) }
        }
        #expect((0...6).map { view.holds($0) } == [false, true, false, false, true, true, false])
        #expect(view.read { $0.segments.map(\.isDamaged) } == [true, false, false, false, false])
    }

    @Test("who listens is woken once to begin with, and once for whatever is announced until it looks; who has gone is forgotten")
    func signals() async {
        let view = self.view(segments: 0)
        var wakes: [String] = []
        do {
            let streams = [view.signals(), view.signals()]
            #expect(view.read { $0.observers.count } == 2)
            for (place, stream) in streams.enumerated() {
                var iterator = stream.makeAsyncIterator()
                await iterator.next()
                wakes.append("\(place) begins")
            }
            for _ in 0..<3 { view.announce() }
            for (place, stream) in streams.enumerated() {
                var iterator = stream.makeAsyncIterator()
                await iterator.next()
                wakes.append("\(place) looks")
            }
        }
        #expect(wakes == ["0 begins", "1 begins", "0 looks", "1 looks"])
        #expect(view.read { $0.observers.isEmpty })
        view.announce()
        let late = view.signals()
        for _ in 0..<3 { view.announce() }
        for observer in view.read({ Array($0.observers.values) }) { observer.finish() }
        var count = 0
        for await _ in late { count += 1 }
        #expect(count == 1)
    }
}
