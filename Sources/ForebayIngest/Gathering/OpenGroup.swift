import ForebayCore
import ForebayHTTP

/// What is gathered now: the requests that complete in a turn of the loop, and their events. While the buffer has no room, turns go on
/// gathering into one.
struct OpenGroup: ~Copyable {
    private var sink: EventSink
    private var group = PendingGroup(number: 1, expecting: 16)
    private var clock: TurnClock
    /// Somebody sees to it when the turn ends.
    private var isEndPlanned = false

    init(_ sink: consuming EventSink, clock: @escaping @Sendable () -> Int64) {
        self.sink = sink
        self.clock = TurnClock(clock)
    }

    var isEmpty: Bool { self.group.isEmpty }
    /// What its requests count as in flight.
    var weight: Int { self.group.weight }

    // MARK: A request

    /// Whether the request that was read last has no event.
    var hasNoEvent: Bool { self.sink.count == 0 }

    /// Takes in the events of a request: all, or none.
    ///
    /// - Parameter turn: see ``TurnClock``.
    mutating func read(
        _ body: UnsafeRawBufferPointer, of head: JudgedHead, by reader: inout PostReader, turn: UInt64
    ) throws(Refusal) {
        self.sink.begin(bodyCount: body.count, keepsPositions: head.waitsForKafka)
        do throws(Refusal) {
            try reader.decode(body, of: head, now: self.clock.milliseconds(in: turn), into: &self.sink)
        } catch {
            self.sink.rollback()
            throw error
        }
        self.sink.commit()
    }

    /// A wait for Kafka of the request that was read last.
    func wait(of id: RequestID, until deadline: UInt64) -> KafkaWait {
        KafkaWait(id: id, positions: self.sink.positions, targets: self.sink.targets, deadline: deadline)
    }

    /// The request that was read last waits for its answer from now on.
    ///
    /// - Returns: the bytes that it holds until then.
    mutating func add(_ id: RequestID, bodyCount: Int, startedAt: UInt64, kafka: KafkaWait?) -> Int {
        self.group.add(id, self.sink, bodyCount: bodyCount, startedAt: startedAt, kafka: kafka)
        return max(bodyCount, self.sink.byteCount)
    }

    // MARK: The end of a turn

    /// - Returns: whether the caller has to see to the turn's end: nobody does yet.
    mutating func planEnd() -> Bool {
        defer { self.isEndPlanned = true }
        return !self.isEndPlanned
    }

    mutating func turnEnded() {
        self.isEndPlanned = false
    }

    /// It has requests, of turns that are over.
    var isLeftOver: Bool { !self.isEmpty && !self.isEndPlanned }

    /// Begins the next group.
    ///
    /// - Returns: this one with its events. None: the clock can't be right, so that nothing can be stored now.
    mutating func close() -> (group: PendingGroup, batches: [Batch])? {
        guard let acceptedAt = self.clock.acceptedAt else { return nil }
        let group = self.group
        self.group = group.next(expecting: group.requests.count)
        let (batches, bases) = self.sink.gathering.finish(acceptedAt: acceptedAt)
        group.close(BatchPlaces(counts: batches.map(\.count), bases: bases))
        return (group, batches)
    }

    /// Begins the next group, and forgets the events of this one.
    mutating func discard() -> PendingGroup {
        let group = self.group
        self.group = group.next(expecting: 16)
        _ = self.sink.gathering.finish(acceptedAt: 0)
        return group
    }
}
