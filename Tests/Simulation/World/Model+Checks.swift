import ForebayCore

/// What must be true of a place in the log, and at the end.
extension Model {
    /// No cursor is left of what a line was called before.
    func hasNoCursor(line: Int) { self.uncounted[line] = self.events.count }

    /// What is known of a line from a place on.
    struct Place {
        /// Events at or behind it: at least those acknowledged, at most those and the ones whose fate nobody knows.
        var lag: ClosedRange<UInt64>
        /// Acknowledged events below it that have not arrived.
        var undelivered: UInt64
    }

    func place(of delivery: LineDelivery, at sequence: UInt64) -> Place {
        var (least, most, undelivered): (UInt64, UInt64, UInt64) = (0, 0, 0)
        let (line, stage) = (delivery.line, delivery.stage)
        for (number, event) in self.events.enumerated() where event.line == line {
            let isOwed = event[stage].map { !$0.isDelivered && $0.forgetting == .no } ?? false
            switch event.fate {
            case .acknowledged where event.sequence >= sequence:
                most += 1
                // One that was accepted under another name than its mirror has may not be a mirror's.
                let isCounted = stage == .mirror ? event.mirror?.forgetting == .no : number >= self.uncounted[line] ?? 0
                if isCounted { least += 1 }
            case .acknowledged: if isOwed, !self.isNamed(number) { undelivered += 1 }
            // Its sequence is not known.
            case .submitted, .unknown: most += 1
            case .refused: break
            }
        }
        return Place(lag: least...most, undelivered: undelivered)
    }

    /// At the end, with everything healed and every route back.
    func checkAllArrived() {
        self.checkReleased()
        for stage in [DeliveryName.Stage.forward, .mirror] {
            let lost = self.events.indices.filter { place in
                let event = self.events[place]
                guard event.fate == .acknowledged, let copy = event[stage] else { return false }
                return !copy.isDelivered && copy.forgetting == .no && !self.isNamed(place)
            }
            let first = lost.first { !self.losses.mayBeLostAside($0, self.events[$0], of: stage, among: lost, self.events) }
            guard let first else { continue }
            let event = self.events[first]
            self.violate(
                "\(lost.count) acknowledged events never arrived\(stage == .mirror ? " at a mirror" : "")\(self.isDamaged ? ", in silence" : "")"
                    + ", the first is \(first) of line \(event.line), sequence \(event.sequence), id \(event.id ?? "-")"
            )
        }
    }
}
