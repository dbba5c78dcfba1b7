import ForebayCore

/// Where a log stands that is written: what its next segment goes on from.
struct SpoolTail {
    let log: SpoolID
    var number: UInt64
    var nextNumber: UInt64
    var end: UInt64
    /// Sequences that are left out before the next segment: they may stand in one that was lost.
    var gap: UInt64
    /// Of the segment that was the newest at the start.
    let checksum: UInt64
    var origin: SpoolID

    init(_ start: SpoolStart) {
        let outcome = start.outcome
        self.log = start.identity.log
        self.number = outcome.segments.last?.number ?? 0
        self.nextNumber = outcome.nextNumber
        self.end = outcome.durableEnd
        self.gap = start.next - outcome.durableEnd
        self.checksum = outcome.last.checksum
        var generator = start.configuration.surroundings.chance.generator
        self.origin = outcome.origin ?? (start.identity.isNew ? start.identity.log : SpoolID.random(using: &generator))
    }
}
