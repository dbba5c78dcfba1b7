import ForebayBuffer
import ForebayCore
import ForebayDelivery
import ForebayForward
import ForebayKafka
import ForebayMirror
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

    func start(
        _ delivery: Delivery, _ aside: Aside, _ supervisor: Supervisor, _ budget: DeliveryBudget, _ loop: SimulatedLoop,
        _ metrics: MetricsRegistry
    ) async {
        let producers = SimulatedProducers(self.clusters.kafkas[delivery.cluster], loop: loop)
        let surroundings = self.surroundings
        let known = delivery.known
        let watched = WatchedSource(delivery.source, of: known.stage, names: self.life.lines[known.line].names, model: self.model)
        for (way, source) in [(DeliveryWay.direct, watched as any EventSource), (.aside, aside.source)] {
            await supervisor.start(way.child(of: delivery.name)) {
                let engine = DeliveryEngine(
                    way, of: delivery.name, source: source, producers: producers, properties: Self.properties,
                    deadLetters: aside.logs.deadLetters, setAside: aside.setAside, waiters: DeliveryWaiters(limit: 0), budget: budget,
                    settings: Self.bounds, loop: loop, metrics: metrics, surroundings: surroundings)
                return known.stage == .mirror ? MirrorStage(engine) : ForwardStage(engine)
            }
        }
    }

    /// What is set aside when the stages have ended in order: the ids, by delivery. What is known of it by the cursors is durable once the
    /// spool is closed.
    func aside(_ deliveries: [Delivery]) -> [(delivery: Delivery, ids: [String])] {
        guard !self.isStruck, !self.model.isDamaged else { return [] }
        return deliveries.compactMap { delivery in
            guard let log = delivery.aside?.logs.setAside else { return nil }
            let scan = log.scan(Dictionary(uniqueKeysWithValues: log.units.map { ($0.number, $0.settled) }))
            var ids: [String] = []
            repeat {
                guard let batches = try? scan.read(upTo: 1 << 20) else { break }  // With no fault it can be read.
                for batch in batches { batch.forEachEvent { event, _ in ids.append(String(decoding: event.id, as: UTF8.self)) } }
            } while !scan.isCaughtUp
            return (delivery, ids)
        }
    }

    func makeTrouble() {
        guard self.plan.usesKafka else { return }
        for (_, trouble) in self.life.troubles where trouble.cluster < self.clusters.kafkas.count {
            Task(executorPreference: self.process.tasks) {
                await self.pass(milliseconds: trouble.from)
                trouble.begin(self.clusters.kafkas[trouble.cluster])
                self.model.coverage.hit("trouble\(trouble.cluster == Clusters.backup ? " of the backup" : ""): \(trouble.kind.rawValue)")
                await self.pass(milliseconds: trouble.length)
                trouble.end(self.clusters)
                if trouble.kind == .topicDeleted { self.model.madeAnew(trouble.delivery, topic: trouble.topic) }
            }
        }
    }

    /// Whether its events may wait for long.
    private func mayWait(_ delivery: Delivery) -> Bool {
        guard self.plan.usesKafka else { return self.isAway(delivery.cluster) }
        // What is wrong at the backup alone holds up no forward.
        return !self.isLast && !(self.life.isBackupDead && delivery.known.stage == .forward)
    }

    func isAway(_ cluster: Int) -> Bool {
        let milliseconds = Int((self.process.machine.now - self.began) / 1_000_000)
        return self.life.troubles.contains {
            $0.trouble.cluster == cluster && milliseconds >= $0.trouble.from && milliseconds < $0.trouble.from + $0.trouble.length
        }
    }

    /// Waits until nothing waits of the deliveries whose cluster is there.
    func drain(_ deliveries: [Delivery], _ spool: Spool) async {
        // With Kafka it is not waited for a dead backup alone.
        let isLeft = { (one: Delivery) in self.mayWait(one) && (!self.plan.usesKafka || self.life.isBackupDead) }
        for _ in 0..<(self.isLast ? 3_000 : 600) {
            if deliveries.allSatisfy({ $0.waiting == 0 || isLeft($0) }) { return self.countDrained(deliveries) }
            await self.pass(milliseconds: 200)
        }
        // A read that fails is tried again, more and more seldom.
        guard !self.isStruck else { return self.model.coverage.hit("not drained within two minutes, with faults") }
        for one in deliveries where one.waiting > 0 && !self.mayWait(one) {
            self.model.violate(
                "\(one.name.cursor) is stuck: lag \(one.source.lag), set aside \(one.aside?.setAside.events ?? 0), cursor \(one.cursor.sequence), the log"
                    + " ends at \(spool.durableEnd)")
        }
    }

    private func countDrained(_ deliveries: [Delivery]) {
        guard self.life.isBackupDead, deliveries.contains(where: { $0.known.stage == .mirror && $0.waiting > 0 }) else { return }
        self.model.coverage.hit("the backup is dead, and all forwards are done")
    }
}

/// Tells the model what a stage takes from the spool.
private struct WatchedSource: EventSource {
    private let inner: SpoolSource
    private let stage: DeliveryName.Stage
    private let names: [String]
    private let model: Model

    init(_ inner: SpoolSource, of stage: DeliveryName.Stage, names: [String], model: Model) {
        (self.inner, self.stage, self.names, self.model) = (inner, stage, names, model)
    }

    func batches() -> AsyncStream<Batch> {
        let reading = Reading(self.inner.batches().makeAsyncIterator())
        return AsyncStream {
            let batch = await reading.next()
            if let batch { self.model.hand(batch, of: self.stage, self.names) }
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
