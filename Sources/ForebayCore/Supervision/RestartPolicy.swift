/// How long a failed child waits: exponential with jitter. There is no number of failures after which it is given up:
/// a stage that can't run leaves its backlog growing in the buffer, visible, until it can.
package struct RestartPolicy: Sendable {
    /// Milliseconds before the first restart.
    package var first: Int
    /// Milliseconds at most.
    package var limit: Int
    /// A child that ran this long, in milliseconds, begins at `first` again.
    package var calmAfter: Int

    package init(first: Int = 100, limit: Int = 30_000, calmAfter: Int = 60_000) {
        self.first = first
        self.limit = limit
        self.calmAfter = calmAfter
    }

    /// Milliseconds to wait after the `failures`-th failure in a row (1…), spread over its upper half so that nodes don't march in step.
    package func delay(failures: Int, using generator: inout some RandomNumberGenerator) -> Int {
        // So many bits are free above the highest that is set.
        let overflows = failures > self.first.leadingZeroBitCount
        let doubled = overflows ? self.limit : min(self.limit, self.first << (failures - 1))
        return Int.random(in: doubled / 2...doubled, using: &generator)
    }
}
