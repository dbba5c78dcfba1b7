/// What waits for the disk and is no actor's own, on a thread that may.
actor DiskWork {
    private let executor: any SerialExecutor

    nonisolated var unownedExecutor: UnownedSerialExecutor { self.executor.asUnownedSerialExecutor() }

    init(_ executor: any SerialExecutor) {
        self.executor = executor
    }

    func perform(_ work: @Sendable () -> Void) { work() }
}
