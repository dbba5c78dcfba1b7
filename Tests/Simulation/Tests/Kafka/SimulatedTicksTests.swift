import ForebayCore
import Testing

@testable import ForebayTestKit

@Suite("How often a simulated producer looks")
struct SimulatedTicksTests {
    /// Fires one timer at a time, and remembers how long each took.
    private final class Loop: StageLoop, @unchecked Sendable {  // Safe because: of one test.
        final class LoopTimer: StageTimer {
            fileprivate var body: (() -> Void)?
            func cancel() { self.body = nil }
        }

        private(set) var waits: [Int] = []
        private var timers: [LoopTimer] = []
        var nowMilliseconds: UInt64 { 0 }

        func timer(after milliseconds: Int, _ body: @escaping () -> Void) -> LoopTimer {
            let timer = LoopTimer()
            timer.body = body
            self.waits.append(milliseconds)
            self.timers.append(timer)
            return timer
        }

        func fire() { if !self.timers.isEmpty { self.timers.removeFirst().body?() } }

        func timer(every milliseconds: Int, _ body: @escaping () -> Void) -> LoopTimer { fatalError("never asked for") }
        func executor() -> any SerialExecutor { fatalError("never asked for") }
        func taskExecutor() -> any TaskExecutor { fatalError("never asked for") }
    }

    @Test("the longer nothing comes the less often, up to a bound; something that comes makes it often again")
    func slower() {
        var (ticks, chance) = (SimulatedTicks(), SplitMix(seed: 3))
        let loop = Loop()
        ticks.start(on: loop) {}
        ticks.start(on: loop) {}
        #expect(loop.waits == [1], "it looks already")
        /// Looks, and says how long it waits then.
        func look(hasMoved: Bool) -> Int {
            ticks.ticked()
            ticks.adapt(hasMoved: hasMoved)
            ticks.goOn(on: loop, &chance) {}
            return loop.waits.last!
        }
        let waits = (0..<60).map { _ in look(hasMoved: false) }
        for (place, wait) in waits.enumerated() { #expect(wait >= 1 && wait <= min(SimulatedTicks.slowest, 2 << min(place, 9))) }
        #expect(waits.contains { $0 > 15 })
        #expect(look(hasMoved: true) == 1)
        _ = (0..<9).map { _ in look(hasMoved: false) }
        ticks.start(on: loop) {}
        ticks.ticked()
        ticks.goOn(on: loop, &chance) {}
        #expect(loop.waits.last == 1, "something is under way")
    }

    @Test("stopped it does not look; it may be started again")
    func stops() {
        var ticks = SimulatedTicks()
        let loop = Loop()
        var looks: [String] = []
        ticks.start(on: loop) { looks.append("stopped") }
        ticks.stop()
        loop.fire()
        ticks.start(on: loop) { looks.append("again") }
        loop.fire()
        #expect(looks == ["again"])
    }
}
