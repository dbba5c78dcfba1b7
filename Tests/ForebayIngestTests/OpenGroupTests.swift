import ForebayCore
import Synchronization
import Testing

@testable import ForebayHTTP
@testable import ForebayIngest

// Compared with true and false: what is asked alone, `#expect` copies, and this can't be copied.
@Suite("Open group")
struct OpenGroupTests {
    /// The time of day, as a test sets it.
    private final class TimeOfDay: Sendable {
        private let time = Mutex(Reading.start)
        var now: Int64 { self.time.withLock { $0 } }
        func set(_ now: Int64) { self.time.withLock { $0 = now } }
    }

    /// Reads bodies into an open group.
    private final class Reading {
        static let start: Int64 = 1_790_000_000_000

        let time = TimeOfDay()
        var open: OpenGroup
        var reader: PostReader
        private var sequence: UInt32 = 0

        init() throws {
            let configuration = IngestConfiguration(routes: [.init(name: "r", topics: ["*"])])
            let routes = try IngestRoutes(configuration)
            let time = self.time
            let clock: @Sendable () -> Int64 = { time.now }
            self.reader = PostReader(routes, configuration.limits)
            self.open = OpenGroup(
                EventSink(
                    gathering: Gathering(routes: routes.ids, batch: 1 << 20, clock: clock),
                    topics: UnsettledTopics(configuration.routes), limit: 10, byteLimit: 1 << 20),
                clock: clock)
        }

        /// A body of bytes: one event.
        func read(_ body: String, _ target: TopicTarget, waitsForKafka: Bool = false) throws {
            self.sequence += 1
            let head = JudgedHead(
                id: MadeRequests.id(self.sequence), number: 0, place: nil, target: target, waitsForKafka: waitsForKafka, wait: nil)
            try Array(body.utf8).withUnsafeBytes { try self.open.read($0, of: head, by: &self.reader, turn: 1) }
        }

        func close() -> (group: PendingGroup, batches: [Batch])? { self.open.close() }

        @discardableResult
        func add(bodyCount: Int = 1, kafka: KafkaWait? = nil) -> Int {
            self.open.add(MadeRequests.id(self.sequence), bodyCount: bodyCount, startedAt: 0, kafka: kafka)
        }
    }

    private static func values(_ batches: [Batch]) -> [[String]] { batches.map(GatheringTests.events) }

    @Test("is closed with what was read, and the next one begins empty") func close() throws {
        let reading = try Reading()
        let target = madeTarget("a")
        for body in ["one", "two"] {
            try reading.read(body, target)
            #expect(reading.open.hasNoEvent == false)
            reading.add()
        }
        let first = try #require(reading.close())
        #expect(Self.values(first.batches) == [["one", "two"]] && first.group.requests.count == 2)
        #expect(first.batches.map(\.acceptedAt) == [Reading.start])
        #expect(first.group.requests.map { first.group.batches.sequence(of: $0.first, [5]) } == [5, 6])
        #expect(reading.open.isEmpty && reading.open.weight == 0)
        try reading.read("three", target)
        reading.add()
        #expect(try Self.values(#require(reading.close()).batches) == [["three"]])
    }

    @Test("of a refused body nothing is left") func refused() throws {
        let reading = try Reading()
        let target = madeTarget("a", topic: .init(valueIsJSON: true))
        try reading.read("1", target)
        reading.add()
        #expect(throws: Refusal.self) { try reading.read("{", target) }
        try reading.read("2", target)
        reading.add()
        #expect(try Self.values(#require(reading.close()).batches) == [["1", "2"]])
    }

    @Test("a request holds its body, or its records where these are more; so much the group weighs") func weight() throws {
        let reading = try Reading()
        try reading.read("x", madeTarget("a"))
        #expect(reading.add(bodyCount: 5000) == 5000)
        try reading.read("x", madeTarget("a"))
        let records = reading.add(bodyCount: 1)
        #expect(records > 1 && reading.open.weight == 5000 + records)
    }

    @Test("somebody sees to the end of a turn once; what is left when that is over waits for nobody") func turns() throws {
        let reading = try Reading()
        #expect(reading.open.isLeftOver == false)
        try reading.read("x", madeTarget("a"))
        reading.add()
        #expect(reading.open.planEnd() && !reading.open.planEnd() && !reading.open.isLeftOver)
        reading.open.turnEnded()
        #expect(reading.open.isLeftOver == true)
        #expect(reading.open.planEnd() == true)
    }

    @Test("with a clock that can't be right it stays open, and can be given up") func clock() throws {
        let reading = try Reading()
        try reading.read("lost", madeTarget("a"))
        reading.add()
        reading.time.set(1000)
        #expect(reading.open.close() == nil && !reading.open.isEmpty)
        #expect(reading.open.discard().requests.map(\.count) == [1])
        #expect(reading.open.isEmpty == true)
        reading.time.set(Reading.start)
        try reading.read("kept", madeTarget("a"))
        reading.add()
        #expect(try Self.values(#require(reading.close()).batches) == [["kept"]])
    }

    @Test("a wait for Kafka knows where the request's events are") func waits() throws {
        let reading = try Reading()
        let target = madeTarget("a")
        try reading.read("other", target)
        reading.add()
        try reading.read("x", target, waitsForKafka: true)
        let wait = reading.open.wait(of: MadeRequests.id(2), until: 77)
        reading.add(kafka: wait)
        #expect(wait.id == MadeRequests.id(2) && wait.deadline == 77 && wait.targets.map(\.count) == [1])
        #expect(wait.positions == [.init(route: 0, batch: 0, index: 1)])
        #expect(try #require(reading.close()).group.waits.map(\.id) == [wait.id])
    }
}
