/// How long the oldest of something has waited.
///
/// By the time of day at which it was accepted; but that clock may have been ahead then, or be behind now, and an alarm that goes by the
/// age would stay silent. So it has waited for as long as it has been seen to be the oldest, at least.
package struct WaitingSince: Sendable, Equatable {
    /// ms since 1970.
    package let acceptedAt: Int64
    /// Monotonic, in ns.
    package let seenAt: UInt64

    package init(acceptedAt: Int64, seenAt: UInt64) {
        self.acceptedAt = acceptedAt
        self.seenAt = seenAt
    }

    package func seconds(at time: any TimeSource) -> Double {
        let now = time.monotonicNanoseconds
        // As floating point: what is on disk may say anything.
        let byDay = (Double(time.wallMilliseconds) - Double(self.acceptedAt)) / 1000
        return max(byDay, Double(now - min(now, self.seenAt)) / 1e9)
    }
}
