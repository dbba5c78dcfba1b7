import ForebayTestKit

/// Which lines have a cursor of a mirror, as the model knows it: what is accepted while one has, its mirror gets.
struct Mirrors {
    enum State { case none, held, unknown }

    /// By line. Not known is what a process did that was in the middle of it, or an operator.
    var states: [Int: State] = [:]
    /// Lines whose route has another name by now than the cursor of its mirror, which is not configured: what is accepted under that name
    /// is the mirror's only if it comes back under it.
    var underFormerNames: Set<Int> = []
    /// Lines of which the start that goes on found a cursor.
    var found: Set<Int> = []
    /// Whether an alarm told of cursors that begin at the oldest event, for it is not known where they stood.
    var mayBeginAtOldest = false
    /// Lines that had a mirror at some time.
    var begun: Set<Int> = []

    /// What a new event of a line is to its mirror.
    func copy(of line: Int) -> Model.Copy? {
        switch self.states[line] ?? .none {
        case .none: nil
        case .held: Model.Copy(forgetting: self.underFormerNames.contains(line) ? .begun : .no)
        case .unknown: Model.Copy(forgetting: .begun)
        }
    }
}

/// A start of a node: which cursors of mirrors it finds, makes and gives up.
extension Model {
    /// Before a start changes anything.
    ///
    /// - Parameter hasCursor: of its mirror, under any name.
    func foundMirror(of line: Int, hasCursor: Bool) {
        let before = self.mirrors.states[line] ?? .none
        if !self.isDamaged, before != .unknown, (before == .held) != hasCursor {
            self.violate(
                hasCursor
                    ? "line \(line) has the cursor of a mirror that it never had, or that was given up"
                    : "the cursor of the mirror of line \(line) is gone")
        }
        self.mirrors.states[line] = .unknown
        if hasCursor { self.mirrors.found.insert(line) } else { self.mirrors.found.remove(line) }
    }

    /// Whether a mirror may get an event that was accepted before it began: its place was lost, or where the log ended was, for the newest
    /// segment was away and is back.
    func mayBeUnowed(_ event: Int, of delivery: LineDelivery) -> Bool {
        self.mirrors.mayBeginAtOldest || self.losses.mayBeLate(event, self.events[event], of: delivery)
    }

    /// A start has all cursors. One that is new begins with nothing of what was accepted before; one that is not configured stays as long
    /// as it holds something.
    ///
    /// - Parameters:
    ///   - name: of the cursor's route; none: there is no cursor.
    ///   - sequence: where it stands.
    ///   - end: of the log.
    func hasMirror(
        of line: Int, underName name: String?, isConfigured: Bool, at sequence: UInt64?, end: UInt64, _ known: RoundPlan.Line
    ) {
        self.mirrors.states[line] = name == nil ? Mirrors.State.none : .held
        let wasThere = self.mirrors.found.contains(line)
        let isFormer = !isConfigured && name != nil && name != known.name
        if isFormer { self.mirrors.underFormerNames.insert(line) } else { self.mirrors.underFormerNames.remove(line) }
        switch (isConfigured, wasThere) {
        case (true, false):
            self.coverage.hit(self.mirrors.begun.insert(line).inserted ? "mirror begins" : "mirror begins again at the end")
            self.catchUp?()
            if let sequence, sequence != end, !self.mirrors.mayBeginAtOldest {
                self.violate("the mirror of line \(line) is new and begins at \(sequence), the log ends at \(end)")
            }
        case (true, true): self.coverage.hit("mirror goes on")
        case (false, true):
            if name != nil { self.coverage.hit(isFormer ? "removed mirror stays under a former name" : "removed mirror stays") }
            if name == nil { self.coverage.hit("removed mirror with nothing left is given up") }
        case (false, false): break
        }
    }
}
