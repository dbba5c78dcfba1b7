import ForebayKafka

/// A topic that events in flight are for.
///
///     unknown --metadata--> ready --can't now--> set aside --delivered from there--> unknown
///        |                    ^
///        |                    `--one event delivered-- probing: the drain's, when it failed at a delivery before
///        `--perhaps just being created--> backing off --time over--> unknown
struct TopicState {
    enum Phase: Equatable {
        /// The cluster is to be asked, or is being asked.
        case unknown
        case ready
        /// Missing, but perhaps just being created: asked again at this time.
        case backingOff(until: UInt64)
        /// One event of this partition goes alone, to see whether the topic takes events again.
        case probing(partition: Int)
    }

    struct Trouble {
        /// Why it backs off or was set aside; none when it is ready.
        var failure: KafkaFailure?
        /// What an operator was told of it, while it is so.
        var told: KafkaErrorCode?
        /// How often it backed off since its last delivery.
        var failures = 0
        /// The failure came from a delivery: the metadata alone can't say that it is over.
        var needsProbe = false
        /// With what code something of it was refused last, and whether that was an event alone or a batch.
        var refusal: (code: KafkaErrorCode, isOfEvent: Bool) = (.none, false)
    }

    /// Whether all of it is set aside.
    struct Aside {
        var mode = SetAsideMode.none
        /// Where its events that left for the log are gathered.
        var group: Int?
    }

    /// What the cluster says of it.
    struct Metadata {
        /// The places of its partitions, by their number; empty until known.
        var partitions: [Int] = []
        /// The numbers of those that have a leader and are not set aside: where keyless events go.
        var live: [Int32] = []
        /// The numbers of those that had no leader when the cluster was last asked.
        var leaderless: Set<Int32> = []
        /// When the cluster was last asked successfully.
        var learnedAt: UInt64 = 0
        /// The first flight that was not there yet when the main producer last asked, and when it asked for what it last learned: only what
        /// was there before can be judged by the answer.
        var askedBefore: UInt64 = 0
        var learnedBefore: UInt64 = 0
        /// Among how many partitions keys are spread: fewer than there are while some are set aside, so that a key keeps its place.
        var keyCount = 0
        /// The cluster named another number of partitions, which counts once all events in their old places are settled.
        var nextCount: Int?
        /// In the drain: the cluster is being asked for it, though it has no events yet.
        var isAsked = false
    }

    struct Limits {
        /// `max.message.bytes`, or what refusals taught.
        var bytes: Int?
        var isTold = false
        /// The cluster has answered what the limit is, or that it doesn't tell.
        var isKnown = false
        /// It is to be asked for again.
        var isStale = false
        var isWanted = false
        /// Which times it takes, if the cluster tells.
        var times = KafkaTimeLimits()
        /// Events that bear the time of their acceptance, and one up to this, go out with the time of delivery: it takes none as old.
        var redatesThrough = Int64.min
    }

    struct Producers {
        /// The one its events go through, single ones aside.
        var slot: ProducerSlot = .main
        /// Those whose librdkafka knows it, as bits.
        var knownBy: UInt8 = 0
        /// Those that are to ask for it (again), as bits.
        var wantedBy: UInt8 = 0
    }

    /// Its flights.
    struct Events {
        /// Without a partition yet, in order.
        var waiting = FlightQueue()
        /// With a partition, and not settled.
        var assigned = 0
        /// To be sent alone, and not settled.
        var alone = 0
        /// Where the next keyless event goes, and how many more bytes may follow it.
        var sticky: (partition: Int, room: Int) = (0, 0)
        /// Delivered, and their bytes, since they were last counted.
        var delivered: UInt64 = 0
        var deliveredBytes: UInt64 = 0
    }

    /// To find those long out of use.
    struct Use {
        /// The admission it was last used in.
        var last: UInt64 = 0
        /// It stands in the list of those without events, and when it was last used then.
        var isListedIdle = false
        var lastWhenListed: UInt64 = 0
    }

    let name: String
    var phase: Phase = .unknown
    var trouble = Trouble()
    var aside = Aside()
    var metadata = Metadata()
    var limits = Limits()
    var producers = Producers()
    var events = Events()
    var use = Use()

    init(name: String) {
        self.name = name
    }

    var isIdle: Bool { self.events.assigned == 0 && self.events.waiting.count == 0 }

    @inline(__always)
    func isKnown(by slot: ProducerSlot) -> Bool { self.producers.knownBy & slot.bit != 0 }

    mutating func setKnown(by slot: ProducerSlot, _ isKnown: Bool) {
        self.producers.knownBy = isKnown ? self.producers.knownBy | slot.bit : self.producers.knownBy & ~slot.bit
    }

    func isWanted(by slot: ProducerSlot) -> Bool { self.producers.wantedBy & slot.bit != 0 }

    mutating func setWanted(by slot: ProducerSlot, _ isWanted: Bool) {
        self.producers.wantedBy = isWanted ? self.producers.wantedBy | slot.bit : self.producers.wantedBy & ~slot.bit
    }

    /// It has not been asked for yet, and waits for that.
    var isNew: Bool { self.metadata.learnedAt == 0 && self.phase == .unknown && self.aside.mode == .none && self.isWanted(by: .main) }
}
