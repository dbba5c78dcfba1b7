import ForebayCore
import ForebayNet
import ForebayTelemetry
import Synchronization
import Testing

@testable import ForebayHTTP
@testable import ForebayIngest

/// `routes.<r>.max_topics`: how many topics may have events that are not settled.
@Suite("Unsettled topics", .timeLimit(.minutes(1)))
struct UnsettledTopicsTests {
    /// What the delivery of a route tells, as a test sets it.
    private final class Delivery: Sendable {
        private let state = Mutex<(end: UInt64, aside: Set<String>)>((0, []))
        var settled: UnsettledTopics.Settled {
            UnsettledTopics.Settled(end: { self.state.withLock { $0.end } }, setAside: { self.state.withLock { $0.aside } })
        }

        func settle(below end: UInt64) { self.state.withLock { $0.end = end } }
        func setAside(_ topics: Set<String>) { self.state.withLock { $0.aside = topics } }
    }

    private static func harness(_ delivery: Delivery, limit: Int = 3) throws -> IngestHarness {
        try IngestHarness(settled: ["many": delivery.settled, "other": UnsettledTopics.Settled(end: { 0 }, setAside: { [] })]) {
            $0.routes = [.init(name: "many", topics: ["*"], maximumTopics: limit), .init(name: "other", topics: ["o*"], maximumTopics: 1)]
        }
    }

    private static func post(_ topic: String) -> FakeRequest { FakeRequest("/v1/topics/\(topic)") }

    private static func post(_ topics: [String]) -> FakeRequest {
        FakeRequest("/v1/events", "[" + topics.map { "{\"topic\":\"\($0)\"}" }.joined(separator: ",") + "]", type: Decoding.envelope)
    }

    /// Sends, stores, and gives the answer.
    private static func stored(_ request: FakeRequest, _ harness: IngestHarness, _ buffer: FakeBuffer) async -> SeenAnswer {
        let id = await harness.send(request)[0]
        buffer.storeAll()
        return await harness.server.untilAnswered(id)
    }

    /// Sends until it is stored: topics are looked through ten times a second at most.
    private static func untilStored(_ request: FakeRequest, _ harness: IngestHarness, _ buffer: FakeBuffer) async {
        let end = ContinuousClock.now + .seconds(10)
        while await Self.stored(request, harness, buffer).status != 202 {
            guard ContinuousClock.now < end else {
                Issue.record("no room for \(request.target) in ten seconds")
                return
            }
        }
    }

    @Test("one topic too many: 429 with the bound, nothing stored; known topics and other routes go on; settled ones make room")
    func bound() async throws {
        let delivery = Delivery()
        try await IngestHarness.with(Self.harness(delivery)) { harness, buffer in
            for topic in ["a", "b", "c", "a"] { #expect(await Self.stored(Self.post(topic), harness, buffer).status == 202) }
            let answer = await Self.stored(Self.post(["a", "d"]), harness, buffer)
            #expect(answer.status == 429 && answer.member("code") == "too_many_topics" && answer.member("retryable") == "true")
            #expect(answer.fields.contains("Retry-After: "))
            #expect(answer.member("detail")?.contains("routes.many.max_topics") == true && answer.body.contains(#""index":1"#))
            #expect(buffer.stored.count == 4)
            #expect(await Self.stored(Self.post("b"), harness, buffer).status == 202)
            #expect(await Self.stored(Self.post("o1"), harness, buffer).status == 202)
            #expect(await Self.stored(Self.post("o2"), harness, buffer).status == 429)
            // The events of a were 1 and 4, of c 3, of b 2 and 5.
            delivery.settle(below: 4)
            await Self.untilStored(Self.post("d"), harness, buffer)
            #expect(await Self.stored(Self.post("e"), harness, buffer).status == 429, "a and b have events above 4")
            delivery.settle(below: 100)
            await Self.untilStored(Self.post(["e", "f", "g"]), harness, buffer)
        }
    }

    @Test("what is set aside is not settled, also what was set aside before the start")
    func setAside() async throws {
        let delivery = Delivery()
        delivery.setAside(["old", "a"])
        try await IngestHarness.with(Self.harness(delivery)) { harness, buffer in
            for topic in ["a", "b"] { #expect(await Self.stored(Self.post(topic), harness, buffer).status == 202) }
            #expect(await Self.stored(Self.post("c"), harness, buffer).status == 429, "a, old and b")
            delivery.settle(below: 100)
            await Self.untilStored(Self.post("d"), harness, buffer)
            #expect(await Self.stored(Self.post("e"), harness, buffer).status == 429, "a, old and d")
            for topic in ["a", "old", "d"] {
                #expect(await Self.stored(Self.post(topic), harness, buffer).status == 202, "\(topic) is counted already")
            }
            #expect(await Self.stored(Self.post("e"), harness, buffer).status == 429)
            delivery.setAside([])
            await Self.untilStored(Self.post(["e", "f"]), harness, buffer)
        }
    }

    @Test("a topic of which the request that is being read has events already is not let go by its look for room")
    func ownTopics() async throws {
        let delivery = Delivery()
        delivery.settle(below: .max)
        try await IngestHarness.with(Self.harness(delivery, limit: 2)) { harness, buffer in
            for topic in ["a", "c"] { #expect(await Self.stored(Self.post(topic), harness, buffer).status == 202) }
            // The look lets go of c, and not of a. Both groups hold a when they are stored.
            let ids = await harness.send(Self.post(["a", "b"])) + harness.send(Self.post("a"))
            buffer.storeAll()
            for id in ids { #expect(await harness.server.untilAnswered(id).status == 202) }
            await Self.untilStored(Self.post(["p", "q"]), harness, buffer)
            await Self.untilStored(Self.post(["r", "s"]), harness, buffer)
            #expect(harness.topics.count(route: 0) == 2)
        }
    }

    @Test("a topic that is set aside counts also after a request for it was refused")
    func refusedAside() async throws {
        let delivery = Delivery()
        delivery.setAside(["before"])
        try await IngestHarness.with(Self.harness(delivery, limit: 2)) { harness, buffer in
            #expect(await Self.stored(Self.post("a"), harness, buffer).status == 202)
            #expect(await Self.stored(Self.post("c"), harness, buffer).status == 429, "what is set aside counts")
            delivery.settle(below: 100)
            await Self.untilStored(Self.post("c"), harness, buffer)
            #expect(await harness.answer(to: Self.post(["before", "in valid"])).status == 400)
            delivery.settle(below: 0)
            #expect(await Self.stored(Self.post("d"), harness, buffer).status == 429)
        }
    }

    @Test("what was set aside before the start counts from the first request on: no restart opens the door again")
    func setAsideBefore() async throws {
        let delivery = Delivery()
        delivery.setAside(["x", "y", "z"])
        delivery.settle(below: .max)
        for _ in 0..<2 {
            try await IngestHarness.with(Self.harness(delivery)) { harness, buffer in
                #expect(await Self.stored(Self.post("new"), harness, buffer).status == 429)
                #expect(await Self.stored(Self.post(["x", "y", "z"]), harness, buffer).status == 202, "they are counted already")
                #expect(await Self.stored(Self.post("new"), harness, buffer).status == 429)
                #expect(await Self.stored(Self.post("o1"), harness, buffer).status == 202)
            }
        }
        delivery.setAside(["x", "y"])
        delivery.settle(below: 0)
        try await IngestHarness.with(Self.harness(delivery)) { harness, buffer in
            #expect(await Self.stored(Self.post("new"), harness, buffer).status == 202)
            #expect(await Self.stored(Self.post("newer"), harness, buffer).status == 429)
        }
    }

    @Test("what was refused, by us or by the buffer, counts no topic; what waits for the disk does")
    func refused() async throws {
        let delivery = Delivery()
        delivery.settle(below: .max)
        let harness = try Self.harness(delivery)
        try await IngestHarness.with(harness) { harness, buffer in
            let malformed = FakeRequest("/v1/events", #"[{"topic":"a"},{"topic":"b"},{"topic":"c"},{]"#, type: Decoding.envelope)
            for _ in 0..<10 { #expect(await harness.answer(to: malformed).status == 400) }
            #expect(harness.topics.count(route: 0) == 0)
            let waiting = await harness.send(Self.post(["a", "b"]), Self.post(["b", "c"]))
            let refused = await harness.send(Self.post("d"))[0]
            #expect(harness.server.answer(to: refused)?.status == 429, "nothing is settled that is not stored")
            for submission in buffer.take() { submission.ack.resolve(.refused(ForebayError("disk_slow", recovery: .retry, ""))) }
            for id in waiting { #expect(await harness.server.untilAnswered(id).status == 503) }
        }
    }

    @Test("the count outlives the stage: what it left with the buffer is settled once")
    func restarts() async throws {
        let delivery = Delivery()
        let harness = try Self.harness(delivery)
        let buffer = FakeBuffer(harness.port)
        let first = try harness.stage()
        let running = Task { try await first.run() }
        await harness.server.untilHandled(1)
        let id = await harness.send(Self.post(["a", "b"]))[0]
        let left = buffer.take()
        running.cancel()
        _ = await running.result
        let second = try harness.stage()
        let again = Task { try await second.run() }
        await harness.server.untilHandled(2)
        let refused = await harness.send(Self.post(["c", "d"]))[0]
        #expect(harness.server.answer(to: refused)?.status == 429)
        let own = await harness.send(Self.post(["a", "c"]))[0]
        for submission in left + buffer.take() { buffer.settle(submission, buffer.number(submission)) }
        for id in [id, own] { #expect(await harness.server.untilAnswered(id).status == 202) }
        delivery.settle(below: 100)
        await Self.untilStored(Self.post(["x", "y", "z"]), harness, buffer)
        again.cancel()
        _ = await again.result
        await harness.loop.stop()
    }

    @Test("a renamed topic counts by the name it is stored under")
    func renamed() async throws {
        let delivery = Delivery()
        let harness = try IngestHarness(settled: ["many": delivery.settled]) {
            $0.routes = [.init(name: "many", topics: ["*"], maximumTopics: 1)]
            $0.topics = ["a": .init(rename: "z"), "b": .init(rename: "z")]
        }
        try await IngestHarness.with(harness) { harness, buffer in
            for topic in ["a", "b", "z"] { #expect(await Self.stored(Self.post(topic), harness, buffer).status == 202) }
            #expect(await Self.stored(Self.post("y"), harness, buffer).status == 429)
            #expect(harness.topics.count(route: 0) == 1)
        }
    }

    @Test("a request of very many topics is refused at the bound, soon, and again and again; with room it is stored")
    func veryMany() async throws {
        let delivery = Delivery()
        let harness = try IngestHarness(settled: ["many": delivery.settled]) {
            $0.routes = [.init(name: "many", topics: ["*"], maximumTopics: 10_000)]
            $0.limits.eventsPerRequest = 100_000
        }
        try await IngestHarness.with(harness) { harness, buffer in
            let tooMany = Self.post((0..<20_000).map { "t\($0)" })
            let clock = ContinuousClock()
            for _ in 0..<3 {
                let began = clock.now
                #expect(await harness.answer(to: tooMany).status == 429)
                #expect(clock.now - began < .seconds(5), "the loop stood still")
                #expect(harness.topics.count(route: 0) == 0)
            }
            let began = clock.now
            #expect(await Self.stored(Self.post((0..<10_000).map { "t\($0)" }), harness, buffer).status == 202)
            #expect(clock.now - began < .seconds(5), "the loop stood still")
            #expect(await Self.stored(Self.post("one-more"), harness, buffer).status == 429)
            delivery.settle(below: .max)
            await Self.untilStored(Self.post((0..<9_000).map { "u\($0)" }), harness, buffer)
        }
    }
}
