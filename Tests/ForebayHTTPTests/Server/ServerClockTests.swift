import ForebayCore
import Testing

@testable import ForebayHTTP

@Suite("Clock of a server")
struct ServerClockTests {
    /// Its timers fire when a test says so.
    private final class HandLoop: StageLoop, @unchecked Sendable {  // Safe because: one test uses it, on one thread.
        final class LoopTimer: StageTimer {
            fileprivate var fire: (() -> Void)?
            init(_ fire: @escaping () -> Void) { self.fire = fire }
            func cancel() { self.fire = nil }
        }

        private(set) var timers: [(milliseconds: Int, timer: LoopTimer)] = []
        var nowMilliseconds: UInt64 { 0 }

        func executor() -> any SerialExecutor { preconditionFailure("no actor lives here") }
        func taskExecutor() -> any TaskExecutor { preconditionFailure("no task runs here") }
        func timer(after milliseconds: Int, _ body: @escaping () -> Void) -> LoopTimer { self.timer(every: milliseconds, body) }

        func timer(every milliseconds: Int, _ body: @escaping () -> Void) -> LoopTimer {
            let timer = LoopTimer(body)
            self.timers.append((milliseconds, timer))
            return timer
        }

        func fire() { for (_, timer) in self.timers { timer.fire?() } }
    }

    @Test("sweeps four times a second from its start to its end, and tells the date meanwhile")
    func sweeps() {
        let loop = HandLoop()
        let clock = ServerClock()
        var sweeps = 0
        #expect(clock.start(on: loop) { sweeps += 1 })
        #expect(loop.timers.map(\.milliseconds) == [250])
        clock.date.update(to: 0)
        loop.fire()
        #expect(sweeps == 1)
        #expect(!String(decoding: clock.date.text, as: UTF8.self).contains("1970"))
        clock.stop()
        loop.fire()
        #expect(sweeps == 1)
    }

    @Test("starts once, and again after its end")
    func starts() {
        let loop = HandLoop()
        let clock = ServerClock()
        #expect(clock.start(on: loop) {})
        #expect(!clock.start(on: loop) {})
        #expect(loop.timers.count == 1)
        clock.stop()
        #expect(clock.start(on: loop) {})
        #expect(loop.timers.count == 2)
    }
}
