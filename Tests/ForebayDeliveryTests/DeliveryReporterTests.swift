import ForebayCore
import ForebayKafka
import ForebayTelemetry
import ForebayTestKit
import Synchronization
import Testing

@testable import ForebayDelivery

@Suite("What an engine tells")
struct DeliveryReporterTests {
    private static func reporter(_ route: String, _ registry: MetricsRegistry = MetricsRegistry(), way: DeliveryWay = .direct)
        -> DeliveryReporter
    {
        DeliveryReporter(
            way, of: DeliveryName(.forward, of: route), properties: KafkaProperties(client: [:]), waiters: DeliveryWaiters(limit: 10),
            registry: registry)
    }

    private static func value(_ name: String, _ registry: MetricsRegistry) -> String? {
        registry.render().split(separator: "\n").first { $0.hasPrefix(name + "{") }?.split(separator: " ").last.map(String.init)
    }

    private static func fact(_ name: String, _ reporter: DeliveryReporter) -> Fact.Value? {
        reporter.facts.first { $0.name == name }?.value
    }

    @Test("what wants room is shown, and counted as one, until nothing does; a run begins without any")
    func room() {
        let registry = MetricsRegistry()
        let reporter = Self.reporter("room", registry)
        var rooms = RoomWants()
        _ = rooms.refused(.setAside, ForebayError(.spoolFull, recovery: .retry, "no room"), now: 0, wall: 70)
        reporter.show(rooms.all)
        #expect(Self.fact("room_since", reporter) == .number(70) && Self.value("forebay_delivery_waits_for_room", registry) == "1")
        reporter.show([])
        #expect(Self.fact("room_since", reporter) == nil && Self.value("forebay_delivery_waits_for_room", registry) == "0")
        reporter.show(rooms.all)
        reporter.begin()
        #expect(Self.fact("room_since", reporter) == nil && Self.value("forebay_delivery_waits_for_room", registry) == "0")
    }

    @Test("counters take what is new since they were brought up to date; a run counts from 0 again")
    func counts() {
        let registry = MetricsRegistry()
        let reporter = Self.reporter("counts", registry)
        func count(_ totals: DeliveryState.Totals, memory: Int = 0, settingAside: Int = 0) {
            var state = DeliveryState(settings: DeliverySettings(), seed: 1)
            state.totals = totals
            state.actions.delivered(acceptedAt: 1000)
            reporter.count(&state, memory: memory, settingAside: settingAside) { 3000 }
            #expect(state.actions.deliveries.isEmpty, "each is told once")
        }
        count(DeliveryState.Totals(delivered: 5, redelivered: 2), memory: 7, settingAside: 8)
        #expect(Self.fact("delivered", reporter) == .number(5) && Self.fact("in_flight_bytes", reporter) == .number(7))
        #expect(Self.fact("setting_aside", reporter) == .number(8) && Self.value("forebay_redelivered_events_total", registry) == "2")
        count(DeliveryState.Totals(delivered: 6, redelivered: 3))
        #expect(Self.value("forebay_redelivered_events_total", registry) == "3")
        count(DeliveryState.Totals(delivered: 1, redelivered: 1))
        #expect(Self.value("forebay_redelivered_events_total", registry) == "4")
        #expect(Self.value("forebay_delivery_end_to_end_seconds_sum", registry) == "6")
    }

    @Test("a stall is shown with since when, only while there is one")
    func stall() {
        let reporter = Self.reporter("stall")
        var health = TargetHealth()
        _ = health.answered(at: 0)
        reporter.show(health)
        let stall = StallWatch.Stall(topic: "t", partition: 3, movedAt: 40)
        for _ in 0..<2 {
            var looks = 0
            reporter.show(stall, patience: 10_000, wall: 500) { _ in
                looks += 1
                return 60
            }
            #expect(Self.fact("stall_since", reporter) == .number(440) && looks <= 1)
        }
        reporter.show(nil, patience: 10_000, wall: 900) { _ in 0 }
        #expect(Self.fact("stall_since", reporter) == nil)
        reporter.show(stall, patience: 10_000, wall: 500) { _ in 60 }
        reporter.begin()
        #expect(Self.fact("stall_since", reporter) == nil, "a run has seen none yet")
    }

    @Test("who waits for an event is told once its dead letter is durable, or it is set aside; where it stands is asked for only then")
    func waiters() throws {
        let capture = LogCapture()
        defer { capture.close() }
        let registry = MetricsRegistry()
        let reporter = Self.reporter("waiters", registry)
        let settlements = Mutex<[[Settlement]?]>([])
        reporter.setAside {
            Issue.record("nobody waits")
            return Offset(lane: .spool(.none), number: 0)
        }
        for sequence: UInt64 in [4, 5] {
            _ = reporter.waiters.expect(sequences: [sequence]) { settlement in settlements.withLock { $0.append(settlement) } }
        }
        let letter = DeadLetter(
            topic: "t", code: "INVALID_RECORD", reason: "no", eventID: "id", offset: Offset(lane: .spool(.none), number: 4), record: [])
        reporter.deadLetterWritten(letter, .invalidRecord, number: 9)
        reporter.setAside { Offset(lane: .spool(.none), number: 5) }
        #expect(settlements.withLock { $0 } == [[.dead(code: "INVALID_RECORD", letter: 9)], nil])
        #expect(Self.value("forebay_dead_letters_total", registry) == "1")
        let told = try #require(capture.records.first { $0["route"] == "waiters" })
        #expect(told["id"] == "id" && told["code"] == "INVALID_RECORD" && told["reason"] == "no")
    }

    @Test("lines and metrics bear the route, the drain's the delivery too; the target is the direct engine's to show")
    func ways() throws {
        let capture = LogCapture()
        defer { capture.close() }
        let registry = MetricsRegistry()
        let name = "ways"
        for way in [DeliveryWay.direct, .aside] {
            let reporter = Self.reporter(name, registry, way: way)
            var health = TargetHealth()
            health.failed(KafkaFailure(.timedOut), at: 5)
            reporter.show(health)
            reporter.tell(try #require(health.trouble))
            #expect(Self.fact("error_since", reporter) == .number(5) && Self.fact("target_up", reporter) == .flag(false))
        }
        let lines = capture.records.filter {
            $0.message == "the cluster does not answer; events wait" && $0["route"]?.hasPrefix(name) == true
        }
        #expect(
            lines.map(\.label) == ["forward", "setaside"]
                && lines.map { $0["route"] } == [name, DeliveryName(.forward, of: name).description])
        #expect(registry.render().split(separator: "\n").filter { $0.hasPrefix("forebay_target_up{") }.count == 1)
    }

    @Test("notes are told one by one, and of refused times the first five are shown")
    func notes() {
        let capture = LogCapture()
        defer { capture.close() }
        let reporter = Self.reporter("notes")
        reporter.tell(
            [.released(topic: "t"), .timeTaken(topic: "t"), .unknownError(topic: "u", code: .invalidRecord)],
            refusedTimes: Set((0..<7).map { "t\($0)" }))
        #expect(capture.records.filter { $0["route"] == "notes" }.compactMap { $0["topic"] } == ["t", "u"])
        #expect(Self.fact("times_refused", reporter) == .text("t0, t1, t2, t3, t4"))
    }
}
