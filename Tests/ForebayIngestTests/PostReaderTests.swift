import ForebayCore
import Testing

@testable import ForebayHTTP
@testable import ForebayIngest

@Suite("Post reader")
struct PostReaderTests {
    /// Reads requests as they come from a server, and keeps what they said.
    private final class Reading: HTTPHandler {
        private var reader: PostReader
        private var sink: EventSink
        private let gathering: Gathering
        private(set) var repeats: [Bool] = []
        private(set) var heads: [JudgedHead] = []
        private(set) var refusals: [ProblemCode] = []

        init() throws {
            let configuration = IngestConfiguration(routes: [.init(name: "r", topics: ["*"])])
            let routes = try IngestRoutes(configuration)
            self.gathering = Gathering(routes: routes.ids, batch: 1 << 20)
            self.reader = PostReader(routes, configuration.limits)
            self.sink = EventSink(
                gathering: self.gathering, topics: UnsettledTopics(configuration.routes), limit: 10, byteLimit: 1 << 20)
        }

        func head(_ request: borrowing HTTPRequestHead) -> HTTPVerdict {
            do throws(Refusal) {
                let isRepeat = self.reader.isRepeat(request)
                self.repeats.append(isRepeat)
                if !isRepeat { try self.reader.judge(request, try IngestResource(path: request.path)) }
                return .accept(bodyLimit: 1 << 20)
            } catch {
                self.refusals.append(error.code)
                return .refuse(error.problem().response(to: request.id))
            }
        }

        func request(_ id: RequestID, _ request: borrowing HTTPRequestHead, _ body: UnsafeRawBufferPointer) {
            do throws(Refusal) {
                let head = try self.reader.head(of: request)
                self.heads.append(head)
                self.sink.begin(bodyCount: body.count, keepsPositions: false)
                try self.reader.decode(body, of: head, now: Reading.now, into: &self.sink)
                self.sink.commit()
                self.sink.topics.commit()
            } catch {
                self.sink.rollback()
                self.refusals.append(error.code)
            }
        }

        static let now: Int64 = 1_790_000_000_000

        func ended(_ id: RequestID) {}
        func dropped(_ id: RequestID) {}

        /// Key and topic of each event, and when it happened.
        func events() -> [SeenEvent] {
            self.gathering.finish(acceptedAt: 0).batches.flatMap { batch in
                var events: [SeenEvent] = []
                batch.forEachEvent { event, _ in events.append(SeenEvent(event)) }
                return events
            }
        }
    }

    private static func read(_ requests: [FakeRequest]) throws -> Reading {
        let server = FakeServer()
        let reading = try Reading()
        server.replaceHandler(reading)
        for request in requests { _ = server.send(request) }
        return reading
    }

    private static func keyed(_ topic: String, _ key: String) -> FakeRequest {
        FakeRequest("/v1/topics/\(topic)", headers: [("Forebay-Key", key)])
    }

    private static func keys(_ events: [SeenEvent]) -> [String?] {
        events.map { $0.key.map { String(decoding: $0, as: UTF8.self) } }
    }

    @Test("the same head again is not read again, and says the same of its own body") func sameHead() throws {
        let (mine, other) = (Self.keyed("a", "mine"), Self.keyed("b", "other"))
        let reading = try Self.read([mine, mine, other, mine, mine, mine])
        #expect(reading.repeats == [false, true, false, false, true, true])
        #expect(Self.keys(reading.events()) == ["mine", "mine", "other", "mine", "mine", "mine"])
        #expect(reading.heads.map { $0.target?.name } == ["a", "a", "b", "a", "a", "a"])
        #expect(Set(reading.heads.map(\.id)).count == 6, "each has its own id")
    }

    @Test("a refused head is nobody's: the one before it is read anew") func refusedBetween() throws {
        let refused = FakeRequest("/v1/topics/a", headers: [("Forebay-Timestamp", "never")])
        let reading = try Self.read([Self.keyed("a", "mine"), refused, Self.keyed("a", "mine")])
        #expect(reading.repeats == [false, false, false] && reading.refusals.count == 1)
        #expect(Self.keys(reading.events()) == ["mine", "mine"])
    }

    @Test("a body that comes later is read by its own head, which lies elsewhere by then") func bodyLater() throws {
        var later = Self.keyed("a", "mine")
        later.bodyComesLater = true
        let reading = try Self.read([later, Self.keyed("a", "mine")])
        #expect(Self.keys(reading.events()) == ["mine", "mine"] && reading.heads.map { $0.target?.name } == ["a", "a"])
    }

    @Test("says where the events go, whether it waits for Kafka, and for how long") func heads() throws {
        let reading = try Self.read([
            FakeRequest("/v1/topics/a"), FakeRequest("/v1/topics/a?ack=kafka"),
            FakeRequest("/v1/events?ack=kafka", "[]", type: Decoding.envelope, headers: [("Prefer", "wait=3")]),
        ])
        #expect(reading.heads.map { $0.target?.name } == ["a", "a", nil])
        #expect(reading.heads.map(\.waitsForKafka) == [false, true, true])
        #expect(reading.heads.map(\.wait) == [nil, nil, 3000])
    }

    @Test("an event without a time of its own has the one that it is read with; where no topic is named, only envelopes are taken")
    func bodies() throws {
        let reading = try Self.read([
            FakeRequest("/v1/topics/a"), FakeRequest("/v1/events", #"{"topic":"b"}"#, type: Decoding.envelope),
            FakeRequest("/v1/events", "{}", type: "application/json"), FakeRequest("/v1/topics/a", "{", type: "application/json"),
        ])
        let events = reading.events()
        #expect(events.map(\.topic) == ["a", "b"] && events.allSatisfy { $0.timestamp == Reading.now })
        #expect(reading.refusals == [.unsupportedMediaType, .malformedJSON])
    }
}
