import ForebayCore
import ForebayTelemetry
import Testing

@testable import ForebayIngest

/// Which requests are refused, and what their answers say.
@Suite("Refused requests", .timeLimit(.minutes(3)))
struct IngestRefusalTests {
    @Test(
        "what is refused, and with which code",
        arguments: [
            (FakeRequest("/"), 404, "not_found"), (FakeRequest("/v1/topics"), 404, "not_found"),
            (FakeRequest("/v1/topics/a/b"), 404, "not_found"),
            (FakeRequest("/v1/events/"), 404, "not_found"), (FakeRequest("/livez", method: "GET"), 404, "not_found"),
            (FakeRequest("/v1/topics/"), 400, "invalid_topic"),
            (FakeRequest("/v1/topics/.."), 400, "invalid_topic"), (FakeRequest("/v1/topics/a%20b"), 400, "invalid_topic"),
            (FakeRequest("/v1/topics/\(String(repeating: "a", count: 250))"), 400, "invalid_topic"),
            (FakeRequest("/v1/topics/other"), 404, "no_route"),
            (FakeRequest("/v1/topics/__consumer_offsets"), 403, "reserved_topic"),
            (FakeRequest("/v1/topics/__"), 403, "reserved_topic"),
            (FakeRequest("/v1/events", #"{"topic":"__transaction_state"}"#, type: Decoding.envelope), 403, "reserved_topic"),
            (FakeRequest("/v1/topics/orders", type: "multipart/form-data; boundary=x"), 415, "unsupported_media_type"),
            (FakeRequest("/v1/topics/orders", type: "Multipart/Mixed"), 415, "unsupported_media_type"),
            (FakeRequest("/v1/topics/orders", headers: [("Forebay-Timestamp", "1795266062")]), 422, "invalid_timestamp"),
            (FakeRequest("/v1/topics/orders", headers: [("Forebay-Timestamp", "946684799999")]), 422, "invalid_timestamp"),
            (FakeRequest("/v1/topics/orders", headers: [("Forebay-Timestamp", "1795266062345000")]), 422, "invalid_timestamp"),
            (FakeRequest("/v1/events", #"{"topic":"orders","timestamp":1795266062}"#, type: Decoding.envelope), 422, "invalid_timestamp"),
            (FakeRequest("/v1/topics/orders", method: "GET"), 405, "method_not_allowed"),
            (FakeRequest("/v1/events", method: "DELETE"), 405, "method_not_allowed"),
            (FakeRequest("/v1/topics/orders?key=a"), 400, "unknown_parameter"),
            (FakeRequest("/v1/topics/orders?ack=memory"), 400, "invalid_parameter"),
            (FakeRequest("/v1/topics/orders?ack=kafka&ack=kafka"), 400, "invalid_parameter"),
            (FakeRequest("/v1/topics/orders?ack"), 400, "invalid_parameter"),
            (FakeRequest("/v1/events", "{}"), 415, "unsupported_media_type"),
            (FakeRequest("/v1/events", "{}", type: "application/json"), 415, "unsupported_media_type"),
            (FakeRequest("/v1/topics/orders", type: "application/vnd.kafka.json.v2+json"), 415, "unsupported_media_type"),
            (FakeRequest("/v1/topics/orders", type: "application/cloudevents+json"), 415, "cloudevents_unsupported"),
            (FakeRequest("/v1/topics/orders", headers: [("ce-specversion", "1.0")]), 415, "cloudevents_unsupported"),
            (FakeRequest("/v1/topics/orders", headers: [("Content-Encoding", "gzip")]), 415, "unsupported_content_encoding"),
            (FakeRequest("/v1/topics/orders", headers: [("Idempotency-Key", "a")]), 400, "idempotency_key_unsupported"),
            (FakeRequest("/v1/topics/orders", headers: [("Forebay-Partition", "1")]), 400, "unknown_header"),
            (FakeRequest("/v1/topics/orders", ""), 400, "empty_body"),
            (FakeRequest("/v1/topics/orders", "{", type: "application/json"), 400, "malformed_json"),
            (
                FakeRequest("/v1/topics/orders", "[1,2]", type: "application/json", headers: [("Forebay-Key", "k")]), 422,
                "key_for_many_events"
            ),
            (FakeRequest("/v1/topics/orders", "{\"a\":1}", type: "application/vnd.forebay.v1+json"), 422, "unknown_member"),
            (FakeRequest("/v1/topics/orders", String(repeating: "x", count: 2000)), 413, "event_too_large"),
            (FakeRequest("/v1/topics/orders", "1\n2\n3\n4\n5", type: "application/jsonl"), 413, "too_many_events"),
        ])
    func refused(_ request: FakeRequest, _ status: Int, _ code: String) async throws {
        let harness = try IngestHarness {
            $0.limits.event = 1000
            $0.limits.eventsPerRequest = 4
        }
        try await IngestHarness.with(harness) { harness, buffer in
            let answer = await harness.answer(to: request)
            #expect(answer.status == status)
            #expect(answer.member("code") == code)
            #expect(answer.fields.contains("Content-Type: application/problem+json\r\n"))
            #expect(answer.member("status") == String(status))
            #expect(answer.member("retryable") == "false")
            #expect(answer.member("request_id")?.isEmpty == false)
            #expect(answer.fields.contains("Allow: POST, OPTIONS\r\n") == (status == 405))
            await harness.turn()
            #expect(buffer.take().isEmpty)
            #expect(harness.registry.render().contains("forebay_ingest_rejected_total{reason=\"\(code)\"} 1"))
        }
    }

    @Test("refusals of size name the bound and what it is set to")
    func sizes() async throws {
        let harness = try IngestHarness {
            $0.limits.event = 1000
            $0.limits.eventsPerRequest = 4
            $0.topics = ["clicks": .init(maximumEvent: 500)]
        }
        try await IngestHarness.with(harness) { harness, _ in
            let large = String(repeating: "x", count: 2000)
            for (request, parts) in [
                (FakeRequest("/v1/topics/orders", large), ["limits.event", "1000", "2000"]),
                (FakeRequest("/v1/topics/clicks", large), ["topics.clicks.max_event", "500", "2000"]),
                (FakeRequest("/v1/topics/orders", "1\n2\n3\n4\n5", type: "application/jsonl"), ["limits.events_per_request", "4"]),
            ] {
                let answer = await harness.answer(to: request)
                #expect(parts.allSatisfy { answer.member("detail")?.contains($0) == true }, "\(answer)")
            }
        }
    }

    @Test("5xx are logged with the request's id") func logged() async throws {
        let log = LogCapture()
        defer { log.close() }
        try await IngestHarness.with(IngestHarness(storage: IngestStorage(isFull: { true }))) { harness, _ in
            let answer = await harness.answer(to: FakeRequest("/v1/topics/orders"))
            let id = try #require(answer.member("request_id"))
            #expect(log.records(label: "ingest").contains { $0["request_id"] == id && $0["code"] == "spool_full" })
        }
    }

    @Test("the guilty event is named")
    func guilty() async throws {
        try await IngestHarness.with(IngestHarness()) { harness, _ in
            let answer = await harness.answer(
                to: FakeRequest("/v1/events", #"[{"topic":"orders"},{"topic":"orders","headers":{"a":1}}]"#, type: Decoding.envelope))
            #expect(answer.status == 422)
            #expect(answer.body.contains(#""errors":[{"code":"invalid_member","index":1,"pointer":"/headers/a","detail":"#))
        }
    }
}
