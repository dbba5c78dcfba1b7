import ForebayKafka

/// A topic that events in flight are for.
///
///     unknown --metadata--> ready --can't now--> set aside --delivered from there--> unknown
///        |                    ^
///        |                    `--one event delivered-- probing: the drain's, when it failed at a delivery before
///        `--perhaps just being created--> held --time over--> unknown
struct TopicState {
    enum Phase: Equatable {
        /// The cluster is to be asked, or is being asked.
        case unknown
        case ready
        /// Missing, but perhaps just being created: asked again at this time.
        case held(until: UInt64)
        /// One event of this partition goes alone, to see whether the topic takes events again.
        case probing(partition: Int)
    }

    let name: String
    var phase: Phase = .unknown
    /// Why it was held or set aside; none when it is ready.
    var failure: KafkaFailure?
    /// What an operator was told of it, while it is so.
    var told: KafkaErrorCode?
    /// Holds since its last delivery.
    var failures = 0
    /// The failure came from a delivery: the metadata alone can't say that it is over.
    var needsProbe = false
    /// In the drain: the cluster is being asked for it, though it has no events yet.
    var isAsked = false
    /// Whether all of it is set aside.
    var aside = SetAsideMode.none
    /// Where its events that left for the log are gathered.
    var leaving: Int?
    /// Indices of its partitions, by their number; empty until known.
    var partitions: [Int] = []
    /// The numbers of those that have a leader and are not set aside: where keyless events go.
    var live: [Int32] = []
    /// The numbers of those that had no leader when the cluster was last asked.
    var leaderless: Set<Int32> = []
    /// When the cluster was last asked successfully.
    var learnedAt: UInt64 = 0
    /// The first flight that was not there yet when the main producer last asked, and when it asked for what it last learned: only what was
    /// there before can be judged by the answer.
    var askedBefore: UInt64 = 0
    var learnedBefore: UInt64 = 0
    /// Among how many partitions keys are spread: fewer than there are while some are set aside, so that a key keeps its place.
    var keyCount = 0
    /// The cluster named another number of partitions, which counts once all events in their old places are settled.
    var nextCount: Int?
    /// `max.message.bytes`, or what refusals taught.
    var limit: Int?
    var limitIsTold = false
    /// With what code something of it was refused last, and whether that was an event alone or a batch.
    var refusal: (code: KafkaErrorCode, isOfEvent: Bool) = (.none, false)
    /// Which times it takes, if the cluster tells.
    var times = KafkaTimeLimits()
    /// Events that bear the time of their acceptance, and one up to this, go out with the time of delivery: it takes none as old.
    var redatesThrough = Int64.min
    /// The cluster has answered what the limit is, or that it doesn't tell.
    var limitIsKnown = false
    /// It is to be asked for again.
    var limitIsStale = false
    var isLimitWanted = false
    /// The producer its events go through, single ones aside.
    var slot: ProducerSlot = .main
    /// The producers whose librdkafka knows it, as bits.
    var knownBy: UInt8 = 0
    /// The producers that are to ask for it (again), as bits.
    var wantedBy: UInt8 = 0
    /// Flights without a partition yet, in order.
    var waiting = FlightQueue()
    /// Flights with a partition that are not settled.
    var assigned = 0
    /// Flights to be sent alone that are not settled.
    var alone = 0
    /// Where the next keyless event goes, and how many more bytes may follow it.
    var sticky: (partition: Int, room: Int) = (0, 0)
    /// The admission it was last used in, to find those long out of use.
    var lastUse: UInt64 = 0
    /// It stands in the list of those without events, and when it was last used then.
    var isListedIdle = false
    var lastUseWhenListed: UInt64 = 0
    /// Events delivered, and their bytes, since they were last counted.
    var delivered: UInt64 = 0
    var deliveredBytes: UInt64 = 0

    init(name: String) {
        self.name = name
    }

    var isIdle: Bool { self.assigned == 0 && self.waiting.count == 0 }

    @inline(__always)
    func isKnown(by slot: ProducerSlot) -> Bool { self.knownBy & slot.bit != 0 }

    mutating func setKnown(by slot: ProducerSlot, _ isKnown: Bool) {
        self.knownBy = isKnown ? self.knownBy | slot.bit : self.knownBy & ~slot.bit
    }
}

/// Flights linked through their `next`: the first, the last, and how many.
struct FlightQueue {
    var first: UInt32 = 0
    var last: UInt32 = 0
    var count = 0

    @inline(__always)
    mutating func append(_ flight: UInt32, in ring: inout FlightRing) {
        if self.count == 0 { self.first = flight } else { ring[self.last].next = flight }
        self.last = flight
        self.count += 1
    }

    mutating func removeFirst(in ring: FlightRing) -> UInt32 {
        defer {
            self.first = ring[self.first].next
            self.count -= 1
        }
        return self.first
    }
}

/// Topics, by their index, that wait for a question to the cluster, those first that came first. Some may have no need of it any more.
struct WaitingTopics {
    private var topics: [Int] = []
    private var next = 0

    var isEmpty: Bool { self.next == self.topics.count }
    var count: Int { self.topics.count - self.next }
    /// In memory: those that wait, and at most as many that were taken.
    var stored: Int { self.topics.count }

    mutating func append(_ topic: Int) {
        self.topics.append(topic)
    }

    mutating func popFirst() -> Int? {
        guard !self.isEmpty else { return nil }
        defer {
            self.next += 1
            if self.next * 2 > self.topics.count {
                self.topics.removeFirst(self.next)
                self.next = 0
            }
        }
        return self.topics[self.next]
    }
}
