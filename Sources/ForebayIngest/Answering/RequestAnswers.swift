import ForebayCore
import ForebayHTTP
import ForebayTelemetry

/// Answers requests, and counts what it answers.
///
/// A class: a connection that breaks under an answer tells of the requests that it still had, and these are answered inside that call.
final class RequestAnswers {
    private let server: any RequestAnswering
    private let metrics: IngestMetrics
    private let logger = Logger(label: "ingest")
    private var text = AnswerText()

    init(_ server: any RequestAnswering, _ metrics: IngestMetrics) {
        self.server = server
        self.metrics = metrics
    }

    // MARK: Stored

    /// 202, for a request whose events are durable. Its group counts it, see ``count(_:requests:)``.
    ///
    /// - Parameter now: on the clock of `startedAt`.
    func durable(_ request: PendingRequest, of group: PendingGroup, _ receipt: DurableReceipt, at now: UInt64) {
        self.write(request, of: group, receipt)
        self.metrics.duration.observe(Double(now &- request.startedAt) / 1_000_000_000)
    }

    /// So many requests of the group were answered with 202 so far: all but those that wait for Kafka.
    func count(_ group: PendingGroup, requests: UInt64) {
        self.metrics.accepted.increment(by: requests)
        self.metrics.bytes.increment(by: UInt64(group.bodyCount))
        for (target, count) in group.counts.entries { target.count(count, in: self.metrics) }
    }

    /// 202, for a request that waits for Kafka no more.
    func durable(_ wait: KafkaWait, _ answer: KafkaWait.DurableAnswer) {
        // Counted first: whoever has the answer finds it in the metrics.
        self.count(202, since: answer.request.startedAt)
        for (target, count) in wait.targets { target.count(count, in: self.metrics) }
        self.write(answer.request, of: answer.group, answer.receipt)
    }

    private func write(_ request: PendingRequest, of group: PendingGroup, _ receipt: DurableReceipt) {
        group.ids.withUnsafeBytes { ids in
            func id(_ own: Range<Int>, _ position: Gathering.Position) -> AnswerText.ID {
                own.isEmpty ? .derived(receipt.origin, group.batches.sequence(of: position, receipt.firstSequences)) : .own(ids.slice(own))
            }
            let body = self.text.durable(
                count: request.count, first: id(request.firstID, request.first), last: id(request.lastID, request.last))
            self.server.answer(request.id, status: 202, fields: AnswerText.fields, body: body)
        }
    }

    // MARK: Settled by Kafka

    /// 200, or 422 if the target refused an event for good: told as a failure, whatever became of the others.
    ///
    /// - Parameter settlements: of all its events, in the order of the request.
    func settled(_ wait: KafkaWait, since startedAt: UInt64, _ settlements: [Settlement]) {
        if settlements.contains(where: \.isRefusal) { return self.refused(wait, since: startedAt, settlements) }
        self.count(200, since: startedAt)
        for (target, count) in wait.targets {
            self.metrics.events(topic: target.name, durability: "kafka").increment(by: UInt64(count))
        }
        self.server.answer(wait.id, status: 200, fields: AnswerText.fields, body: self.text.kafka(settlements))
    }

    private func refused(_ wait: KafkaWait, since startedAt: UInt64, _ settlements: [Settlement]) {
        self.metrics.duration.observe(Self.seconds(since: startedAt))
        self.metrics.rejected(.refusedByKafka)
        // They are stored, and some of them perhaps delivered: what was promised is durability.
        for (target, count) in wait.targets { target.count(count, in: self.metrics) }
        self.server.answer(
            wait.id, status: ProblemCode.refusedByKafka.status, fields: AnswerText.problemFields,
            body: self.text.refusedByKafka(settlements, of: wait.id))
    }

    // MARK: Without events

    /// `[]`: nothing to store.
    func empty(_ id: RequestID, waitsForKafka: Bool, since startedAt: UInt64) {
        let status = waitsForKafka ? 200 : 202
        let body: StaticString =
            waitsForKafka
            ? #"{"accepted":0,"durability":"kafka","records":[]}"#
            : #"{"accepted":0,"durability":"durable","id":null,"last_id":null}"#
        self.server.answer(
            id, status: status, fields: AnswerText.fields,
            body: UnsafeRawBufferPointer(start: body.utf8Start, count: body.utf8CodeUnitCount))
        self.count(status, since: startedAt)
    }

    private func count(_ status: Int, since startedAt: UInt64) {
        self.metrics.requests(status).increment()
        self.metrics.duration.observe(Self.seconds(since: startedAt))
    }

    // MARK: Refused

    /// A request that was not whole, or not taken.
    func refuse(_ id: RequestID, _ refusal: Refusal) {
        self.server.answer(id, self.response(to: id, refusal))
    }

    /// A request that was taken.
    func refuse(_ request: PendingRequest, _ refusal: Refusal) {
        self.refuse(request.id, refusal)
        self.metrics.duration.observe(Self.seconds(since: request.startedAt))
    }

    /// What the answer is, for somebody else to give it.
    func response(to id: RequestID, _ refusal: Refusal) -> HTTPResponse {
        self.metrics.rejected(refusal.code)
        if refusal.code.status >= 500 {
            // Folded by the log when there are many. Who has such an answer can find its line.
            self.logger.warning(
                "request refused", ["code": refusal.code.rawValue, "request_id": id.description, "detail": refusal.detail])
        }
        return refusal.problem(retryAfter: refusal.code.retryAfter.map { Int.random(in: $0) }).response(to: id)
    }

    private static func seconds(since startedAt: UInt64) -> Double {
        Double(MonotonicClock.nanoseconds &- startedAt) / 1_000_000_000
    }
}
