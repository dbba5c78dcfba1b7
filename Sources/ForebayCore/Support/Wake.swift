import Synchronization

/// A call whose target is known only later, or changes. From any thread.
package final class Wake: Sendable {
    // A closure that stands in a Mutex by itself, not in a struct, is wrapped anew each time it is looked at: each call takes longer than
    // the one before it, until the stack ends.
    private struct Target {
        var body: (@Sendable () -> Void)?
    }

    private let target = Mutex(Target())

    package init() {}

    package func set(_ target: (@Sendable () -> Void)?) {
        self.target.withLock { $0.body = target }
    }

    package func call() {
        self.target.withLock { $0.body }?()
    }
}
