/// Something that was found lost or damaged on the disk; or that can't be removed from it. Where events may be lost it stays, over restarts
/// too, until somebody acknowledges it; else until the next start.
package struct AlarmStatus: Sendable, Equatable {
    package enum Kind: String, Sendable {
        case damage
        /// A file that nobody needs can't be removed; gone from here as soon as it is.
        case notRemoved = "not_removed"
    }

    package var kind: Kind
    /// `spool`, `setaside/orders`, `deadletters/orders`.
    package var log: String
    /// In a sentence, and what was done about it.
    package var what: String
    package var file: String
    /// The events that are lost, the end exclusive: sequences of the log, or positions of a set-aside unit. None: it is not events.
    package var lost: Range<UInt64>?
    /// How many of them nobody had settled: these are lost, the others had been delivered.
    package var lostEvents: UInt64?
    /// Of the set-aside unit whose events are lost, where it is known.
    package var topic: String?
    /// The file held events, and how many of them are lost is not known.
    package var losesUncounted: Bool
    /// Milliseconds since 1970.
    package var noticedAt: Int64
    /// What to do about it.
    package var advice: String

    package init(
        kind: Kind = .damage, log: String, what: String, file: String, lost: Range<UInt64>? = nil, lostEvents: UInt64? = nil,
        topic: String? = nil, losesUncounted: Bool = false, noticedAt: Int64, advice: String
    ) {
        self.kind = kind
        self.log = log
        self.what = what
        self.file = file
        self.lost = lost
        self.lostEvents = lostEvents
        self.topic = topic
        self.losesUncounted = losesUncounted
        self.noticedAt = noticedAt
        self.advice = advice
    }
}
