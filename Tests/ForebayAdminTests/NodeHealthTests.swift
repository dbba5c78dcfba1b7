import ForebayTelemetry
import Testing

@testable import ForebayAdmin

@Suite("Health, culprit, pulse")
struct NodeHealthTests {
    private let ready = NodeHealth(phase: .running, buffer: .accepting, isListening: true)

    @Test("ready is: running, the buffer takes events, the listener is bound, what accepting needs runs")
    func readiness() {
        #expect(self.ready.isReady && self.ready.unreadyReason == nil)
        let changes: [(String, (inout NodeHealth) -> Void)] = [
            ("phase: starting", { $0.phase = .starting }),
            ("phase: draining: it takes no new events and ends soon", { $0.phase = .draining }),
            ("buffer: the spool is being opened", { $0.buffer = .opening }),
            ("buffer: full: it accepts again when the backlog has shrunk", { $0.buffer = .full }),
            ("buffer: disk is on fire", { $0.buffer = .failed("disk is on fire") }),
            ("clock: it is 1970", { $0.clockFault = "it is 1970" }),
            ("listener: not bound yet", { $0.isListening = false }),
            ("stages: buffer is waiting", { $0.missingStages = ["buffer is waiting"] }),
        ]
        for (reason, change) in changes {
            var health = self.ready
            change(&health)
            #expect(!health.isReady)
            #expect(health.unreadyReason == reason)
            let isOfStorage = reason.hasPrefix("buffer") || reason.hasPrefix("clock")
            #expect(health.refusalReason == (isOfStorage ? reason : nil))
        }
    }

    @Test("stages that accepting does not need are told, and leave the node ready")
    func otherStages() {
        var health = self.ready
        health.otherStagesDown = ["forward/a is down: too many open files"]
        #expect(health.isReady && health.readiness.last?.detail == "accepting; forward/a is down: too many open files")
        health.missingStages = ["buffer is down"]
        #expect(!health.isReady && health.readiness.last?.detail == "buffer is down; forward/a is down: too many open files")
    }

    @Test("started stays started, whatever comes later")
    func startup() {
        var health = NodeHealth(phase: .starting, progress: "segment 3 of 9", buffer: .opening, isListening: false)
        #expect(health.startup.map(\.isPassed) == [false])
        #expect(health.startup[0].detail == "segment 3 of 9")
        for phase in [NodeHealth.Phase.running, .draining] {
            health.phase = phase
            health.buffer = .full
            #expect(health.startup.map(\.isPassed) == [true])
        }
    }

    private func buffer(_ bytes: Int, accepting: Bool = true) -> BufferStatus {
        BufferStatus(
            name: "spool", bytes: bytes, capacity: 100, maxSize: 100, firstSequence: 0, durableSequence: 90, segments: 1,
            isAccepting: accepting)
    }

    private func route(_ name: String, cursor: UInt64, lag: UInt64, _ error: String? = nil) -> RouteStatus {
        RouteStatus(
            route: name, stage: "forward", cluster: "main", state: "waiting", cursor: cursor, lagEvents: lag,
            lastError: error.map { RouteError(reason: $0) })
    }

    @Test("the culprit is who stands furthest back while the buffer fills")
    func culprit() {
        let routes = [
            self.route("a", cursor: 50, lag: 40), self.route("b", cursor: 20, lag: 3, "no leader"), self.route("idle", cursor: 10, lag: 0),
        ]
        #expect(Culprit.find(buffers: [self.buffer(69)], routes: routes) == nil)
        #expect(Culprit.find(buffers: [self.buffer(70)], routes: routes)?.route == "b")
        #expect(Culprit.find(buffers: [self.buffer(1, accepting: false)], routes: routes)?.route == "b")
        #expect(Culprit.find(buffers: [self.buffer(99)], routes: [self.route("idle", cursor: 90, lag: 0)]) == nil)
        #expect(
            Culprit.find(buffers: [self.buffer(99)], routes: routes)?.message
                == "forward of route b to cluster main is behind by 3 events (waiting): no leader")
    }

    @Test("the culprit is what is set aside, if that is most of the buffer or nothing else waits")
    func asideCulprit() {
        func aside(_ name: String, events: UInt64, bytes: Int, cursor: UInt64 = 90, lag: UInt64 = 0) -> RouteStatus {
            var route = self.route(name, cursor: cursor, lag: lag)
            route.setAside = SetAsideTotals(units: 1, events: events, bytes: bytes, code: "UNKNOWN_TOPIC_OR_PART")
            return route
        }
        let behind = self.route("b", cursor: 20, lag: 3)
        let small = aside("small", events: 9, bytes: 10)
        #expect(Culprit.find(buffers: [self.buffer(69)], routes: [aside("orders", events: 5, bytes: 60)]) == nil)
        #expect(Culprit.find(buffers: [self.buffer(80)], routes: [behind, small])?.stage == "forward")
        #expect(Culprit.find(buffers: [self.buffer(80)], routes: [small])?.route == "small")
        let found = Culprit.find(
            buffers: [self.buffer(80)], routes: [behind, small, aside("orders", events: 5, bytes: 30, cursor: 1, lag: 1)])
        #expect(found?.route == "orders" && found?.stage == "setaside" && found?.lagEvents == 5 && found?.state == "waiting")
        #expect(found?.message == "what is set aside of route orders (5 events: UNKNOWN_TOPIC_OR_PART) waits for cluster main")
    }

    @Test("what is not required gives way: whoever is required is named before it, as soon as that alone would fill the buffer")
    func givesWay() {
        func mirror(_ name: String, cursor: UInt64, lag: UInt64, isRequired: Bool = false) -> RouteStatus {
            RouteStatus(
                route: name, stage: "mirror", cluster: "backup", isRequired: isRequired, state: "waiting", cursor: cursor, lagEvents: lag)
        }
        let main = self.route("main", cursor: 85, lag: 5)
        let best = mirror("best", cursor: 0, lag: 80)
        // Alone with a main delivery that is as good as up to date: it is what fills the buffer, and nothing is refused for it.
        let alone = Culprit.find(buffers: [self.buffer(95)], routes: [main, best])
        #expect(alone?.route == "best" && alone?.givesWay == true)
        let orders = mirror("orders", cursor: 5, lag: 85, isRequired: true)
        let found = Culprit.find(buffers: [self.buffer(95)], routes: [main, best, orders])
        #expect(found?.route == "orders" && found?.givesWay == false, "though it does not stand furthest back")
        // Not while it would leave room enough.
        let near = mirror("orders", cursor: 40, lag: 50, isRequired: true)
        #expect(Culprit.find(buffers: [self.buffer(95)], routes: [main, best, near])?.route == "best")
        // Refused is for the sake of what is required, however little that is.
        #expect(Culprit.find(buffers: [self.buffer(95, accepting: false)], routes: [best, main])?.route == "main")
        #expect(Culprit.find(buffers: [self.buffer(95, accepting: false)], routes: [best])?.route == "best")
        // What is set aside of one that is required counts, too.
        var aside = self.route("aside", cursor: 90, lag: 0)
        aside.setAside = SetAsideTotals(units: 1, events: 5, bytes: 50)
        #expect(Culprit.find(buffers: [self.buffer(95)], routes: [best, aside])?.stage == "setaside")
        aside.isRequired = false
        #expect(Culprit.find(buffers: [self.buffer(95)], routes: [best, aside])?.givesWay == true)
        // So do dead letters; those of one that gives way go with the rest.
        var letters = best
        (letters.deadLetters, letters.deadLetterBytes) = (5, 60)
        let dead = Culprit.find(buffers: [self.buffer(95)], routes: [main, letters])
        #expect(dead?.stage == "deadletters" && dead?.givesWay == true && dead?.message.contains("the oldest are given up") == true)
        letters.isRequired = true
        let kept = Culprit.find(buffers: [self.buffer(95)], routes: [main, best, letters])
        #expect(kept?.stage == "deadletters" && kept?.givesWay == false && kept?.message.contains("they stay until") == true)
    }

    @Test("a loop that did not move for long is not alive; a late beat is measured")
    func pulse() {
        let metrics = MetricsRegistry()
        let pulse = LoopPulse(label: "edge", metrics: metrics)
        let start = LoopPulse.now + 1_000_000
        pulse.beat(at: start)
        #expect(pulse.check(at: start + LoopPulse.limit - 1).isPassed)
        #expect(!pulse.check(at: start + LoopPulse.limit).isPassed)
        #expect(pulse.check(at: start + 500).detail == "moved 500 ms ago")
        #expect(pulse.check(at: start - 500).isPassed)
        let histogram = metrics.histogram(
            "forebay_event_loop_delay_seconds", help: "x", labels: ["loop": "edge"], bounds: Buckets.latency)
        let before = histogram.sum
        pulse.beat(at: start + 1000 + 2000)
        #expect(histogram.sum - before == 2)
    }
}
