/// Threads from outside.
package protocol ExecutorSource: Sendable {
    /// Where tasks go that are isolated to nobody; none: Swift's pool.
    var tasks: (any TaskExecutor)? { get }

    /// A thread of its own for calls that may wait.
    ///
    /// - Parameter label: the thread's name as `top -H` shows it, at most 15 characters.
    func thread(label: String) -> any WorkThread
}

/// The process's own.
struct SystemExecutors: ExecutorSource {
    var tasks: (any TaskExecutor)? { nil }

    func thread(label: String) -> any WorkThread { ThreadExecutor(label: label) }
}
