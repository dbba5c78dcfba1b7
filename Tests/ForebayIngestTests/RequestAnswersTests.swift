import ForebayCore
import ForebayTelemetry
import Testing

@testable import ForebayHTTP
@testable import ForebayIngest

@Suite("Answers to requests")
struct RequestAnswersTests {
    private final class World {
        let server = FakeServer()
        let registry = MetricsRegistry()
        let made = MadeRequests()
        let answers: RequestAnswers
        let receipt = DurableReceipt(origin: IngestHarness.spool, firstSequences: [11])

        init() {
            self.answers = RequestAnswers(self.server, IngestMetrics(registry: self.registry))
        }

        func counted(_ line: String) -> Bool { self.registry.render().contains(line + "\n") }
    }

    @Test("202 says the ids of the first event and the last, the producer's own where they have some") func durable() throws {
        let world = World()
        let group = PendingGroup(number: 1, expecting: 2)
        let target = madeTarget("a")
        for ids in [["", ""], ["own", ""]] { try world.made.add(ids, of: target, to: group, bodyCount: 7) }
        _ = world.made.close(group)
        for request in group.requests { world.answers.durable(request, of: group, world.receipt, at: 5) }
        #expect(
            group.requests.map { world.server.answer(to: $0.id) } == [
                IngestRequestTests.accepted(2, IngestRequestTests.id(11), IngestRequestTests.id(12)),
                IngestRequestTests.accepted(2, "own", IngestRequestTests.id(14)),
            ])
        #expect(world.counted("forebay_ingest_request_duration_seconds_count 2"))
        #expect(world.counted(#"forebay_ingest_requests_total{code="202"} 0"#), "its group counts it")
        world.answers.count(group, requests: 2)
        #expect(world.counted(#"forebay_ingest_requests_total{code="202"} 2"#) && world.counted("forebay_ingest_bytes_total 14"))
        #expect(world.counted(#"forebay_ingest_events_total{durability="durable",topic="a"} 4"#))
    }

    private static func waiting(_ world: World) throws -> (KafkaWait, KafkaWait.DurableAnswer) {
        let group = PendingGroup(number: 1, expecting: 1)
        let target = madeTarget("a")
        let wait = KafkaWait(id: MadeRequests.id(1), positions: [], targets: [(target, 2)], deadline: 0)
        try world.made.add(["", ""], of: target, to: group, wait: wait)
        _ = world.made.close(group)
        return (wait, KafkaWait.DurableAnswer(request: group.requests[0], group: group, receipt: world.receipt))
    }

    @Test("who waits no more gets the 202 that it would have had, and is counted with it") func waitsNoMore() throws {
        let world = World()
        let (wait, answer) = try Self.waiting(world)
        world.answers.durable(wait, answer)
        #expect(
            world.server.answer(to: wait.id) == IngestRequestTests.accepted(2, IngestRequestTests.id(11), IngestRequestTests.id(12)))
        #expect(world.counted(#"forebay_ingest_requests_total{code="202"} 1"#))
        #expect(world.counted(#"forebay_ingest_events_total{durability="durable",topic="a"} 2"#))
    }

    @Test("200 for events that Kafka has; with one that it refused 422, and they count as durable")
    func settled() throws {
        let fine = World()
        var (wait, answer) = try Self.waiting(fine)
        let record = Settlement.record(partition: 1, offset: 2)
        fine.answers.settled(wait, since: answer.request.startedAt, [record, record])
        #expect(fine.server.answer(to: wait.id)?.status == 200)
        #expect(fine.counted(#"forebay_ingest_events_total{durability="kafka",topic="a"} 2"#))
        #expect(fine.counted(#"forebay_ingest_requests_total{code="200"} 1"#))
        let refused = World()
        (wait, answer) = try Self.waiting(refused)
        refused.answers.settled(wait, since: answer.request.startedAt, [record, .dead(code: "MSG_SIZE_TOO_LARGE", letter: 3)])
        #expect(refused.server.answer(to: wait.id)?.status == 422)
        #expect(refused.counted(#"forebay_ingest_events_total{durability="durable",topic="a"} 2"#))
        #expect(refused.counted(#"forebay_ingest_rejected_total{reason="refused_by_kafka"} 1"#))
    }

    @Test("without events nothing is to be waited for") func empty() {
        let world = World()
        for (sequence, waits) in [(1, false), (2, true)] as [(UInt32, Bool)] {
            world.answers.empty(MadeRequests.id(sequence), waitsForKafka: waits, since: 0)
        }
        #expect((1...2).map { world.server.answer(to: MadeRequests.id($0))?.status } == [202, 200])
        #expect(world.counted(#"forebay_ingest_requests_total{code="200"} 1"#))
    }

    @Test("a refusal is counted by its code; how long it took, only of a request that was taken") func refused() throws {
        let world = World()
        let group = PendingGroup(number: 1, expecting: 1)
        try world.made.add([""], of: madeTarget("a"), to: group)
        world.answers.refuse(group.requests[0], Refusal(.unavailable, "gone"))
        world.answers.refuse(MadeRequests.id(2), Refusal(.noRoute, "no"))
        #expect(world.answers.response(to: MadeRequests.id(3), Refusal(.noRoute, "no")).status == 404)
        #expect((1...3).map { world.server.answer(to: MadeRequests.id($0))?.status } == [503, 404, nil])
        #expect(world.server.answer(to: MadeRequests.id(1))?.fields.contains("Retry-After: ") == true)
        #expect(world.counted("forebay_ingest_request_duration_seconds_count 1"))
        #expect(world.counted(#"forebay_ingest_rejected_total{reason="no_route"} 2"#))
        #expect(world.counted(#"forebay_ingest_requests_total{code="503"} 1"#))
    }
}
