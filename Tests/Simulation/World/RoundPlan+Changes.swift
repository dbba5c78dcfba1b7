import ForebayCore
import ForebayTestKit

/// What is done to a plan that is made: troubles over several lives, and what is left out of it.
extension RoundPlan {
    /// A cluster that goes away when some of its topics were set aside, and stays away over restarts in order: a cursor stands, with much
    /// behind it that is settled.
    mutating func standStill() {
        var chance = SplitMix(seed: self.seed ^ 0x57A4D)
        guard self.usesKafka, Int.random(in: 0..<3, using: &chance) == 0 else { return }
        let first = Int.random(in: 0..<self.lives.count - 2, using: &chance)
        let line = self.lives[first].configured.randomElement(using: &chance)!
        let topic = Int.random(in: 0..<3, using: &chance)
        for place in first...first + 1 where self.lives[place].forgetsStopped == nil {
            self.lives[place].death = nil
            self.lives[place].faults = []
            self.lives[place].drains = false
            let from = place == first ? Int.random(in: 50...300, using: &chance) : 0
            for trouble in [
                Trouble(.topicForbidden, line: line, topic: topic, from: 0, length: 1_000_000),
                Trouble(.away, line: line, topic: topic, from: from, length: 1_000_000),
            ] {
                self.lives[place].troubles.append((self.item(), trouble))
            }
        }
    }

    /// A segment is away for a life or two. Nothing else is damaged at rest meanwhile.
    mutating func takeAway() {
        var chance = SplitMix(seed: self.seed ^ 0xABAC)
        guard self.isDamaged, Int.random(in: 0..<5, using: &chance) < 2 else { return }
        let lives = Int.random(in: 1...2, using: &chance)
        let first = Int.random(in: 1..<self.lives.count, using: &chance)
        guard first + lives < self.lives.count else { return }
        for place in first...first + lives { self.lives[place].damage = nil }
        let (number, isNewest) = (chance.next(), Bool.random(using: &chance))
        let absence = Absence(isSetAside: self.usesKafka && chance.next() % 3 == 0, number: number, isNewest: isNewest, lives: lives)
        self.lives[first].absence = (self.item(), absence)
    }

    mutating func leaveOut(_ items: Set<Int>) {
        guard !items.isEmpty else { return }
        self.isWhole = false
        for place in self.lives.indices {
            self.lives[place].requests.removeAll { items.contains($0.item) }
            self.lives[place].faults.removeAll { items.contains($0.item) }
            self.lives[place].troubles.removeAll { items.contains($0.item) }
            if let damage = self.lives[place].damage, items.contains(damage.item) { self.lives[place].damage = nil }
            if let absence = self.lives[place].absence, items.contains(absence.item) { self.lives[place].absence = nil }
            if let death = self.lives[place].death, items.contains(death.item) { self.lives[place].death = nil }
            if let forgetting = self.lives[place].forgetting, items.contains(forgetting.item) { self.lives[place].forgetting = nil }
        }
        for (line, item) in self.mirrors where items.contains(item) {
            self.mirrors[line] = nil
            for place in self.lives.indices where line < self.lives[place].lines.count { self.lives[place].lines[line].isMirrored = false }
        }
        self.lives.removeAll { $0.forgetsStopped.map { items.contains($0.item) } ?? false }
    }
}
