import ForebayCore
import ForebayKafka

/// Decides for the forward stage: what is sent when, what failed reports mean, and how far the cursor may move.
///
/// - Order: a partition's events go out in the order of the source. One that fails holds those behind it; they are sent again together.
/// - Prefix: a lane's cursor is the end of its unbroken run of settled events, never beyond one that is not delivered, durably dead or
///   durably set aside. Each lane has its own (``LanePrefix``).
/// - No allocation per event: flights live in a ring, and queues are links in it.
///
/// Planted bugs that its tests catch: the cursor moved when an event is sent (`mark(.settled)` in `sent`), the gapless guarantee off,
/// a partition resumed before all its reports are in.
struct DeliveryState {
    /// For logs: what changed that an operator may want to know.
    enum Note: Equatable {
        case held(topic: String, KafkaFailure)
        case released(topic: String)
        case suspects(topic: String, count: Int, code: KafkaErrorCode)
        case unknownError(topic: String, code: KafkaErrorCode)
        /// The broker refuses the time of acceptance, which is this node's own, as ahead of its clock.
        case timeRefused(topic: String, reason: String)
        /// The broker refuses it as too old, and is given that of delivery.
        case timeReplaced(topic: String)
        case timeTaken(topic: String)
    }

    /// An event refused for good, until its dead letter is durable.
    struct Death {
        let flight: UInt64
        let code: KafkaErrorCode
        let reason: String
    }

    struct Totals: Equatable {
        var delivered: UInt64 = 0
        var redelivered: UInt64 = 0
        var dead: UInt64 = 0
        var setAside: UInt64 = 0

        var settled: UInt64 { self.delivered + self.dead + self.setAside }
    }

    let way: DeliveryWay
    let configuration: DeliverySettings
    var flights = FlightRing()
    var batches = BatchQueue()
    private var lanes: [LanePrefix] = []
    var names = TopicTable()
    var topics: [TopicState] = []
    /// Topics that have perhaps no events, those first that have been without for longest.
    var idleTopics = WaitingTopics()
    /// Where the next look for partitions that stand still begins.
    var stallsLookedAt = 0
    /// The partition that has stood still for longest, and not yet for long enough to be set aside; and the one of the look that goes on.
    var stall: Stall?, stallSeen: Stall?
    /// At the last look the queue was full of events that go alone.
    var isCrowded = false
    /// Whether `smallBatchSize` may have changed since it was last found.
    var limitsChanged = true
    var knownSmallBatchSize: Int?
    var freeTopics: [Int] = []
    var partitions: [PartitionState] = []
    var freePartitions: [Int] = []
    var lastProducer: UInt64 = 0
    var slots = [ProducerSlotState](repeating: ProducerSlotState(), count: ProducerSlot.allCases.count)
    /// Partitions that may have something to send.
    var ready: [Int] = []
    /// Partitions that rest until a time.
    var resting: [Int] = []
    /// Topics that are held until a time, and the first of these times.
    var held: [Int] = []
    var nextHeldUntil: UInt64 = .max
    /// Pulled and not given to a producer, in bytes.
    var queuedBytes = 0
    var deaths: [Death] = []
    /// Topics of which something is set aside, as this state sees it.
    var asides: [String: SetAsideTopic] = [:]
    /// Topics that wait because a broker refuses the time at which this node accepted an event.
    var refusedTimes: Set<String> = []
    /// Events on their way into the set-aside log, by unit; the stage takes them.
    var leaving: [Leaving] = []
    /// What producers were given and was settled otherwise before its report, by token, and the batches that live for it.
    var holds: [UInt64: Hold] = [:]
    var pinned: [UInt32: (batch: Batch, count: Int)] = [:]
    /// Reports of those, or their producer's end; the stage takes them.
    var heldReports: [(token: UInt64, isDelivered: Bool)] = []
    /// In the drain: units that can't be delivered now, what its producers hold of them, and topics that the cluster knows. The stage
    /// takes them.
    var refusals: [Refusal] = []
    var withheld: [(token: UInt64, offset: Offset)] = []
    var found: [Found] = []
    var notes: [Note] = []
    var totals = Totals()
    /// The ends of what is settled, one per lane, not committed yet.
    var commits: [Offset] = []
    /// Budget to give back.
    var released = 0
    /// Topics with deliveries that were not counted yet; the stage takes them.
    var deliveredTopics: [Int] = []
    /// When events that were delivered had been accepted, in ms since 1970: a run for those that follow each other; the stage takes them.
    var deliveries: [(acceptedAt: Int64, count: UInt64)] = []
    /// Topics that were forgotten, or that the cluster doesn't know: what is open for them is to be closed before anything is sent.
    var closedTopics: [Int] = []
    /// Topics of which the cluster is to be asked for limits.
    var limitsWantedOf = WaitingTopics()
    private(set) var admissions: UInt64 = 0
    private var settledFlights: UInt64 = 0
    /// That of the last event, if its index still means the same: the next event is most often for it, too.
    private var lastTopic: Int?
    var generator: SplitMix64
    /// This node's time of day in ms since 1970, which times that were refused are compared with; the stage keeps it.
    var wall: Int64 = 0

    init(way: DeliveryWay = .direct, configuration: DeliverySettings, seed: UInt64) {
        self.way = way
        self.configuration = configuration
        self.generator = SplitMix64(seed: seed)
        self[.main].isWanted = way == .direct  // Early, to see whether the cluster is there. The drain has one while it needs it.
    }

    /// Whether anything is in flight, or waits.
    var isIdle: Bool { self.flights.isEmpty }

    /// Whether the cluster is to be asked for limits.
    var limitsWanted: Bool { !self.limitsWantedOf.isEmpty }

    /// Whether more may be pulled.
    var wantsMore: Bool { self.queuedBytes < self.configuration.queueLimit }

    func cost(of batch: Batch) -> Int { self.configuration.cost(of: batch) }

    /// Of that, what an event takes until the ring has room for others.
    private var flightCost: Int { min(MemoryLayout<Flight>.stride, self.configuration.eventOverhead) }

    subscript(slot: ProducerSlot) -> ProducerSlotState {
        _read { yield self.slots[slot.rawValue] }
        _modify { yield &self.slots[slot.rawValue] }
    }

    // MARK: Taking in

    /// Takes a batch from the source. Its events are queued by partition; nothing is sent yet.
    ///
    /// - Parameters:
    ///   - partition: where they go whatever their keys say: what was set aside as a partition.
    ///   - resentBelow: events below it may have been sent by an earlier run.
    mutating func admit(_ batch: Batch, partition: Int32? = nil, resentBelow: UInt64 = 0, now: UInt64) {
        self.admissions += 1
        let number = self.batches.append(batch, firstFlight: self.flights.tail, cost: self.cost(of: batch), partition: partition)
        if let lane = self.lanes.firstIndex(where: { $0.lane == batch.lane }) {
            self.lanes[lane].append(number, in: &self.batches)
        } else {
            self.lanes.append(LanePrefix(batch.lane, batch: number, in: self.batches))
        }
        let base = self.batches.base(number)
        var offset = 0
        let resent = batch.count(below: resentBelow)
        for index in 0..<batch.count {
            let bytes = UnsafeRawBufferPointer(start: base + offset, count: batch.byteCount - offset)
            guard let event = Event(at: bytes) else { preconditionFailure("the source gave a batch that is not well formed") }
            let topic = self.topic(of: event)
            let size = event.record.count
            let flight = self.flights.append(
                Flight(
                    batch: number, record: UInt32(truncatingIfNeeded: offset), bytes: UInt32(truncatingIfNeeded: size),
                    place: UInt32(topic), flags: index < resent ? .mayBeStored : []))
            self.queuedBytes += size
            self.place(flight, event, topic, now: now)
            offset += size
        }
        guard self.way == .aside else { return }
        // It may have been closed since the cluster was asked for them, for there was nothing then.
        self[.main].isWanted = true
        if let lastTopic { self.beginProbe(lastTopic) }
    }

    /// The event of a flight; its views are valid while the flight is in the air.
    @inline(__always)
    func event(of flight: UInt32) -> Event {
        let entry = self.flights[flight]
        let bytes = UnsafeRawBufferPointer(start: self.batches.base(entry.batch) + Int(entry.record), count: Int(entry.bytes))
        return Event(at: bytes).unsafelyUnwrapped  // It was read when it was admitted.
    }

    @inline(__always)
    func sequence(of flight: UInt32) -> UInt64 {
        self.batches.place(of: self.flights.number(flight), in: self.flights[flight].batch)
    }

    /// Where the event of a flight stands in its source.
    func offset(of flight: UInt32) -> Offset {
        let entry = self.batches[self.flights[flight].batch]
        return Offset(lane: entry.batch.lane, number: self.sequence(of: flight))
    }

    /// What the id of a flight's event begins with, if it came without one.
    func origin(of flight: UInt32) -> SpoolID? { self.batches.origin(self.flights[flight].batch) }

    mutating func topic(of event: Event) -> Int {
        let index: Int
        if let lastTopic, self.names.isName(event.topic, of: lastTopic) {
            index = lastTopic
        } else {
            index = self.names.index(of: event.topic) ?? self.addTopic(event.topic)
        }
        self.topics[index].lastUse = self.admissions
        self.lastTopic = index
        return index
    }

    /// An index may mean another topic now.
    mutating func forgetLastTopic() {
        self.lastTopic = nil
    }

    // MARK: Settling

    /// Moves each lane's prefix over what is settled, and lets go of batches that are settled whole.
    ///
    /// Their flights go when no older one is in the ring; until then those cost what they take there.
    mutating func retire() {
        var whole: [BatchQueue.Entry] = []
        var isEmptied = false
        for index in self.lanes.indices {
            let end = self.lanes[index].advance(self.flights, &self.batches) { whole.append($0) }
            if let end { self.commit(Offset(lane: self.lanes[index].lane, number: end)) }
            isEmptied = isEmptied || self.lanes[index].isEmpty
        }
        if isEmptied { self.lanes.removeAll { $0.isEmpty } }
        for entry in whole { self.released += entry.cost - entry.batch.count * self.flightCost }
        let before = self.flights.head
        self.flights.retire()
        self.released += Int(self.flights.head - before) * self.flightCost
    }

    private mutating func commit(_ offset: Offset) {
        if let index = self.commits.firstIndex(where: { $0.lane == offset.lane }) {
            self.commits[index] = offset
        } else {
            self.commits.append(offset)
        }
    }

    /// Events that are settled beyond the oldest flight, which holds the cursor.
    var settledAheadCount: UInt64 { self.settledFlights - min(self.settledFlights, self.flights.head) }

    /// Whatever a producer that holds it reports later.
    mutating func settle(_ flight: UInt32) {
        self.flights[flight].status = .settled
        self.settledFlights += 1
    }

    /// What is settled beyond the cursor, which the oldest flight holds: one lane's, the spool's.
    var settledAhead: SettledAhead {
        var ranges: [Range<UInt64>] = []
        var run: Range<UInt64>?
        var sentBelow: UInt64 = 0
        for number in self.flights.head..<self.flights.tail {
            let flight = UInt32(truncatingIfNeeded: number)
            let sequence = self.sequence(of: flight)
            switch self.flights[flight].status {
            case .settled: run = (run?.lowerBound ?? sequence)..<sequence + 1
            case let status:
                if let settled = run { ranges.append(settled) }
                run = nil
                if status != .queued || self.flights[flight].flags.contains(.mayBeStored) { sentBelow = sequence + 1 }
            }
        }
        if let run { ranges.append(run) }
        return SettledAhead(ranges: ranges, sentBelow: sentBelow)
    }

    /// The dead letter of an event is durable.
    mutating func buried(_ flight: UInt64) {
        self.settle(UInt32(truncatingIfNeeded: flight))
        self.totals.dead += 1
    }
}

/// Random numbers that a seed repeats.
struct SplitMix64: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) {
        self.state = seed
    }

    mutating func next() -> UInt64 {
        self.state &+= 0x9E37_79B9_7F4A_7C15
        var value = self.state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }
}
