import ForebayBuffer
import ForebayCore
import ForebayDelivery
import ForebayForward
import ForebayKafka
import ForebaySpool
import ForebayTelemetry
import ForebayTestKit

/// How a node delivers, and what goes wrong with Kafka meanwhile.
extension SimulatedNode {
    static let properties = KafkaProperties(client: ["bootstrap.servers": "simulated:9092"])
    static let bounds: DeliverySettings = {
        var bounds = DeliverySettings()
        bounds.partitionWindow = 32 << 10
        bounds.queueLimit = 64 << 10
        bounds.setAsideGroup = 32 << 10
        return bounds
    }()

    func startForward(
        _ route: Route, _ aside: Aside, _ supervisor: Supervisor, _ budget: DeliveryBudget, _ loop: SimulatedLoop,
        _ metrics: MetricsRegistry
    ) async {
        let producers = SimulatedProducers(self.clusters.kafkas[route.cluster], loop: loop)
        let surroundings = self.surroundings
        let watched = WatchedSource(route.source, names: self.life.lines[route.line].names, model: self.model)
        for (way, source, name) in [(DeliveryWay.direct, watched as any EventSource, "forward"), (.aside, aside.source, "setaside")] {
            await supervisor.start("\(name)/\(route.name)") {
                ForwardStage(
                    DeliveryEngine(
                        way, of: DeliveryName(.forward, of: route.name), source: source, producers: producers, properties: Self.properties,
                        deadLetters: aside.logs.deadLetters, setAside: aside.setAside, waiters: DeliveryWaiters(limit: 0), budget: budget,
                        settings: Self.bounds, loop: loop, metrics: metrics, surroundings: surroundings))
            }
        }
    }

    /// What is set aside when the stages have ended in order: the ids, by route. What is known of it by the cursors is durable once the
    /// spool is closed.
    func aside(_ routes: [Route]) -> [(route: Route, ids: [String])] {
        guard !self.isStruck, !self.model.isDamaged else { return [] }
        return routes.compactMap { route in
            guard let log = route.aside?.logs.setAside else { return nil }
            let scan = log.scan(Dictionary(uniqueKeysWithValues: log.units.map { ($0.number, $0.settled) }))
            var ids: [String] = []
            repeat {
                guard let batches = try? scan.read(upTo: 1 << 20) else { break }  // With no fault it can be read.
                for batch in batches { batch.forEachEvent { event, _ in ids.append(String(decoding: event.id, as: UTF8.self)) } }
            } while !scan.isCaughtUp
            return (route, ids)
        }
    }

    func makeTrouble() {
        guard self.plan.usesKafka else { return }
        for (_, trouble) in self.life.troubles {
            Task(executorPreference: self.process.tasks) {
                await self.pass(milliseconds: trouble.from)
                trouble.begin(self.clusters.kafkas[trouble.cluster])
                self.model.coverage.hit("trouble: \(trouble.kind.rawValue)")
                await self.pass(milliseconds: trouble.length)
                trouble.end(self.clusters)
                if trouble.kind == .topicDeleted { self.model.madeAnew(line: trouble.line, topic: trouble.topic) }
            }
        }
    }

    /// Whether events of the cluster may wait for long.
    func isTroubled(_ cluster: Int) -> Bool {
        if self.plan.usesKafka { return !self.isLast }
        return self.isAway(cluster)
    }

    func isAway(_ cluster: Int) -> Bool {
        let milliseconds = Int((self.process.machine.now - self.began) / 1_000_000)
        return self.life.troubles.contains {
            $0.trouble.cluster == cluster && milliseconds >= $0.trouble.from && milliseconds < $0.trouble.from + $0.trouble.length
        }
    }

    /// Waits until nothing waits of the routes whose cluster is there.
    func drain(_ routes: [Route], _ spool: Spool) async {
        for _ in 0..<(self.isLast ? 3_000 : 600) {
            if routes.allSatisfy({ $0.waiting == 0 || self.isTroubled($0.cluster) && !self.plan.usesKafka }) { return }
            await self.pass(milliseconds: 200)
        }
        // A read that fails is tried again, more and more seldom.
        guard !self.isStruck else { return self.model.coverage.hit("not drained within two minutes, with faults") }
        let stuck = routes.filter { $0.waiting > 0 && !self.isTroubled($0.cluster) }
        for route in stuck {
            self.model.violate(
                "route \(route.name) is stuck: lag \(route.source.lag), set aside \(route.aside?.setAside.events ?? 0), cursor \(route.cursor.sequence), the log"
                    + " ends at \(spool.durableEnd)")
        }
    }
}

/// Tells the model what a stage takes from the spool.
private struct WatchedSource: EventSource {
    private let inner: SpoolSource
    private let names: [String]
    private let model: Model

    init(_ inner: SpoolSource, names: [String], model: Model) {
        (self.inner, self.names, self.model) = (inner, names, model)
    }

    func batches() -> AsyncStream<Batch> {
        let reading = Reading(self.inner.batches().makeAsyncIterator())
        return AsyncStream {
            let batch = await reading.next()
            if let batch { self.model.hand(batch, of: self.names) }
            return batch
        }
    }

    private final class Reading: @unchecked Sendable {  // Safe because: one consumer, so one call at a time.
        private var iterator: AsyncStream<Batch>.Iterator

        init(_ iterator: AsyncStream<Batch>.Iterator) { self.iterator = iterator }

        func next() async -> Batch? { await self.iterator.next(isolation: nil) }
    }

    func commit(through end: Offset) throws(ForebayError) { try self.inner.commit(through: end) }
    func load(_ lane: Lane) -> UInt64? { self.inner.load(lane) }
    func flush() async { await self.inner.flush() }
    var keepsAhead: Bool { self.inner.keepsAhead }
    func keep(_ ahead: SettledAhead, isFinal: Bool) { self.inner.keep(ahead, isFinal: isFinal) }
    var cursor: Offset { self.inner.cursor }
    var lag: UInt64 { self.inner.lag }
    var resentBelow: UInt64 { self.inner.resentBelow }
}
