import ForebayKafka

/// A partition that events in flight are for: its unsettled flights in order, and how far they were sent.
///
///     oldest … settled … sent … sent … | next: queued … queued … newest
///
/// After a failed report nothing more is sent until all its reports are in; then sending begins again at the oldest.
/// When it is set aside, all its unsettled flights leave it.
struct PartitionState {
    let topic: Int
    let number: Int32
    /// The first unsettled flight, while `unsettled` is above 0.
    var oldest: UInt32 = 0
    var newest: UInt32 = 0
    /// The first that may be queued, while `queued` is above 0.
    var next: UInt32 = 0
    var unsettled = 0
    /// Of those, not given to a producer.
    var queued = 0
    /// Of those, given to the producer in `slot` and not reported.
    var outstanding = 0
    var outstandingBytes = 0
    var slot: ProducerSlot = .main
    /// The producer that it last took events from: brokers know where its sequence stands, and let none pass a gap. Of another one they
    /// take whatever comes first, so one event goes alone until it is delivered; 0: none.
    var knownProducer: UInt64 = 0
    /// A report failed: wait for the others.
    var isHalted = false
    /// What is in flight was sent alone.
    var isAlone = false
    /// Of its next events so many go alone, unless one is refused again; then as many anew. A run of refused events costs one producer
    /// with a guarantee, not one for each event.
    var aloneLeft = 0
    /// To how much that was raised last, and how many it delivered together since: refused again soon, it was too little.
    var caution = 0
    var deliveredTogether = 0
    /// The time of delivery that its event last went out with, alone; ms since 1970.
    var redatedAt: Int64 = 0
    /// Not before this time; 0 at once.
    var restsUntil: UInt64 = 0
    /// Failures since its last delivery.
    var failures = 0
    /// Why the client did not take its next event, though it had nothing else to do; that of the last try.
    var notTaken = KafkaErrorCode.none
    /// When it last settled an event, or got its first one.
    var movedAt: UInt64 = 0
    /// It has no leader: nothing is sent.
    var isLeaderless = false
    /// Whether it is set aside, as a unit of its own.
    var aside = SetAsideMode.none
    /// Why it was set aside.
    var failure: KafkaFailure?
    /// Where its events that left for the log are gathered.
    var leaving: Int?
    /// Listed to be looked at.
    var isReady = false
    /// The producers that list it, because they could not be sent to, as bits.
    var stalledAt: UInt8 = 0

    init(topic: Int, number: Int32) {
        self.topic = topic
        self.number = number
    }

    /// What weighs on it, for keyless events to avoid.
    var load: Int { self.outstandingBytes + self.queued * 256 }
}
