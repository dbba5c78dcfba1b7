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

/// The life of one producer.
///
///     closed --delay over and needed--> open --fatal--> failing --reports in, or patience over--> closed
///                                        `--other settings needed--> draining --reports in--> closed
struct ProducerSlotState {
    enum Phase: Equatable {
        /// May be opened from this time on.
        case closed(until: UInt64)
        case open
        /// Gets nothing new; closed when its reports are in.
        case draining
        /// Took a fatal error; closed when its reports are in, at this time at the latest.
        case failing(until: UInt64)
    }

    var phase: Phase = .closed(until: 0)
    /// Which one it is, counted over all slots from 1.
    var number: UInt64 = 0
    /// Events sent and not reported.
    var outstanding = 0
    /// Fatal errors since its last delivery.
    var failures = 0
    /// librdkafka's own queue was full: wait for reports.
    var isFull = false
    /// Partitions to look at again when it can be sent to.
    var stalled: [Int] = []
    /// Some topic is not known to it yet, or is to be asked for again.
    var wantsMetadata = false
    /// There is something to send through it.
    var isWanted = false

    var isOpen: Bool { self.phase == .open }

    var waitsForTime: Bool {
        switch self.phase {
        case .closed: self.isWanted
        case .failing: true
        case .open, .draining: false
        }
    }
}
