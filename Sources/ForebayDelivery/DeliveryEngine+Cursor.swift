import ForebayCore

/// What a stage tells its source: how far all is settled, and what beyond that is.
extension DeliveryEngine {
    func moveCursor() {
        if self.source.keepsAhead { self.source.settled(ahead: self.state.window.settledAheadCount) }
        do throws(ForebayError) {
            try self.state.window.commit { end throws(ForebayError) in try self.source.commit(through: end) }
            for lane in self.state.window.takeGivenBack() { self.source.released(lane) }
        } catch {
            self.fail(error)
        }
    }

    /// Lanes that go to somebody else. Apart from the batches: they go also while nothing more is pulled.
    func followLanes() async {
        for await change in self.source.laneChanges() {
            self.state.close(change, now: self.loop.nowMilliseconds)
            self.turn()
        }
    }

    /// Has the source remember what is settled beyond its cursor: where that stands still, and when the run is over. Else each restart
    /// would deliver and set aside the same events once more, for as long as an older one waits.
    func keepAhead(isFinal: Bool) {
        guard self.source.keepsAhead else { return }
        let (head, settled) = (self.state.window.head, self.state.totals.settled)
        defer { self.aheadSeen = head }
        guard isFinal || head == self.aheadSeen && settled != self.aheadKept else { return }
        self.aheadKept = settled
        var ahead = self.state.window.settledAhead
        ahead.witnesses = [self.setAside.witness, self.deadLetters.witness].compactMap { $0 }
        self.source.keep(ahead, isFinal: isFinal)
    }
}
