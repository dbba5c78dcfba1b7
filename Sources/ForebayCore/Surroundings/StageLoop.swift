/// The loop that stages live on, as they see it: executors, the time of a turn, timers.
///
/// What a loop calls back runs on its thread, between the jobs of its actors: `assumeIsolated` of any of them works there.
package protocol StageLoop: AnyObject, Sendable {
    associatedtype LoopTimer: StageTimer

    /// The executor for one actor, which takes it once and keeps it. In the process all actors of a loop share one, so that they call each
    /// other without a hop; a simulation gives each its own, and decides who is next.
    func executor() -> any SerialExecutor

    /// For the tasks of such actors: where they go while they are isolated to nobody.
    func taskExecutor() -> any TaskExecutor

    /// The monotonic time of this turn, in milliseconds.
    var nowMilliseconds: UInt64 { get }

    /// Runs `body` once, that many milliseconds from now. On the loop.
    @discardableResult
    func timer(after milliseconds: Int, _ body: @escaping () -> Void) -> LoopTimer

    /// Runs `body` again and again. On the loop.
    @discardableResult
    func timer(every milliseconds: Int, _ body: @escaping () -> Void) -> LoopTimer
}
