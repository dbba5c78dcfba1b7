/// A delivery that need not get everything: where there is no room for new events it gives up its oldest ones.
package protocol YieldingHolder: Sendable {
    var cursor: SpoolCursor { get }

    /// Gives up the oldest of what it keeps beside the spool, which is older than all that the spool has for it: so much that a file can
    /// go.
    ///
    /// - Returns: false: no file can.
    func giveUpBesideSpool() async -> Bool

    /// Gives up its events in the spool below a place: its cursor stands there, or further, when this returns.
    ///
    /// - Parameter ordinal: how many of its events ever were below it.
    func giveUp(below sequence: UInt64, ordinal: UInt64)
}
