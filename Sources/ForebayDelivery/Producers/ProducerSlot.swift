/// Which of a route's producers. Each partition has events in at most one at a time.
enum ProducerSlot: Int, CaseIterable, Sendable {
    /// Everything that nothing is known against.
    case main
    /// Topics whose `max.message.bytes` is smaller than the main producer's batches.
    case small
    /// Events that go alone: suspects, and those that ask whether a topic takes events again.
    case single

    var bit: UInt8 { 1 << UInt8(self.rawValue) }
}
