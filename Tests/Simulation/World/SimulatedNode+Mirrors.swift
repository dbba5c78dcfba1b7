import ForebayCore
import ForebaySpool

/// What the model is told of mirrors at a start: which cursors there were, and which there are.
extension SimulatedNode {
    /// Of lines that ever had one.
    private func mirrors(_ spool: Spool) -> [(line: Int, cursor: SpoolCursor?)] {
        let cursors = spool.allCursors.filter { $0.delivery.stage == .mirror }
        return self.plan.mirrors.keys.filter { $0 < self.life.lines.count }.sorted().map { line in
            (line, cursors.first { self.life.lines[line].names.contains($0.delivery.route) })
        }
    }

    /// Once the spool is open, before anything is made or given up.
    func findMirrors(_ spool: Spool) {
        for (line, cursor) in self.mirrors(spool) { self.model.foundMirror(of: line, hasCursor: cursor != nil) }
    }

    /// Once all cursors are there, and those that hold nothing are given up.
    func settleMirrors(_ spool: Spool) {
        for (line, cursor) in self.mirrors(spool) {
            self.model.hasMirror(
                of: line, underName: cursor?.delivery.route, isConfigured: self.life.deliveries.contains(LineDelivery(line, .mirror)),
                at: cursor?.sequence, end: spool.durableEnd, self.life.lines[line])
        }
    }
}
