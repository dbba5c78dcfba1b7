import ForebayCore
import ForebayTelemetry
import Testing

@testable import ForebayIngest

/// Requests to answers, through the handler.
@Suite("Ingest requests", .timeLimit(.minutes(3)))
struct IngestRequestTests {
    static func id(_ sequence: UInt64) -> String { EventID.text(origin: IngestHarness.spool, sequence: sequence) }

    static func accepted(_ count: Int, _ first: String, _ last: String) -> SeenAnswer {
        SeenAnswer(
            status: 202, fields: "Content-Type: application/json\r\n",
            body: #"{"accepted":\#(count),"durability":"durable","id":"\#(first)","last_id":"\#(last)"}"#)
    }

    @Test("the requests of one turn become one submission, and each gets its own ids")
    func oneTurn() async throws {
        try await IngestHarness.with(IngestHarness()) { harness, buffer in
            let ids = await harness.send(
                FakeRequest("/v1/topics/orders", "a"), FakeRequest("/v1/topics/clicks", "b"),
                FakeRequest("/v1/topics/orders", "1\n2\n3", type: "application/x-ndjson"),
                FakeRequest("/v1/topics/orders", "c", headers: [("Forebay-Id", "my\"id")]))
            #expect(harness.server.answerCount == 0)
            let submissions = buffer.take()
            #expect(submissions.count == 1)
            #expect(submissions[0].batches.map(\.count) == [5, 1])
            buffer.settle(submissions[0], buffer.number(submissions[0]))
            await harness.turn()
            #expect(buffer.stored.map { String(decoding: $0.event.value!, as: UTF8.self) } == ["a", "1", "2", "3", "c", "b"])
            #expect(
                ids.map { harness.server.answer(to: $0) } == [
                    Self.accepted(1, Self.id(1), Self.id(1)), Self.accepted(1, Self.id(6), Self.id(6)),
                    Self.accepted(3, Self.id(2), Self.id(4)),
                    Self.accepted(1, #"my\"id"#, #"my\"id"#),
                ])
        }
    }

    @Test("id and last_id follow the request, also when its events go several ways and some have their own")
    func idsOfSeveralRoutes() async throws {
        try await IngestHarness.with(IngestHarness()) { harness, buffer in
            func envelope(_ topic: String, _ id: String? = nil) -> String {
                #"{"topic":"\#(topic)"\#(id.map { #","id":"\#($0)""# } ?? "")}"#
            }
            let bodies = [
                [envelope("clicks"), envelope("orders"), envelope("orders")], [envelope("orders", "own"), envelope("clicks")],
                [envelope("payments.x"), envelope("orders", "own")],
            ]
            var ids: [SeenAnswer?] = []
            let sent = await harness.send(
                FakeRequest("/v1/events", bodies[0].joined(separator: "\n"), type: Decoding.envelopeLines),
                FakeRequest("/v1/events", "[\(bodies[1].joined(separator: ","))]", type: Decoding.envelope),
                FakeRequest("/v1/events", "[\(bodies[2].joined(separator: ","))]", type: Decoding.envelope))
            #expect(buffer.storeAll() == 1)
            await harness.turn()
            ids = sent.map { harness.server.answer(to: $0) }
            // orders: 1 2, own 3, payments 4, own 5; clicks: 6 7.
            #expect(
                ids == [Self.accepted(3, Self.id(6), Self.id(2)), Self.accepted(2, "own", Self.id(7)), Self.accepted(2, Self.id(4), "own")])
            #expect(buffer.stored.map(\.event.topic) == ["orders", "orders", "orders", "payments.x", "orders", "clicks", "clicks"])
        }
    }

    @Test("a refused request leaves its neighbours whole")
    func neighbours() async throws {
        try await IngestHarness.with(IngestHarness()) { harness, buffer in
            let ids = await harness.send(
                FakeRequest("/v1/topics/orders", "a"), FakeRequest("/v1/topics/orders", "[1,2,oops]", type: "application/json"),
                FakeRequest("/v1/topics/orders", "b"))
            #expect(harness.server.answer(to: ids[1])?.status == 400)
            #expect(buffer.storeAll() == 1)
            await harness.turn()
            #expect(buffer.stored.map(\.event.value) == [[0x61], [0x62]])
            #expect(harness.server.answer(to: ids[0]) == Self.accepted(1, Self.id(1), Self.id(1)))
            #expect(harness.server.answer(to: ids[2]) == Self.accepted(1, Self.id(2), Self.id(2)))
        }
    }

    @Test("a body that comes later finds its own head again, not one that was judged since", arguments: ["orders", "%6Frders"])
    func bodyLater(_ topic: String) async throws {
        try await IngestHarness.with(IngestHarness()) { harness, buffer in
            var request = FakeRequest("/v1/topics/\(topic)", "x", headers: [("Forebay-Key", "right"), ("Forebay-Header-A", "b")])
            for comesLater in [true, false, true] {
                request.bodyComesLater = comesLater
                await harness.send(request)
            }
            buffer.storeAll()
            let event = SeenEvent(value: "x", key: "right")
            #expect(buffer.stored.count == 3)
            #expect(
                buffer.stored.allSatisfy {
                    $0.event.topic == "orders" && $0.event.key == event.key && $0.event.headers == [.init(name: "a", value: [0x62])]
                })
        }
    }

    @Test("the same head again says the same, whatever came between")
    func sameHead() async throws {
        try await IngestHarness.with(IngestHarness()) { harness, buffer in
            let mine = FakeRequest("/v1/topics/orders", "x", headers: [("Forebay-Key", "mine"), ("Forebay-Id", "own")])
            let other = FakeRequest("/v1/topics/clicks", "x", headers: [("Forebay-Key", "other")])
            let envelopes = FakeRequest("/v1/events", #"[{"topic":"orders","value":1}]"#, type: "application/vnd.forebay.v1+json")
            let refused = FakeRequest("/v1/topics/orders", "x", headers: [("Forebay-Timestamp", "never")])
            await harness.send(mine, mine, other, mine, refused, mine, mine, envelopes, envelopes, mine)
            buffer.storeAll()
            let keys = buffer.stored.map { $0.event.key.map { String(decoding: $0, as: UTF8.self) } }
            #expect(keys == ["mine", "mine", "mine", "mine", "mine", nil, nil, "mine", "other"], "orders, then clicks on its own route")
            #expect(
                buffer.stored.filter { $0.event.key != nil }.allSatisfy {
                    ($0.event.id == Array("own".utf8)) == ($0.event.topic == "orders")
                })
        }
    }

    @Test("curl's form is one event of bytes, and 0 is a timestamp")
    func form() async throws {
        try await IngestHarness.with(IngestHarness()) { harness, buffer in
            await harness.send(
                FakeRequest("/v1/topics/orders", "a=1&b=2", type: "application/x-www-form-urlencoded"),
                FakeRequest("/v1/topics/orders", "x", headers: [("Forebay-Timestamp", "0")]),
                FakeRequest("/v1/topics/orders", "y", headers: [("Forebay-Timestamp", "946684800000")]))
            buffer.storeAll()
            #expect(buffer.stored.map { $0.event.value } == ["a=1&b=2", "x", "y"].map { Array($0.utf8) })
            #expect(buffer.stored.dropFirst().map(\.event.timestamp) == [0, 946_684_800_000])
        }
    }

    @Test("OPTIONS tells what is allowed") func options() async throws {
        try await IngestHarness.with(IngestHarness()) { harness, _ in
            let answer = await harness.answer(to: FakeRequest("/v1/topics/orders", "", method: "OPTIONS"))
            #expect(answer == SeenAnswer(status: 204, fields: "Allow: POST, OPTIONS\r\n", body: ""))
        }
    }

    @Test("an empty array is 202 with 0, and nothing is submitted") func empty() async throws {
        try await IngestHarness.with(IngestHarness()) { harness, buffer in
            let answer = await harness.answer(to: FakeRequest("/v1/topics/orders", "[]", type: "application/json"))
            #expect(answer.status == 202)
            #expect(answer.body == #"{"accepted":0,"durability":"durable","id":null,"last_id":null}"#)
            let kafka = await harness.answer(to: FakeRequest("/v1/topics/orders?ack=kafka", " [ ] ", type: "application/json"))
            #expect(kafka.status == 200)
            #expect(kafka.body == #"{"accepted":0,"durability":"kafka","records":[]}"#)
            #expect(buffer.take().isEmpty)
        }
    }

    @Test("the topic is decoded once, renamed, and routed by the name in the URL") func topics() async throws {
        let harness = try IngestHarness {
            $0.topics = ["orders": .init(rename: "orders.v2")]
            $0.routes.append(.init(name: "rest", topics: ["*"]))
        }
        try await IngestHarness.with(harness) { harness, buffer in
            for path in ["orders", "%6Frders", "orders.v2", "payments.eu", "paymentsx"] {
                await harness.send(FakeRequest("/v1/topics/\(path)"))
            }
            buffer.storeAll()
            #expect(buffer.stored.map(\.event.topic) == ["orders.v2", "orders.v2", "orders.v2", "payments.eu", "paymentsx"])
            let (orders, rest) = (RouteID(name: "orders"), RouteID(name: "rest"))
            #expect(buffer.stored.map(\.route) == [orders, orders, rest, orders, rest])
            await harness.turn()
            let metrics = harness.registry.render()
            #expect(metrics.contains(#"forebay_ingest_events_total{durability="durable",topic="orders"} 2"#))
            #expect(metrics.contains(#"forebay_ingest_requests_total{code="202"} 5"#))
            #expect(metrics.contains("forebay_ingest_request_duration_seconds_count 5"))
            #expect(metrics.contains("forebay_ingest_in_flight_bytes 0"))
        }
    }

    @Test("a large request is cut into batches of about 1 MiB, still one submission, and its ids hold") func large() async throws {
        let harness = try IngestHarness { $0.batch = 10_000 }
        try await IngestHarness.with(harness) { harness, buffer in
            let lines = (0..<500).map { "{\"n\":\($0),\"pad\":\"\(String(repeating: "x", count: 60))\"}" }
            let ids = await harness.send(
                FakeRequest("/v1/topics/orders", "first"),
                FakeRequest("/v1/topics/orders", lines.joined(separator: "\n"), type: "application/x-ndjson"))
            let submissions = buffer.take()
            #expect(submissions.map(\.batches.count)[0] == 1 && submissions.count == 2, "a small one before it goes by itself")
            #expect(submissions[1].batches.count > 4)
            #expect(submissions[1].batches.allSatisfy { $0.byteCount <= 10_000 })
            for submission in submissions { buffer.settle(submission, buffer.number(submission)) }
            await harness.turn()
            #expect(harness.server.answer(to: ids[1]) == Self.accepted(500, Self.id(2), Self.id(501)))
            #expect(buffer.stored.dropFirst().map { String(decoding: $0.event.value!, as: UTF8.self) } == lines)
        }
    }
}

extension FakeRequest: CustomTestStringConvertible {
    var testDescription: String { "\(self.method) \(self.target.prefix(60)) \(self.headers) \(self.body.count) bytes" }
}
