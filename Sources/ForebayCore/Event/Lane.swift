/// What an offset counts in. One cursor passes all of it.
package enum Lane: Hashable, Sendable {
    /// By its own id, whatever the ids of its events begin with.
    case spool(SpoolID)
    /// Of a topic that a consumer group was assigned: each assignment is another lane, so that what an earlier one read does not count.
    case partition(topic: String, Int32, generation: Int32 = 0)
    /// A unit of what is set aside, by its number in its route's log, and which reading of it this is; counts the unit's own events from 0.
    case unit(UInt64, pass: UInt32 = 0)
}
