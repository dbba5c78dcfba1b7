import ForebayKafka

/// A partition that events in flight are for.
///
/// After a failed report nothing more is sent until all its reports are in; then sending begins again at the oldest.
/// When it is set aside, all its unsettled flights leave it.
struct PartitionState {
    /// Its unsettled flights in order, and how far they were sent.
    ///
    ///     oldest … settled … sent … sent … | next: queued … queued … newest
    struct Events {
        /// The first unsettled flight, while `unsettled` is above 0.
        var oldest: UInt32 = 0
        var newest: UInt32 = 0
        /// The first that may be queued, while `queued` is above 0.
        var next: UInt32 = 0
        var unsettled = 0
        /// Of those, not given to a producer.
        var queued = 0
        /// Of those, given to the partition's producer and not reported.
        var outstanding = 0
        var outstandingBytes = 0
    }

    /// The producer that has, or last had, events of it.
    struct Producer {
        var slot: ProducerSlot = .main
        /// The one that it last took events from: brokers know where its sequence stands, and let none pass a gap. Of another one they take
        /// whatever comes first, so one event goes alone until it is delivered; 0: none.
        var known: UInt64 = 0
        /// A report failed: wait for the others.
        var isHalted = false
        /// What is in flight was sent alone.
        var isAlone = false
        /// Those that list it, because they could not be sent to, as bits.
        var stalledAt: UInt8 = 0
    }

    /// After events were refused.
    struct Caution {
        /// Of its next events so many go alone, unless one is refused again; then as many anew. A run of refused events costs one producer
        /// with a guarantee, not one for each event.
        var aloneLeft = 0
        /// To how much that was raised last, and how many it delivered together since: refused again soon, it was too little.
        var level = 0
        var deliveredTogether = 0
    }

    struct Retry {
        /// Not before this time; 0 at once.
        var retryAt: UInt64 = 0
        /// Failures since its last delivery.
        var failures = 0
        /// Why the client did not take its next event, though it had nothing else to do; that of the last try.
        var notTaken = KafkaErrorCode.none
    }

    /// Whether it is set aside, as a unit of its own.
    struct Aside {
        var mode = SetAsideMode.none
        /// Why.
        var failure: KafkaFailure?
        /// Where its events that left for the log are gathered.
        var group: Int?
    }

    let topic: Int
    let number: Int32
    var events = Events()
    var producer = Producer()
    var caution = Caution()
    var retry = Retry()
    var aside = Aside()
    /// When it last settled an event, or got its first one.
    var movedAt: UInt64 = 0
    /// The time of delivery that its event last went out with, alone; ms since 1970.
    var redatedAt: Int64 = 0
    /// It has no leader: nothing is sent.
    var isLeaderless = false
    /// Listed to be looked at.
    var isReady = false

    init(topic: Int, number: Int32) {
        self.topic = topic
        self.number = number
    }

    /// What weighs on it, for keyless events to avoid.
    var load: Int { self.events.outstandingBytes + self.events.queued * 256 }

    /// Without its events, as when it was new to them; what is known of it stays.
    var emptied: PartitionState {
        var emptied = PartitionState(topic: self.topic, number: self.number)
        (emptied.isReady, emptied.producer.stalledAt) = (self.isReady, self.producer.stalledAt)
        (emptied.aside, emptied.isLeaderless) = (self.aside, self.isLeaderless)
        (emptied.caution.level, emptied.caution.aloneLeft) = (self.caution.level, self.caution.aloneLeft)
        return emptied
    }
}
