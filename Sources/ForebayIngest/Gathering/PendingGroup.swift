import ForebayCore
import ForebayHTTP

/// A request whose events are gathered, and which waits for its answer.
struct PendingRequest {
    let id: RequestID
    /// On the clock that only moves forward, in nanoseconds: when it was whole.
    let startedAt: UInt64
    let count: Int
    let first: Gathering.Position
    let last: Gathering.Position
    /// Where the producer's own ids of the first and the last event stand in ``PendingGroup/ids``; empty where they are derived.
    let firstID: Range<Int>
    let lastID: Range<Int>
    /// Only with `?ack=kafka`.
    let kafka: KafkaWait?
}

/// The requests that one submission carries, until it is settled.
///
///     open --handed over--> with the buffer --answered, or refused--> settled
///       `--------------------refused----------------------------------^
// Safe because: the loop's alone, except `batches` and `waits`, which are set before the submission is handed over and only read after.
final class PendingGroup: @unchecked Sendable {
    private(set) var requests: [PendingRequest] = []
    private(set) var ids: [UInt8] = []
    /// Bytes of bodies.
    private(set) var bodyCount = 0
    /// What they count as in flight: their bytes, or those of their records where these are more.
    private(set) var weight = 0
    /// Without the requests that wait for Kafka.
    private(set) var counts: TopicCounts
    private(set) var waits: [KafkaWait] = []
    private(set) var topics = HeldTopics()
    private(set) var batches = BatchPlaces()
    /// When the buffer has had it long enough, on the loop's clock.
    private(set) var deadline: UInt64 = 0
    /// It has been answered: what comes later comes too late.
    private(set) var isSettled = false

    /// - Parameter number: from 1, in the order of their making.
    init(number: UInt64, expecting count: Int) {
        self.counts = TopicCounts(group: number)
        self.requests.reserveCapacity(count)
    }

    var isEmpty: Bool { self.requests.isEmpty }

    /// The next one, which expects about as many requests.
    func next(expecting count: Int) -> PendingGroup { PendingGroup(number: self.counts.group + 1, expecting: count) }

    func add(_ id: RequestID, _ sink: borrowing EventSink, bodyCount: Int, startedAt: UInt64, kafka: KafkaWait?) {
        let firstID = self.keep(sink.firstID)
        // Nearly always the same event, or both derived.
        let lastID = sink.count == 1 ? firstID : self.keep(sink.lastID)
        self.requests.append(
            PendingRequest(
                id: id, startedAt: startedAt, count: sink.count, first: sink.first, last: sink.last, firstID: firstID, lastID: lastID,
                kafka: kafka))
        self.bodyCount += bodyCount
        self.weight += max(bodyCount, sink.byteCount)
        self.topics.hold(sink.targets, in: sink.topics)
        if let kafka {
            self.waits.append(kafka)
        } else {
            self.counts.add(sink.targets)
        }
    }

    private func keep(_ id: [UInt8]) -> Range<Int> {
        let start = self.ids.count
        if !id.isEmpty { self.ids += id }
        return start..<self.ids.count
    }

    /// Its events stand in these batches; nothing is added any more.
    func close(_ batches: BatchPlaces) {
        self.batches = batches
    }

    /// The buffer has it, and should have made it durable by then.
    func expect(by deadline: UInt64) {
        self.deadline = deadline
    }

    func settle() {
        self.isSettled = true
    }
}
