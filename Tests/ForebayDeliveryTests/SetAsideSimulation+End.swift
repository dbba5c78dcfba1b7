@testable import ForebayDelivery

extension SetAsideSimulation {
    func checkTheEnd() throws {
        let poison = self.cluster.poison.filter { $0 < self.samples.count }
        // What an operator removed need not have been tried.
        guard self.deadLetters.isSubset(of: poison), poison.subtracting(self.deadLetters).isSubset(of: self.hand.everRemoved) else {
            throw Broken(description: "dead: \(self.deadLetters.sorted()), poison: \(self.cluster.poison.sorted())")
        }
        let settled = self.cluster.stored.union(self.deadLetters).union(self.hand.removed)
        if let lost = self.samples.indices.first(where: { !settled.contains($0) }) {
            throw Broken(description: "\(lost) is lost")
        }
        var last: [String: Int] = [:], seen: Set<Int> = []
        for message in self.cluster.log where seen.insert(message.event).inserted {
            // What was removed, or moved elsewhere, and comes again from the spool has no place any more among those of its topic; nor has
            // what was moved away and back.
            let isAtHome = message.topic == self.samples[message.event].topic
            if self.hand.movedAgain.contains(message.event) { continue }
            if self.hand.everRemoved.contains(message.event) || isAtHome && self.hand.everMoved.contains(message.event) { continue }
            let sample = self.samples[message.event]
            guard let key = sample.key.map({ "\(message.topic) \(sample.topic) \($0)" }) else { continue }
            if let before = last[key], before > message.event {
                throw Broken(description: "\(message.event) of \(key) came first after \(before)")
            }
            last[key] = message.event
        }
        for (way, state) in self.states {
            guard state.window.queuedBytes == 0, state.producers.all.allSatisfy({ $0.outstanding == 0 }), state.settledOutstanding.isEmpty,
                state.settledOutstanding.batches.isEmpty
            else {
                throw Broken(
                    description:
                        "accounts of \(way) do not balance: \(state.window.queuedBytes) B queued, \(state.producers.all.map(\.outstanding)) "
                        + "outstanding, \(state.settledOutstanding.tokens.count) held")
            }
        }
    }
}
