/// Time from outside.
package protocol TimeSource: Sendable {
    /// The time of day in ms since 1970, for what users see. It may jump, so it never decides order, expiry or recovery.
    var wallMilliseconds: Int64 { get }

    /// Time that only moves forward, for measuring and waiting.
    var monotonicNanoseconds: UInt64 { get }

    /// - Throws: `CancellationError`, as soon as the task is cancelled.
    func sleep(milliseconds: Int) async throws
}

/// The process's own.
struct SystemTime: TimeSource {
    var wallMilliseconds: Int64 { WallClock.milliseconds }
    var monotonicNanoseconds: UInt64 { MonotonicClock.nanoseconds }

    func sleep(milliseconds: Int) async throws {
        try await Task.sleep(for: .milliseconds(milliseconds))
    }
}
