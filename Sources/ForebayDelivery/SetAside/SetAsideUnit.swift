/// One unit as the stages see it: its place in the log, and who is at it.
///
///     waiting --time over, no producer holds any of it--> asking --its topic is there--> draining --all is read--> closing --all is
///        ^                                                  |                              |                         | settled--> gone
///        `--------------------------------- not now --------+------------------------------+-------------------------'
///
/// Positions count the unit's own events from 0:
///
///     0 ... settled | ... ahead ... | end: durable | pending: on their way into the log
///
/// `end` is what the log says, when it has stored something or when a reader found it there, whichever comes first: never a count.
struct SetAsideUnit {
    enum Phase: Equatable {
        case waiting(until: UInt64)
        /// The cluster is asked for its topic.
        case asking
        case draining
        case closing
    }

    let number: UInt64
    let key: SetAsideKey
    /// Of its topic when it was set aside; 0: not known.
    let partitionCount: Int32
    var code: String
    var reason: String
    /// ms since 1970.
    let since: Int64
    /// When its first event that is not settled was accepted, ms since 1970.
    var oldestAcceptedAt: Int64
    /// Since when it is seen to be that, monotonic, in ns; none: from now on.
    var oldestSeenAt: UInt64?
    var settled: UInt64 = 0
    /// Of those that are settled, the ones that were so before the start: how, is not known any more.
    var settledBefore: UInt64 = 0
    /// The ones that were removed, moved or given up since then.
    var takenOut: UInt64 = 0
    var end: UInt64 = 0
    /// How many are on their way into the log, by the stage that they leave. Where they will stand only the log knows, once they do.
    var pending: [DeliveryWay: Int] = [:]
    /// Of those, the ones that a producer was given before: which, counted from the first that is on its way, and their tokens.
    var pendingUnreported: [DeliveryWay: [(index: Int, token: UInt64)]] = [:]
    /// Of what is not settled, about.
    var bytes = 0
    /// Where several logs have events of its topic, or one has them twice: which comes when.
    var turn = 0
    /// The same among those of its log alone, as it stands on disk: what a start goes by.
    var turnInLog = 0
    /// Events that the drain took out of the whole topic's unit to set them aside apart: so many came so.
    var splitOff = 0
    /// The log has it in its table.
    var isInLog = false
    var phase = Phase.waiting(until: 0)
    /// An operator is at it: it is not tried meanwhile.
    var isTaken = false
    /// Tries since its last delivery.
    var failures = 0
    /// The last try failed at a delivery: the topic being there does not say that it takes events.
    var needsProbe = false
    /// Settled ahead of those before them.
    var ahead: Set<UInt64> = []
    /// Which try to deliver it this is: what an earlier one read or settles late does not count.
    var pass: UInt32 = 0
    /// How far this pass has read, and when what it read and has not settled was accepted.
    var read: UInt64 = 0
    var readTimes: [(end: UInt64, acceptedAt: Int64)] = []
    /// Behind what this pass handed out: can't be read any more.
    var lost: Range<UInt64>?

    var pendingCount: Int { self.pending.values.reduce(0, +) }
    /// In the log and not settled.
    var durable: UInt64 { self.end - self.settled }
    /// Of those in the log, about.
    var durableBytes: Int { self.events == 0 ? 0 : Int(Double(self.bytes) * Double(self.durable) / Double(self.events)) }
    var events: UInt64 { self.durable + UInt64(self.pendingCount) }

    /// Settled since the start by having been delivered, or refused for good.
    var delivered: UInt64 { self.settled - self.settledBefore - self.takenOut }

    var isWaiting: Bool { if case .waiting = self.phase { true } else { false } }
}
