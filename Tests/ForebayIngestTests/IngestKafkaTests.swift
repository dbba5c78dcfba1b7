import ForebayCore
import ForebayNet
import ForebayTelemetry
import ForebayTestKit
import Testing

@testable import ForebayHTTP
@testable import ForebayIngest

typealias RequestIDs = [RequestID]

/// `?ack=kafka`.
@Suite("Ingest waits for Kafka", .timeLimit(.minutes(3)))
struct IngestKafkaTests {
    static let two = FakeRequest("/v1/events?ack=kafka", #"[{"topic":"clicks"},{"topic":"orders"}]"#, type: Decoding.envelope)

    @Test("422 with the records in the order of the request, and the number of the dead letter") func refusedByKafka() async throws {
        try await IngestHarness.with(IngestHarness()) { harness, buffer in
            let id = await harness.send(Self.two)[0]
            buffer.storeAll()
            harness.waiters.settled(2, .record(partition: 3, offset: 7))
            harness.waiters.settled(1, .dead(code: "MSG_SIZE_TOO_LARGE", letter: 41))
            let answer = await harness.server.untilAnswered(id)
            #expect(answer.status == 422)
            #expect(answer.fields == "Content-Type: application/problem+json\r\n")
            #expect(answer.member("code") == "refused_by_kafka" && answer.member("retryable") == "false")
            #expect(answer.member("title") == "Unprocessable Content" && answer.member("request_id") == id.description)
            #expect(
                answer.body.hasSuffix(
                    #","accepted":2,"records":[{"partition":3,"offset":7},{"error":"MSG_SIZE_TOO_LARGE","dead_letter":41}]}"#))
            #expect(harness.waiters.isEmpty)
            let metrics = harness.registry.render()
            #expect(metrics.contains(#"forebay_ingest_requests_total{code="422"} 1"#))
            #expect(metrics.contains(#"forebay_ingest_events_total{durability="durable",topic="orders"} 1"#))
        }
    }

    @Test("200 with the records in the order of the request") func settled() async throws {
        try await IngestHarness.with(IngestHarness()) { harness, buffer in
            let id = await harness.send(Self.two)[0]
            buffer.storeAll()
            await harness.turn()
            #expect(harness.server.answer(to: id) == nil)
            // orders is the first batch, clicks the second.
            harness.waiters.settled(1, .record(partition: 0, offset: 9))
            await harness.turn()
            #expect(harness.server.answer(to: id) == nil)
            harness.waiters.settled(2, .record(partition: 3, offset: 1_234_567_890_123))
            let answer = await harness.server.untilAnswered(id)
            #expect(answer.status == 200)
            #expect(
                answer.body
                    == #"{"accepted":2,"durability":"kafka","records":[{"partition":3,"offset":1234567890123},{"partition":0,"offset":9}]}"#
            )
            #expect(harness.waiters.isEmpty)
            #expect(harness.registry.render().contains(#"forebay_ingest_events_total{durability="kafka",topic="clicks"} 1"#))
            #expect(harness.registry.render().contains(#"forebay_ingest_requests_total{code="200"} 1"#))
        }
    }

    @Test("settled before the word of durability came: 200 only then") func settledFirst() async throws {
        try await IngestHarness.with(IngestHarness()) { harness, buffer in
            let id = await harness.send(Self.two)[0]
            let submission = buffer.take()[0]
            let firsts = buffer.number(submission)
            harness.waiters.settled(1, .record(partition: 0, offset: 0))
            harness.waiters.settled(2, .record(partition: 0, offset: -1))
            await harness.turn()
            #expect(harness.server.answer(to: id) == nil)
            buffer.settle(submission, firsts)
            #expect(await harness.server.untilAnswered(id).body.hasSuffix(#"[{"partition":0,"offset":-1},{"partition":0,"offset":0}]}"#))
        }
    }

    @Test("when its time is over: 202") func timeout() async throws {
        try await IngestHarness.with(IngestHarness { $0.defaultWait = 30 }) { harness, buffer in
            let id = await harness.send(Self.two)[0]
            buffer.storeAll()
            #expect(
                await harness.server.untilAnswered(id) == IngestRequestTests.accepted(2, IngestRequestTests.id(2), IngestRequestTests.id(1))
            )
            #expect(harness.waiters.isEmpty)
            harness.waiters.settled(1, .record(partition: 0, offset: 0))
            #expect(harness.registry.render().contains(#"forebay_ingest_events_total{durability="durable",topic="clicks"} 1"#))
        }
    }

    @Test("Prefer: wait=0, or a maximum of 0, is 202 at once", arguments: ["wait=0", "respond-async, Wait=0", "wait=60"])
    func noWait(_ preference: String) async throws {
        try await IngestHarness.with(IngestHarness { $0.maximumWait = preference == "wait=60" ? 0 : 60_000 }) { harness, buffer in
            var request = Self.two
            request.headers.append(("Prefer", preference))
            let id = await harness.send(request)[0]
            buffer.storeAll()
            #expect(await harness.server.untilAnswered(id).status == 202)
            #expect(harness.waiters.isEmpty)
        }
    }

    @Test("too many wait: 202 at once") func tooMany() async throws {
        try await IngestHarness.with(IngestHarness(waiters: 3)) { harness, buffer in
            let ids = await harness.send(Self.two, Self.two)
            buffer.storeAll()
            #expect(await harness.server.untilAnswered(ids[1]).status == 202)
            #expect(harness.server.answer(to: ids[0]) == nil)
            harness.waiters.settled(1, .record(partition: 0, offset: 0))
            harness.waiters.settled(3, .record(partition: 0, offset: 0))
            #expect(await harness.server.untilAnswered(ids[0]).status == 200)
        }
    }

    @Test("refused by the buffer: 503, and nobody is waited for") func refused() async throws {
        try await IngestHarness.with(IngestHarness()) { harness, buffer in
            let id = await harness.send(Self.two)[0]
            let submission = buffer.take()[0]
            _ = buffer.number(submission)
            submission.ack.resolve(.refused(ForebayError(.spoolFull, recovery: .retry, "")))
            #expect(await harness.server.untilAnswered(id).status == 503)
            #expect(harness.waiters.isEmpty)
        }
    }

    @Test("a client that ends its side gets 202 as soon as it is durable, and nobody waits for Kafka any more") func ended() async throws {
        try await IngestHarness.with(IngestHarness()) { harness, buffer in
            let ids = await harness.send(Self.two, Self.two, Self.two)
            let server = harness.server
            // One before it is durable, one after that, and one stays.
            try await harness.loop.perform { server.end(ids[0]) }
            buffer.storeAll()
            #expect(await harness.server.untilAnswered(ids[0]).status == 202)
            await harness.turn()
            #expect(harness.server.answer(to: ids[1]) == nil)
            try await harness.loop.perform { server.end(ids[1]) }
            #expect(await harness.server.untilAnswered(ids[1]).status == 202)
            #expect(!harness.waiters.isEmpty)
            for sequence in 1...6 as ClosedRange<UInt64> { harness.waiters.settled(sequence, .record(partition: 0, offset: 1)) }
            #expect(await harness.server.untilAnswered(ids[2]).status == 200)
            #expect(harness.waiters.isEmpty)
        }
    }

    @Test("a client that went away is not waited for") func dropped() async throws {
        try await IngestHarness.with(IngestHarness()) { harness, buffer in
            let ids = await harness.send(Self.two, Self.two)
            let server = harness.server
            try await harness.loop.perform { server.drop(ids[0]) }
            buffer.storeAll()
            await harness.turn()
            #expect(!harness.waiters.isEmpty)
            try await harness.loop.perform { server.drop(ids[1]) }
            #expect(harness.waiters.isEmpty)
        }
    }

    @Test("a restart of the stage: those who are durable get 202") func restart() async throws {
        let harness = try IngestHarness()
        let buffer = FakeBuffer(harness.port)
        let stage = try harness.stage()
        let run = Task { try await stage.run() }
        await harness.server.untilHandled(1)
        let ids = await harness.send(Self.two) + harness.send(Self.two)
        let submissions = buffer.take()
        let firsts = submissions.map { buffer.number($0) }
        buffer.settle(submissions[0], firsts[0])
        run.cancel()
        _ = await run.result
        #expect(await harness.server.untilAnswered(ids[0]).status == 202)
        #expect(harness.server.answer(to: ids[1]) == nil)
        buffer.settle(submissions[1], firsts[1])
        #expect(await harness.server.untilAnswered(ids[1]).status == 202)
        #expect(harness.waiters.isEmpty)
        await harness.loop.stop()
    }
}
