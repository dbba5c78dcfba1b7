import ForebayCore
import ForebayKafka

@testable import ForebayDelivery

extension SetAsideSimulation {
    /// A lane's cursor stands at its first event that is not settled, whatever stands still in other lanes.
    func checkLanes(_ way: DeliveryWay) throws {
        let state = self.states[way]!
        var seen: Set<Lane> = []
        for number in state.flights.head..<state.flights.tail {
            let flight = UInt32(truncatingIfNeeded: number)
            guard state.flights[flight].status != .settled else { continue }
            let offset = state.offset(of: flight)
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
        for unit in self.shared.units.values {
            lines.append(
                "unit \(unit.number) \(unit.key) \(unit.phase) settled \(unit.settled) of \(unit.end) + \(unit.pending) held \(unit.held) read "
                    + "\(unit.read) pass \(unit.pass)")
        }
        for (way, state) in self.states {
            lines.append("\(way): \(state.flights.count) flights, \(self.parting[way]!.count) parting")
            lines += state.topics.map {
                "\($0.name) \($0.phase) aside \($0.aside) known \($0.knownBy) wanted \($0.wantedBy) waiting \($0.waiting.count) of \($0.assigned), "
                    + "next count \(String(describing: $0.nextCount)) limit \($0.limitIsKnown) probe \($0.needsProbe)"
            }
            lines += state.partitions.filter { $0.unsettled > 0 }.map {
                "\($0.topic)/\($0.number): unsettled \($0.unsettled) queued \($0.queued) out \($0.outstanding) halted \($0.isHalted) alone "
                    + "\($0.isAlone) stalled \($0.stalledAt) ready \($0.isReady) rests \($0.restsUntil) aside \($0.aside) leaderless \($0.isLeaderless)"
            }
            lines += state.slots.map { "\($0.phase) out \($0.outstanding) full \($0.isFull) stalled \($0.stalled) wanted \($0.isWanted)" }
        }
        return lines.joined(separator: "\n")
    }
}
