package import ForebayCore
import Synchronization

/// What scripted stages do and what was done to them, over all their restarts.
package final class StageScript: Sendable {
    package enum Step: Sendable {
        /// `run` throws at once.
        case fail(ForebayError)
        /// Another error than ours.
        case failOtherwise(any Error)
        /// `run` returns at once.
        case end
        /// `run` works until its task is cancelled.
        case work
        /// `run` works on although its task is cancelled, until `release`.
        case hang
    }

    package enum Event: Sendable, Equatable {
        case made(Int)
        case run(Int)
        case cancelled(Int)
        case drained(Int)
    }

    package let events = Happenings<Event>()
    private let steps: Mutex<[Step]>
    private let made = Mutex(0)
    fileprivate let released = Happenings<Void>()
    private let drainHangs: Bool

    /// - Parameter steps: one for each run; after the last one all runs `work`.
    package init(_ steps: [Step] = [], drainHangs: Bool = false) {
        self.steps = Mutex(steps)
        self.drainHangs = drainHangs
    }

    /// A new stage, numbered from 1.
    package func make() -> ScriptedStage {
        let number = self.made.withLock { made in
            made += 1
            return made
        }
        self.events.add(.made(number))
        return ScriptedStage(script: self, number: number, drainHangs: self.drainHangs)
    }

    /// Lets everything that hangs go on.
    package func release() { self.released.add(()) }

    fileprivate func nextStep() -> Step {
        self.steps.withLock { $0.isEmpty ? .work : $0.removeFirst() }
    }
}

/// A stage that does what its script says.
package actor ScriptedStage: Stage {
    private let script: StageScript
    private let number: Int
    private let drainHangs: Bool

    init(script: StageScript, number: Int, drainHangs: Bool) {
        self.script = script
        self.number = number
        self.drainHangs = drainHangs
    }

    package nonisolated var facts: [Fact] { [Fact("number", .number(Int64(self.number)))] }

    package func run() async throws {
        self.script.events.add(.run(self.number))
        switch self.script.nextStep() {
        case .fail(let error): throw error
        case .failOtherwise(let error): throw error
        case .end: return
        case .hang: await self.script.released.wait(forCount: 1)
        case .work:
            let (never, ending) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
            await withTaskCancellationHandler {
                for await _ in never {}
            } onCancel: {
                ending.finish()
            }
            self.script.events.add(.cancelled(self.number))
            throw CancellationError()
        }
    }

    package func drain() async {
        if self.drainHangs { await self.script.released.wait(forCount: 1) }
        self.script.events.add(.drained(self.number))
    }
}
