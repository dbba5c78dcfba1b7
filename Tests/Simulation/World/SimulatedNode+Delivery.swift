import ForebayBuffer
import ForebayCore
import ForebayForward
import ForebayKafka
import ForebaySpool
import ForebayTelemetry
import ForebayTestKit

/// How a node delivers, and what goes wrong with Kafka meanwhile.
extension SimulatedNode {
    static let properties = KafkaProperties(client: ["bootstrap.servers": "simulated:9092"])
    static let bounds: ForwardConfiguration = {
        var bounds = ForwardConfiguration()
        bounds.partitionWindow = 32 << 10
        bounds.queueLimit = 64 << 10
        bounds.setAsideGroup = 32 << 10
        return bounds
    }()

    func startForward(
        _ route: Route, _ aside: Aside, _ supervisor: Supervisor, _ budget: ForwardBudget, _ loop: SimulatedLoop, _ metrics: MetricsRegistry
    ) async {
        let producers = SimulatedProducers(self.clusters.kafkas[route.cluster], loop: loop)
        let surroundings = self.surroundings
        for (role, source, name) in [
            (ForwardRole.direct, route.source as any EventSource, "forward"), (.drain, aside.source, "setaside"),
        ] {
            await supervisor.start("\(name)/\(route.name)") {
                ForwardStage(
                    role, route: route.name, source: source, producers: producers, properties: Self.properties,
                    deadLetters: aside.logs.deadLetters, setAside: aside.setAside, waiters: DeliveryWaiters(limit: 0), budget: budget,
                    configuration: Self.bounds, loop: loop, metrics: metrics, surroundings: surroundings)
            }
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
        guard self.life.faults.isEmpty else { return self.model.coverage.hit("not drained within two minutes, with faults") }
        let stuck = routes.filter { $0.waiting > 0 && !self.isTroubled($0.cluster) }
        for route in stuck {
            self.model.violate(
                "route \(route.name) is stuck: lag \(route.source.lag), set aside \(route.aside?.setAside.events ?? 0), cursor \(route.cursor.sequence), the log"
                    + " ends at \(spool.durableEnd)")
        }
    }
}
