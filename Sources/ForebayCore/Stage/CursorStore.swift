/// Keeps how far lanes are settled: slots beside a spool, the offsets of a consumer group, or records that a target takes together with the
/// events.
package protocol CursorStore: Sendable {
    /// Where a lane stands: the first event that is not settled; none: it never had a cursor, or it is not this process's now.
    func load(_ lane: Lane) async throws(ForebayError) -> UInt64?

    /// Moves the cursor of a lane: everything below `end` is settled (delivered, set aside, or dead). Never back; of a lane that was lost,
    /// never.
    ///
    /// Cheap: durable by the next ``flush()``, and within the store's interval without one.
    func commit(through end: Offset) throws(ForebayError)

    /// What was committed before is durable on return.
    func flush() async throws(ForebayError)
}
