/// How much a log holds, durably and whole.
package struct LogWitness: Sendable, Equatable {
    package let log: SpoolID
    /// Everything below it, but for those losses.
    package let end: UInt64
    /// How often something of it was found lost or damaged, ever: where that has risen, it may be what was stored before.
    package let losses: UInt64

    package init(log: SpoolID, end: UInt64, losses: UInt64) {
        self.log = log
        self.end = end
        self.losses = losses
    }

    /// Whether all that the other one vouched for is still there.
    package func covers(_ other: LogWitness) -> Bool { self.log == other.log && self.end >= other.end && self.losses == other.losses }
}
