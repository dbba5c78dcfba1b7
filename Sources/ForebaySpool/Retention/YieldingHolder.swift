/// A delivery that need not get everything: where there is no room for new events it gives up its oldest ones.
package protocol YieldingHolder: Sendable {
    var cursor: SpoolCursor { get }

    /// How long its oldest event has waited, wherever that is, in seconds; none: nothing waits.
    var oldestAge: Double? { get }

    /// Gives up the oldest of what it keeps beside the spool, which is older than all that the spool has for it: so much that a file can
    /// go.
    ///
    /// - Returns: false: no file can.
    func giveUpBesideSpool() async -> Bool

    /// What a process before settled of its events below a place and beyond the position of its reader, which has not come to it yet.
    func settledUnread(below sequence: UInt64) -> (position: UInt64, ranges: [Range<UInt64>])

    /// Gives up its events in the spool below a place: its cursor stands there, or further, when this returns.
    ///
    /// - Parameters:
    ///   - ordinal: how many of its events ever were below it.
    ///   - settledUnread: how many lie in the ranges that ``settledUnread(below:)`` told, and the position that it told.
    func giveUp(below sequence: UInt64, ordinal: UInt64, settledUnread: (position: UInt64, events: UInt64))
}
