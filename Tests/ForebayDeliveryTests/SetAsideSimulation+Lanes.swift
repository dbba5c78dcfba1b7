import ForebayCore
import ForebayKafka

@testable import ForebayDelivery

extension SetAsideSimulation {
    /// A lane's cursor stands at its first event that is not settled, whatever stands still in other lanes.
    func checkLanes(_ way: DeliveryWay) throws {
        let state = self.states[way]!
        var seen: Set<Lane> = []
        for number in state.window.head..<state.window.tail {
            let flight = UInt32(truncatingIfNeeded: number)
            guard state.window[flight].status != .settled else { continue }
            let offset = state.window.offset(of: flight)
            guard seen.insert(offset.lane).inserted else { continue }
            switch offset.lane {
            case .unit(let unit, let pass):
                guard let known = self.shared.units[unit], known.pass == pass, known.settled < offset.number else { continue }
                throw Broken(description: "unit \(unit) is settled up to \(offset.number), and its cursor stands at \(known.settled)")
            default:
                guard self.cursor < offset.number else { continue }
                throw Broken(description: "all is settled up to \(offset.number), and the cursor stands at \(self.cursor)")
            }
        }
    }

    /// Looks at all accounts.
    func look(_ way: DeliveryWay, afterSending: Bool = false) throws {
        let state = self.states[way]!
        var broken = state.brokenAccounts() + self.shared.brokenAccounts(now: self.now)
        if afterSending { broken += state.leftBehind(now: self.now) }
        if let first = broken.first { throw Broken(description: "\(way), at \(self.now): \(first), \(broken.count) in all") }
    }

    /// What a seed that hangs is judged by.
    var stuck: String {
        var lines = ["at \(self.now), cursor \(self.cursor) of \(self.samples.count), admitted \(self.admitted)"]
        for unit in self.shared.units.all {
            lines.append(
                "unit \(unit.number) \(unit.key) \(unit.phase) settled \(unit.settled) of \(unit.end) + \(unit.pending) unreported \(self.shared.unreported.sent(of: unit.number)) read "
                    + "\(unit.read) pass \(unit.pass)")
        }
        for (way, state) in self.states {
            lines.append("\(way): \(state.window.count) flights, \(self.appending[way]!.count) appending")
            lines += state.topics.all.map {
                "\($0.name) \($0.phase) aside \($0.aside.mode) known \($0.producers.knownBy) wanted \($0.producers.wantedBy) waiting \($0.events.waiting.count) of \($0.events.assigned), "
                    + "next count \(String(describing: $0.metadata.nextCount)) limit \($0.limits.isKnown) probe \($0.trouble.needsProbe)"
            }
            lines += state.partitions.all.filter { $0.events.unsettled > 0 }.map {
                "\($0.topic)/\($0.number): unsettled \($0.events.unsettled) queued \($0.events.queued) out \($0.events.outstanding) halted \($0.producer.isHalted) alone "
                    + "\($0.producer.isAlone) stalled \($0.producer.stalledAt) ready \($0.isReady) retries at \($0.retry.retryAt) aside \($0.aside.mode) leaderless \($0.isLeaderless)"
            }
            lines += state.producers.all.map {
                "\($0.phase) out \($0.outstanding) full \($0.isFull) stalled \($0.stalled) wanted \($0.isWanted)"
            }
        }
        return lines.joined(separator: "\n")
    }
}
