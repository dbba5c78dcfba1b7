import ForebayTestKit

extension Round {
    /// What becomes of mirrors between two starts.
    func countMirrors(_ life: RoundPlan.Life, after before: RoundPlan.Life, _ model: Model) {
        let (old, new) = (before.mirrored, life.mirrored)
        for line in new.subtracting(old) {
            model.coverage.hit(before.configured.contains(line) ? "mirror comes to a route" : "mirror comes with its route")
        }
        for line in old.subtracting(new) {
            model.coverage.hit(life.configured.contains(line) ? "mirror is taken from a route" : "mirror goes with its route")
        }
        if old.intersection(new).contains(where: { before.lines[$0].name != life.lines[$0].name }) {
            model.coverage.hit("mirror is renamed with its route")
        }
    }
}

extension RoundPlan.Life {
    /// Lines that have a mirror as they are configured.
    var mirrored: Set<Int> { Set(self.configured.filter { self.lines[$0].isMirrored }) }
}
