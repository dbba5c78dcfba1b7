import ForebayCore
import Testing

@testable import ForebayDelivery

@Suite("One run of an engine")
struct EngineRunTests {
    private final class Timer: StageTimer {
        private(set) var isCancelled = false

        func cancel() { self.isCancelled = true }
    }

    private static func run() -> EngineRun {
        var run = EngineRun()
        run.begin()
        return run
    }

    @Test("the first reason to end counts, and wakes who waits for the end; the next run has none")
    func fails() async {
        var run = Self.run()
        for code in [ForebayError.Code.spoolFull, .systemCall] { run.fail(ForebayError(code, recovery: .retry, "it")) }
        #expect(run.failure?.code == .spoolFull && run.isRunning)
        for await _ in run.wakeups.ended.stream { break }
        let old = run.wakeups.ended.stream
        run.begin()
        #expect(run.failure == nil)
        run.wakeups.room.notify()
        run.fail(ForebayError(.systemCall, recovery: .retry, "it"))
        for await _ in run.wakeups.ended.stream { break }
        withExtendedLifetime(old) {}
    }

    @Test("a drain pulls no more, of a run only; who waits for it goes on when it is over, or the run is", arguments: [true, false])
    func drains(isFinished: Bool) async {
        var run = EngineRun()
        #expect(run.drain() == false && !run.isDraining, "there is none")
        run.begin()
        let pulling = Task { while !Task.isCancelled { await Task.yield() } }
        run.pull(pulling)
        #expect(run.drain() == true && run.isDraining && run.isRunning)
        await pulling.value
        await withUnsafeContinuation { continuation in
            run.wait(continuation)
            if isFinished { run.finishDrain() } else { run.end() }
        }
        run.finishDrain()
        #expect(run.isRunning == isFinished, "who waited was told once")
        run.begin()
        #expect(!run.isDraining && run.isRunning)
    }

    @Test("one timer at a time; a stop ends it, and the pulling")
    func stops() async {
        var run = Self.run()
        let (first, second) = (Timer(), Timer())
        #expect(!run.hasTimer)
        run.wait(for: first)
        #expect(run.hasTimer)
        run.timerFired()
        #expect(!run.hasTimer)
        run.wait(for: second)
        let pulling = Task { while !Task.isCancelled { await Task.yield() } }
        run.pull(pulling)
        run.stop()
        await pulling.value
        #expect(!run.hasTimer && second.isCancelled && !first.isCancelled && run.isRunning)
        run.end()
        #expect(!run.isRunning)
    }
}
