import ForebayCore
import ForebayKafka

/// Decides for the engine: what is sent when, what failed reports mean, and how far the cursor may move.
///
/// - Order: a partition's events go out in the order of the source. One that fails holds those behind it; they are sent again together.
/// - Prefix: a lane's cursor is the end of its unbroken run of settled events, never beyond one that is not delivered, durably dead or
///   durably set aside.
/// - No allocation per event: flights live in a ring, and queues are links in it.
///
/// Its parts own what they count; what is here needs several of them.
///
/// Planted bugs that its tests catch: the cursor moved when an event is sent, the gapless guarantee off, a partition resumed before all its
/// reports are in.
struct DeliveryState {
    struct Totals: Equatable {
        var delivered: UInt64 = 0
        var redelivered: UInt64 = 0
        var deadLetters: UInt64 = 0
        var setAside: UInt64 = 0

        var settled: UInt64 { self.delivered + self.deadLetters + self.setAside }
    }

    let way: DeliveryWay
    let settings: DeliverySettings
    var window: InFlightWindow
    var settledOutstanding = SettledOutstanding()
    var partitions: PartitionQueues
    var topics = TopicTable()
    var producers = ProducerPool()
    var stalls = StallWatch()
    var refusedTimes = RefusedTimes()
    /// Topics of which something is set aside, as this state sees it.
    var asides: [String: SetAsideTopic] = [:]
    var actions = DeliveryActions()
    var totals = Totals()

    init(way: DeliveryWay = .direct, settings: DeliverySettings, seed: UInt64) {
        self.way = way
        self.settings = settings
        self.window = InFlightWindow(eventOverhead: settings.eventOverhead)
        self.partitions = PartitionQueues(seed: seed)
        // Early, to see whether the cluster is there. The drain has one while it needs it.
        self.producers[.main].isWanted = way == .direct
    }

    /// Whether anything is in flight, or waits.
    var isIdle: Bool { self.window.isEmpty }

    /// Whether more may be pulled.
    var wantsMore: Bool { self.window.queuedBytes < self.settings.queueLimit }

    // MARK: Taking in

    /// Takes a batch from the source. Its events are queued by partition; nothing is sent yet.
    ///
    /// - Parameters:
    ///   - partition: where they go whatever their keys say: what was set aside as a partition.
    ///   - settled: places in their lane that were settled before, ahead of others: they are passed.
    ///   - resentBelow: events below it may have been sent by an earlier run.
    mutating func admit(
        _ batch: Batch, partition: Int32? = nil, settled: Set<UInt64> = [], resentBelow: UInt64 = 0, now: UInt64
    ) {
        self.topics.beginAdmission()
        let number = self.window.admit(batch, cost: self.settings.cost(of: batch), partition: partition)
        let base = self.window.base(ofBatch: number)
        var offset = 0
        let resent = batch.count(below: resentBelow)
        for index in 0..<batch.count {
            let bytes = UnsafeRawBufferPointer(start: base + offset, count: batch.byteCount - offset)
            guard let event = Event(at: bytes) else { preconditionFailure("the source gave a batch that is not well formed") }
            let size = event.record.count
            if !settled.isEmpty, settled.contains(batch.place(of: index)) {
                self.window.settle(
                    self.window.append(
                        Flight(
                            batch: number, record: UInt32(truncatingIfNeeded: offset), bytes: UInt32(truncatingIfNeeded: size), place: 0)))
                offset += size
                continue
            }
            let topic = self.topic(of: event)
            let flight = self.window.append(
                Flight(
                    batch: number, record: UInt32(truncatingIfNeeded: offset), bytes: UInt32(truncatingIfNeeded: size),
                    place: UInt32(topic), flags: index < resent ? .mayBeStored : []))
            self.place(flight, event, topic, now: now)
            offset += size
        }
        guard self.way == .aside else { return }
        // It may have been closed since the cluster was asked for them, for there was nothing then.
        self.producers[.main].isWanted = true
        if let topic = self.topics.lastUsed { self.beginProbe(topic) }
    }

    @inline(__always)
    mutating func topic(of event: Event) -> Int {
        if let topic = self.topics.use(event.topic) { return topic }
        let topic = self.addTopic(event.topic)
        self.topics.use(topic)
        return topic
    }

    // MARK: Settling

    /// The dead letter of an event is durable.
    mutating func deadLetterWritten(_ flight: UInt64) {
        self.window.settle(UInt32(truncatingIfNeeded: flight))
        self.totals.deadLetters += 1
    }

    /// A delivery that a report told of.
    @inline(__always)
    mutating func delivered(acceptedAt: Int64) {
        self.totals.delivered += 1
        self.actions.delivered(acceptedAt: acceptedAt)
    }

    /// What was delivered since this was asked last, by topic.
    mutating func takeDelivered() -> [(topic: String, events: UInt64, bytes: UInt64)] {
        let taken = self.actions.deliveredTopics.map {
            (self.topics[$0].name, self.topics[$0].events.delivered, self.topics[$0].events.deliveredBytes)
        }
        for topic in self.actions.deliveredTopics {
            (self.topics[topic].events.delivered, self.topics[topic].events.deliveredBytes) = (0, 0)
        }
        self.actions.deliveredTopics.removeAll(keepingCapacity: true)
        return taken
    }

    // MARK: Time

    /// Looks at what was to wait until now.
    ///
    /// - Returns: whether anything still waits for a time.
    mutating func tick(now: UInt64) -> Bool {
        self.partitions.wakeDue(now: now)
        for topic in self.topics.takeDue(now: now) { self.want(topic, by: .main) }
        for slot in self.producers.endVainRenewals(now: now) { self.wakeStalled(slot) }
        return !self.partitions.backingOff.isEmpty || !self.topics.backingOff.topics.isEmpty || self.producers.waitForTime
    }
}
