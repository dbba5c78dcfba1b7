/// A place in a lane: the number of the event that stands there.
package struct Offset: Hashable, Sendable {
    package let lane: Lane
    package let number: UInt64

    package init(lane: Lane, number: UInt64) {
        self.lane = lane
        self.number = number
    }
}
