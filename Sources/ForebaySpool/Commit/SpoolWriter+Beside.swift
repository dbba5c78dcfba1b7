import ForebayCore

/// What is done to files beside the segments on the writer's thread, which may wait for the disk.
extension SpoolWriter {
    /// - Parameter growth: bytes that a file grows by it.
    /// - Throws: `spool_full`, if there is no room for so many.
    func perform<Result: Sendable>(
        growing growth: @Sendable () -> Int = { 0 }, _ work: @Sendable () throws(ForebayError) -> Result
    ) throws(ForebayError) -> Result {
        try self.room.require(growth)
        return try work()
    }
}
