// Swift looks a task's preference up under a lock at each of its steps, even where it is none: 850 of the 27,000
// instructions of a single POST.

extension Task where Failure == Never {
    /// - Parameter executor: where it runs while it is isolated to nobody; none: Swift's pool.
    @discardableResult
    package init(
        preferring executor: (any TaskExecutor)?, operation: sending @escaping @isolated(any) () async -> Success
    ) {
        if let executor {
            self.init(executorPreference: executor, operation: operation)
        } else {
            self.init(operation: operation)
        }
    }
}

extension Task where Failure == any Error {
    /// - Parameter executor: where it runs while it is isolated to nobody; none: Swift's pool.
    @discardableResult
    package init(
        preferring executor: (any TaskExecutor)?, operation: sending @escaping @isolated(any) () async throws -> Success
    ) {
        if let executor {
            self.init(executorPreference: executor, operation: operation)
        } else {
            self.init(operation: operation)
        }
    }
}
