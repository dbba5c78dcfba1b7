/// For tasks whose actors live on a loop: what they await that is isolated to nobody, as every `AsyncStream` is, runs on the loop too.
/// Otherwise a thread of Swift's pool is woken for it, only to wake the loop again.
package final class LoopTaskExecutor: TaskExecutor {
    private let loop: EventLoop

    package init(_ loop: EventLoop) {
        self.loop = loop
    }

    package func enqueue(_ job: consuming ExecutorJob) {
        self.loop.append(.task(UnownedJob(job), self.asUnownedTaskExecutor()))
    }
}
