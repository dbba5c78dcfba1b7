import ForebayCore

@testable import ForebayForward

extension SetAsideSimulation {
    /// A lane's cursor stands at its first event that is not settled, whatever stands still in other lanes.
    func checkLanes(_ role: ForwardRole) throws {
        let state = self.states[role]!
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
    func look(_ role: ForwardRole, afterSending: Bool = false) throws {
        let state = self.states[role]!
        var broken = state.brokenAccounts() + self.shared.brokenAccounts(now: self.now)
        if afterSending { broken += state.leftBehind(now: self.now) }
        if let first = broken.first { throw Broken(description: "\(role), at \(self.now): \(first), \(broken.count) in all") }
    }
}
