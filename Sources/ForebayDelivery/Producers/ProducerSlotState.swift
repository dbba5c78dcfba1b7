/// The life of one producer.
///
///     closed --delay over and needed--> open --fatal--> failing --reports in, or patience over--> closed
///                                        |--other settings needed--> draining --reports in, those of holds for a while--> closed
///                                        `--too many topics--> renewing --reports in--> closed; --patience over--> open
struct ProducerSlotState {
    enum Phase: Equatable {
        /// May be opened from this time on.
        case closed(until: UInt64)
        case open
        /// Gets nothing new; closed when its reports are in. For those of what it only holds it is waited until this time.
        case draining(until: UInt64)
        /// Gets nothing new for a moment; closed when its reports are in, else it goes on at this time.
        case renewing(until: UInt64)
        /// Took a fatal error; closed when its reports are in, at this time at the latest.
        case failing(until: UInt64)
    }

    var phase: Phase = .closed(until: 0)
    /// Which one it is, counted over all slots from 1.
    var number: UInt64 = 0
    /// Events sent and not reported.
    var outstanding = 0
    /// Events sent, not reported, and settled otherwise meanwhile.
    var settledOutstanding = 0
    /// Fatal errors since its last delivery.
    var failures = 0
    /// A record was refused, which is fatal to it: no failure of the cluster's, and no reason to wait longer each time.
    var hasRefused = false
    /// librdkafka's own queue was full: wait for reports.
    var isFull = false
    /// Partitions to look at again when it can be sent to.
    var stalled: [Int] = []
    /// Topics that are not known to it yet, or are to be asked for again.
    var wanted = WaitingTopics()
    /// There is something to send through it.
    var isWanted = false

    var isOpen: Bool { self.phase == .open }
    var wantsMetadata: Bool { !self.wanted.isEmpty }

    var waitsForTime: Bool {
        switch self.phase {
        case .closed: self.isWanted
        case .failing, .renewing: true
        case .draining: self.settledOutstanding > 0
        case .open: false
        }
    }
}
