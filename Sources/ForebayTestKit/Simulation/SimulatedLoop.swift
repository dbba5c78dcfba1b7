import ForebayCore

/// An event loop of a ``SimulatedProcess``: one simulated thread, its timers among the others.
package final class SimulatedLoop: StageLoop, @unchecked Sendable {  // Safe because: one thread at a time runs the simulation.
    package final class LoopTimer: StageTimer {
        fileprivate var number: UInt64 = 0
        private let process: SimulatedProcess

        fileprivate init(_ process: SimulatedProcess) { self.process = process }

        package func cancel() { self.process.removeTimer(self.number) }
    }

    private let process: SimulatedProcess
    private let thread: Int

    package init(_ process: SimulatedProcess) {
        self.process = process
        self.thread = process.newThread()
    }

    package func executor() -> any SerialExecutor { self.process.executor(thread: self.thread) }

    package func taskExecutor() -> any TaskExecutor { self.process.tasks }

    package var nowMilliseconds: UInt64 { self.process.machine.now / 1_000_000 }

    @discardableResult
    package func timer(after milliseconds: Int, _ body: @escaping () -> Void) -> LoopTimer {
        let timer = LoopTimer(self.process)
        timer.number = self.process.addTimer(due: self.due(milliseconds), on: self.thread, fire: body)
        return timer
    }

    @discardableResult
    package func timer(every milliseconds: Int, _ body: @escaping () -> Void) -> LoopTimer {
        let timer = LoopTimer(self.process)
        self.again(timer, milliseconds, body)
        return timer
    }

    private func again(_ timer: LoopTimer, _ milliseconds: Int, _ body: @escaping () -> Void) {
        timer.number = self.process.addTimer(due: self.due(milliseconds), on: self.thread) {
            // Before the call, which may cancel it.
            self.again(timer, milliseconds, body)
            body()
        }
    }

    private func due(_ milliseconds: Int) -> UInt64 { self.process.machine.now + UInt64(max(0, milliseconds)) * 1_000_000 }
}
