import ForebayCore
import ForebayDelivery
import ForebayForward
import ForebayKafka
import ForebaySpool
import ForebayTelemetry
import ForebayTestKit

/// What a round is disturbed by.
extension RouteRound {
    func disturb(_ supervisor: Supervisor, _ surroundings: Surroundings, _ process: SimulatedProcess, isLast: Bool) async {
        let most = self.number(0...40)
        for _ in 0..<most {
            // Never cancelled.
            try? await surroundings.time.sleep(milliseconds: self.chance(1, in: 6) ? self.number(500...12_000) : self.number(1...200))
            await self.disturbOnce(supervisor)
        }
        guard !isLast else { return }
        process.die(self.chance(1, in: 2) ? "killed" : "power cut")
    }

    private func disturbOnce(_ supervisor: Supervisor) async {
        let topic = Self.topics[self.number(0...3)], broker = Int32(self.number(1...3))
        let what: String
        switch self.number(0...(self.group == nil ? 20 : 28)) {
        case 0:
            what = "topic deleted"
            self.kafka.delete(topic: topic)
            self.remade.insert(topic)
        case 1:
            what = "topic made again"
            if self.kafka.topics[topic] == nil { self.make(topic) }
        case 2:
            what = "topic forbidden"
            self.kafka.change(topic: topic) { $0.error = .topicAuthorizationFailed }
        case 3:
            what = "topic hidden"
            self.kafka.change(topic: topic) { $0.isHidden = true }
        case 4:
            what = "limit not told"
            self.kafka.change(topic: topic) { $0.tellsLimit.toggle() }
        case 5, 6:
            what = "broker frozen"
            self.kafka.setBroker(broker, isFrozen: true)
        case 7:
            what = "broker down"
            self.kafka.setBroker(broker, isUp: false)
        case 8:
            what = "cluster away"
            self.kafka.isAway = true
        case 9:
            what = "no leader"
            self.setLeader(topic, nil)
        case 10, 11:
            what = "leader moved"
            self.setLeader(topic, broker)
        case 12:
            what = "topic grown"
            self.kafka.grow(topic: topic, to: min(6, (self.kafka.topics[topic]?.partitions.count ?? 0) + 1))
        case 13:
            what = "stage failed"
            let name = self.chance(1, in: 2) ? "forward" : "setaside"
            _ = await supervisor.fail(name, with: ForebayError(.injected, recovery: .rewindAndRestart, "planted"))
        case 14: what = self.trouble { $0.retriable = 500 }
        case 15: what = self.trouble { ($0.permanent, $0.silent) = (100, 500) }
        case 16: what = self.trouble { ($0.unknown, $0.forgotten, $0.silent) = (50, 50, 500) }
        case 17: what = self.trouble { ($0.broken, $0.queueFull) = (100, 50) }
        case 18:
            what = "slow answers"
            self.kafka.latency = 1...self.number(5...3000)
        case 21...28: what = self.rebalance()
        default:
            what = "healed"
            self.heal()
        }
        self.coverage.hit(what)
        self.tell?("\(self.machine.now / 1_000_000) ms: \(what) \(topic) \(broker)")
    }

    private func trouble(_ change: (inout SimulatedKafka.Chances) -> Void) -> String {
        change(&self.kafka.chances)
        return "batches fail"
    }

    private func setLeader(_ topic: String, _ broker: Int32?) {
        guard let count = self.kafka.topics[topic]?.partitions.count else { return }
        self.kafka.setLeader(of: topic, Int32(self.number(0...count - 1)), to: broker)
    }

    func heal() {
        self.kafka.heal()
        self.kafka.latency = 1...5
        for topic in Self.topics where self.kafka.topics[topic] == nil { self.make(topic) }
    }
}
