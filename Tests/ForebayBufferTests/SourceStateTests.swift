import ForebayCore
import Testing

@testable import ForebayBuffer

@Suite("Source state")
struct SourceStateTests {
    private func batch(_ first: UInt64, _ count: Int, acceptedAt: Int64 = 5) -> Batch {
        Batch(
            lane: .spool(.none), origin: nil, first: first, count: count, route: RouteID(name: "a"), acceptedAt: acceptedAt,
            slab: Slab(capacity: 1),
            range: 0..<0)
    }

    @Test("the cursor stands at the end of the settled prefix while something is handed out")
    func prefix() {
        var state = SourceState(cursor: 10)
        state.hand(self.batch(10, 5))
        state.hand(self.batch(20, 5))
        #expect(state.settle(through: 12) == SourceState.Move(sequence: 12, settled: 2))
        #expect(state.settle(through: 15) == SourceState.Move(sequence: 15, settled: 3))
        #expect(state.settle(through: 22) == SourceState.Move(sequence: 22, settled: 2))
        #expect(state.idlePosition == nil)
        #expect(state.settle(through: 22) == nil, "never back, never twice")
    }

    @Test("the oldest that is not settled is where the settled prefix ends, or where what is handed out begins")
    func oldestSequence() {
        var state = SourceState(cursor: 10)
        #expect(state.oldestSequence == nil && state.oldestAcceptedAt == nil)
        state.hand(self.batch(12, 4, acceptedAt: 7))
        state.hand(self.batch(20, 5, acceptedAt: 8))
        #expect(state.oldestSequence == 12 && state.oldestAcceptedAt == 7)
        _ = state.settle(through: 14)
        #expect(state.oldestSequence == 14 && state.oldestAcceptedAt == 7)
        _ = state.settle(through: 16)
        #expect(state.oldestSequence == 20 && state.oldestAcceptedAt == 8)
        _ = state.settle(through: 25)
        #expect(state.oldestSequence == nil)
    }

    @Test("what was passed as settled is not passed again: the cursor does not go back for one who settles less")
    func passed() {
        var state = SourceState(cursor: 0)
        #expect(state.pass(0..<10) == SourceState.Move(sequence: 10, settled: 10))
        state.hand(self.batch(10, 10))
        #expect(state.settle(through: 5) == nil && state.settle(through: 10) == nil)
        #expect(state.settle(through: 12) == SourceState.Move(sequence: 12, settled: 2))
    }

    @Test("what an earlier reading handed out is not settled in this one: it comes again, and is counted then")
    func another() {
        var state = SourceState(cursor: 10)
        #expect(state.settle(through: 15) == nil)
        state.hand(self.batch(10, 3))
        #expect(state.settle(through: 15) == SourceState.Move(sequence: 13, settled: 3))
        state.hand(self.batch(13, 3))
        #expect(state.settle(through: 15) == SourceState.Move(sequence: 15, settled: 2))
    }

    @Test("events of other routes hold nothing back: idle, the cursor stands where the reader does")
    func idle() {
        var state = SourceState(cursor: 0)
        #expect(state.reached(7) == SourceState.Move(sequence: 7, settled: 0))
        state.hand(self.batch(7, 3))
        #expect(state.reached(50) == nil, "something is handed out")
        #expect(state.settle(through: 10) == SourceState.Move(sequence: 50, settled: 3))
        #expect(state.idlePosition == 50)
    }

    @Test("what is settled ahead is passed with the events before it, counted once, and never before them")
    func ahead() {
        var state = SourceState(cursor: 0)
        state.hand(self.batch(0, 2))
        #expect(state.pass(2..<5) == nil, "what stands before it waits")
        #expect(state.pass(5..<6) == nil)
        state.hand(self.batch(6, 2))
        #expect(state.pass(8..<10) == nil)
        #expect(state.settle(through: 1) == SourceState.Move(sequence: 1, settled: 1))
        #expect(state.settle(through: 2) == SourceState.Move(sequence: 6, settled: 5))
        #expect(state.settle(through: 2) == nil)
        #expect(state.oldestAcceptedAt == 5)
        #expect(state.settle(through: 7) == SourceState.Move(sequence: 7, settled: 1))
        #expect(state.settle(through: 8) == SourceState.Move(sequence: 10, settled: 3))
        #expect(state.idlePosition == 10)
        // Nothing waits: it is passed at once.
        #expect(state.pass(12..<14) == SourceState.Move(sequence: 14, settled: 2))
        state.hand(self.batch(14, 1))
        #expect(state.settle(through: 15) == SourceState.Move(sequence: 15, settled: 1))
        #expect(state.idlePosition == 15)
    }

    @Test("a stage may settle what it had and what was passed in one step")
    func aheadInOneStep() {
        var state = SourceState(cursor: 0)
        state.hand(self.batch(0, 2))
        _ = state.pass(2..<5)
        state.hand(self.batch(9, 3))
        _ = state.pass(12..<13)
        #expect(state.settle(through: 12) == SourceState.Move(sequence: 13, settled: 9))
    }

    @Test("the oldest event that waits is that of the first batch not settled whole")
    func oldest() {
        var state = SourceState(cursor: 0)
        #expect(state.oldestAcceptedAt == nil)
        state.hand(self.batch(0, 2, acceptedAt: 100))
        state.hand(self.batch(2, 2, acceptedAt: 200))
        _ = state.settle(through: 1)
        #expect(state.oldestAcceptedAt == 100)
        _ = state.settle(through: 2)
        #expect(state.oldestAcceptedAt == 200)
    }

    @Test("what is settled is let go of: beside what waits at most as much is kept")
    func letsGo() {
        var state = SourceState(cursor: 0)
        for number in 0..<100 as Range<UInt64> { state.hand(self.batch(number, 1)) }
        for end in 1...99 as ClosedRange<UInt64> {
            _ = state.settle(through: end)
            #expect(state.held <= 2 * Int(100 - end) && state.held >= Int(100 - end))
            #expect(state.idlePosition == nil)
        }
        #expect(state.settle(through: 100) == SourceState.Move(sequence: 100, settled: 1))
        #expect(state.held == 0 && state.oldestAcceptedAt == nil && state.idlePosition == 100)
        state.hand(self.batch(100, 2, acceptedAt: 9))
        #expect(state.held == 1 && state.oldestAcceptedAt == 9)
    }

    @Test("what is settled ahead is let go of with the events before it")
    func letsGoAhead() {
        var state = SourceState(cursor: 0)
        state.hand(self.batch(0, 2))
        _ = state.pass(2..<5)
        state.hand(self.batch(9, 3))
        #expect(state.held == 3 && state.settle(through: 2) == SourceState.Move(sequence: 5, settled: 5) && state.held == 1)
    }

    @Test("a reader that looks again at what it has seen moves nothing; at rest it says where it stands")
    func looksAgain() {
        var state = SourceState(cursor: 5)
        #expect(state.idlePosition == 5 && state.reached(9) == SourceState.Move(sequence: 9, settled: 0))
        #expect(state.reached(7) == SourceState.Move(sequence: 9, settled: 0), "never back")
        state.hand(self.batch(9, 4))
        #expect(state.reached(20) == nil && state.reached(10) == nil)
        #expect(state.settle(through: 9) == SourceState.Move(sequence: 9, settled: 0))
        #expect(state.settle(through: 13) == SourceState.Move(sequence: 20, settled: 4))
        state.hand(self.batch(25, 5))
        #expect(state.settle(through: 30) == SourceState.Move(sequence: 30, settled: 5))
        #expect(state.settle(through: 40) == nil, "beyond all that was handed out")
    }

    @Test("settled events are counted once, in whatever steps, over many batches")
    func counts() {
        var generator = Numbers(state: 3)
        for _ in 0..<200 {
            var state = SourceState(cursor: 0)
            var end: UInt64 = 0
            var events: UInt64 = 0
            for _ in 0..<Int.random(in: 1...100, using: &generator) {
                end += UInt64.random(in: 0...3, using: &generator)  // Others' events between.
                let count = Int.random(in: 1...9, using: &generator)
                state.hand(self.batch(end, count))
                end += UInt64(count)
                events += UInt64(count)
            }
            var settled: UInt64 = 0
            var at: UInt64 = 0
            while at < end {
                at = min(end, at + UInt64.random(in: 1...20, using: &generator))
                settled += state.settle(through: at)?.settled ?? 0
            }
            #expect(settled == events)
            #expect(state.idlePosition == end)
        }
    }

    @Test("what is given up is not counted again when it is settled after all, and the cursor stands beyond it all the while")
    func givenUp() {
        var state = SourceState(cursor: 0)
        state.hand(self.batch(2, 4))
        state.hand(self.batch(10, 4))
        _ = state.settle(through: 3)
        #expect(state.giveUp(from: 3, below: 12) == 5 && state.givenUp == 5, "3, 4, 5 and 10, 11 are on their way")
        #expect(state.idlePosition == nil && state.oldestSequence == 3)
        #expect(state.settle(through: 5) == SourceState.Move(sequence: 12, settled: 0) && state.givenUp == 3)
        #expect(state.settle(through: 13) == SourceState.Move(sequence: 13, settled: 1) && state.givenUp == 0)
        #expect(state.settle(through: 14) == SourceState.Move(sequence: 14, settled: 1) && state.idlePosition == 14)
    }

    @Test("given up twice, only what lies between is on its way anew; what nothing is handed out of moves the cursor at once")
    func givenUpAgain() {
        var state = SourceState(cursor: 0)
        state.hand(self.batch(0, 10))
        #expect(state.giveUp(from: 0, below: 4) == 4 && state.giveUp(from: 4, below: 6) == 2 && state.givenUp == 6)
        #expect(state.giveUp(from: 6, below: 30) == 4 && state.givenUp == 10)
        #expect(state.settle(through: 10) == SourceState.Move(sequence: 30, settled: 0) && state.idlePosition == 30)
        #expect(state.reached(20) == SourceState.Move(sequence: 30, settled: 0), "never back")
    }

    @Test("a run that ends drops what is given up and not settled, beside what was settled ahead or before")
    func dropped() {
        var state = SourceState(cursor: 0)
        state.hand(self.batch(0, 5))
        _ = state.pass(5..<8)
        state.hand(self.batch(8, 6))
        #expect(state.giveUp(from: 0, below: 12) == 12)
        #expect(state.dropGivenUp(settled: SettledAhead(ranges: [3..<4, 9..<11])) == 6, "0, 1, 2, 4 and 8, 11")
        #expect(state.givenUp == 0 && state.dropGivenUp(settled: SettledAhead()) == 0)
        #expect(state.settle(through: 14) == SourceState.Move(sequence: 14, settled: 2))
    }
}

private struct Numbers: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        self.state = self.state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return self.state ^ (self.state >> 31)
    }
}
