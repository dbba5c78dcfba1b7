import ForebayCore
import ForebayTestKit

/// Mirrors of a round: which lines have one in which lives, and what is wrong with the cluster that they deliver to.
extension RoundPlan {
    /// A side log of each takes its room from the reserve.
    private static let mostMirrors = 3

    mutating func makeMirrors() {
        var chance = SplitMix(seed: self.seed ^ 0x3144)
        var mirrored: Set<Int> = []
        for place in self.lives.indices {
            let lines = self.lives[place].lines.count
            // Some are there from the beginning, others come, go and come back between any two starts.
            let changes = place == 0 ? Int.random(in: 1...2, using: &chance) : [0, 0, 1, 1, 2].randomElement(using: &chance)!
            for _ in 0..<changes {
                let line = Int.random(in: 0..<lines, using: &chance)
                if mirrored.remove(line) != nil {
                    self.removeMirror(line, place, &chance)
                    continue
                }
                guard self.mirrors[line] != nil || self.mirrors.count < Self.mostMirrors else { continue }
                if self.mirrors[line] == nil { self.mirrors[line] = self.item() }
                mirrored.insert(line)
            }
            // The last life puts all of them back.
            if place == self.lives.count - 1 { mirrored = Set(self.mirrors.keys) }
            for line in mirrored { self.lives[place].lines[line].isMirrored = true }
            self.addTroubles(place, mirrored.sorted(), &chance)
        }
        if self.usesKafka, Bool.random(using: &chance) {
            for line in self.mirrors.keys.sorted() where Bool.random(using: &chance) {
                self.lateBackupTopics[line] = Int.random(in: 0..<3, using: &chance)
            }
        }
        self.leaveAlone(&chance)
    }

    /// Half of those that are removed hold something, and some of these are given up.
    private mutating func removeMirror(_ line: Int, _ place: Int, _ chance: inout SplitMix) {
        guard place > 0, Bool.random(using: &chance) else { return }
        let topic = Int.random(in: 0..<3, using: &chance)
        let kind: Trouble.Kind = self.usesKafka && Bool.random(using: &chance) ? .topicForbidden : .away
        let trouble = Trouble(kind, line: line, topic: topic, from: Int.random(in: 0..<300, using: &chance), length: 1_000_000)
        self.lives[place - 1].troubles.append((self.item(), trouble.atBackup(line)))
        guard Int.random(in: 0..<3, using: &chance) == 0, self.lives[place].forgetsStopped == nil else { return }
        self.lives[place].forgetting = (
            self.item(), Forgetting(place: Int.random(in: 0..<8, using: &chance), after: Int.random(in: 0..<400, using: &chance))
        )
    }

    private mutating func addTroubles(_ place: Int, _ mirrored: [Int], _ chance: inout SplitMix) {
        guard place < self.lives.count - 1, self.lives[place].forgetsStopped == nil, !mirrored.isEmpty else { return }
        for _ in 0..<[0, 1, 1, 2].randomElement(using: &chance)! {
            let any = Trouble(
                lines: mirrored.count, usesKafka: self.usesKafka, deletes: self.backupRefusedRest == nil, &chance)
            self.lives[place].troubles.append((self.item(), any.atBackup(mirrored[any.line])))
        }
    }

    /// The backup cluster takes nothing in a life in which nothing else is wrong: no forward waits for it.
    private mutating func leaveAlone(_ chance: inout SplitMix) {
        let places = self.lives.indices.dropLast().filter { place in
            self.lives[place].forgetsStopped == nil && self.lives[place].lines.contains(where: \.isMirrored)
        }
        guard self.lateTopics.isEmpty, Bool.random(using: &chance), let place = places.randomElement(using: &chance) else { return }
        self.lives[place].isBackupDead = true
        self.lives[place].drains = true
        self.lives[place].faults = []
        self.lives[place].death = nil
        let isFrozen = self.usesKafka && Bool.random(using: &chance)
        let line = self.mirrors.keys.min() ?? 0
        self.lives[place].troubles =
            isFrozen
            ? (0..<3).map { (self.item(), Trouble(.frozenBroker, line: line, partition: $0, from: 0, length: 1_000_000).atBackup(line)) }
            : [(self.item(), Trouble(.away, line: line, from: 0, length: 1_000_000).atBackup(line))]
    }
}
