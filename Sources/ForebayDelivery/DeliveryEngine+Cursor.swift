import ForebayCore

/// What a stage tells its source: how far all is settled, and what beyond that is.
extension DeliveryEngine {
    func moveCursor() {
        do throws(ForebayError) {
            try self.cursor.commit(&self.state.window)
        } catch {
            self.fail(error)
        }
    }

    /// Lanes that go to somebody else. Apart from the batches: they go also while nothing more is pulled.
    func followLanes() async {
        for await change in self.cursor.source.laneChanges() {
            self.state.close(change, now: self.loop.nowMilliseconds)
            self.turn()
        }
    }

    func keepAhead(isFinal: Bool) {
        self.cursor.keepAhead(self.state.window, settled: self.state.totals.settled, isFinal: isFinal) {
            [self.setAside.witness, self.sideLogs.deadLetters.witness].compactMap { $0 }
        }
    }
}
