import ForebayCore

/// For a set-aside log: its units.
extension Spool {
    /// Brings the units and the segments together. From then on a segment stays as long as one of the units needs it; what nobody needs
    /// is removed, on this thread.
    func openUnits() throws(ForebayError) -> UnitTable {
        let recovery = SetAsideRecovery(configuration: self.configuration, log: self.id, view: self.view, reporter: self.reporter)
        let units = try self.withReserve { () throws(ForebayError) in try recovery.run() }
        self.budget.found(units.takeGrowth())
        self.keep(for: units)
        return units
    }

    private func keep(for units: UnitTable) {
        self.view.change { $0.retention = .units(units) }
        let (keeper, tasks) = (self.keeper, self.configuration.surroundings.tasks)
        let (budget, reporter) = (self.budget, self.reporter)
        units.whenMoved(
            { [weak keeper] in Task(preferring: tasks) { await keeper?.cursorMoved() } }, makeRoom: { budget.giveUpBallast() },
            mayPass: { reporter.mayPass(unit: $0) })
        let isDone = self.keeper.sweeper.sweep(units)
        guard !isDone || self.isWorthLeaving(units) else { return }
        Task(preferring: tasks) { await keeper.tryAgain() }
    }

    private func isWorthLeaving(_ units: UnitTable) -> Bool {
        self.view.read { $0.segments.last }.map { units.leaving($0, segmentSize: self.configuration.segmentSize) == .whole } ?? false
    }
}
