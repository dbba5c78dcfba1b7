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
// Safe because: the loop's alone, except `bases` and `waits`, which are set before the submission is handed over and only read after.
final class PendingGroup: @unchecked Sendable {
    /// From 1, in the order of their making.
    let number: UInt64
    private(set) var requests: [PendingRequest] = []
    private(set) var ids: [UInt8] = []
    /// Bytes of bodies.
    private(set) var bodyCount = 0
    /// What they count as in flight: their bytes, or those of their records where these are more.
    private(set) var weight = 0
    /// Accepted events by topic, those of requests that wait for Kafka apart.
    private(set) var counts: [(target: TopicTarget, count: Int)] = []
    private(set) var waits: [KafkaWait] = []
    /// Topics of which it holds events.
    private(set) var uses: [TopicUse] = []
    private var usesNumber: UInt64 = 0
    /// How many events each of its batches has.
    var batchCounts: [Int] = []
    /// Of each route the place of its first batch in the submission.
    var bases: [Int] = []
    /// When the buffer has had it long enough, on the loop's clock.
    var deadline: UInt64 = 0
    /// It has been answered: what comes later comes too late.
    var isSettled = false

    init(number: UInt64, expecting count: Int) {
        self.number = number
        self.requests.reserveCapacity(count)
    }

    var isEmpty: Bool { self.requests.isEmpty }

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
        if self.usesNumber == 0 { self.usesNumber = sink.topics.beginGroup() }
        for (target, _) in sink.targets {
            if let use = target.use, use.group != self.usesNumber { self.hold(use) }
        }
        sink.topics.commit()
        if let kafka {
            self.waits.append(kafka)
            return
        }
        for (target, count) in sink.targets {
            if target.countedGroup == self.number {
                self.counts[target.countPlace].count += count
            } else {
                target.countedGroup = self.number
                target.countPlace = self.counts.count
                self.counts.append((target, count))
            }
        }
    }

    private func hold(_ use: TopicUse) {
        use.group = self.usesNumber
        use.pending += 1
        self.uses.append(use)
    }

    private func keep(_ id: [UInt8]) -> Range<Int> {
        let start = self.ids.count
        if !id.isEmpty { self.ids += id }
        return start..<self.ids.count
    }

    /// One past the last event, once the batches are numbered.
    ///
    /// The buffer writes route by route, in the order in which a whole group of submissions first names them: any batch may be the last.
    func end(_ firstSequences: [UInt64]) -> UInt64? {
        var end: UInt64?
        for (first, count) in zip(firstSequences, self.batchCounts) { end = max(end ?? 0, first + UInt64(count)) }
        return end
    }

    /// The sequence of an event, once the batches are numbered.
    @inline(__always)
    func sequence(of position: Gathering.Position, _ firstSequences: [UInt64]) -> UInt64 {
        firstSequences[self.bases[Int(position.route)] + Int(position.batch)] + UInt64(position.index)
    }
}
