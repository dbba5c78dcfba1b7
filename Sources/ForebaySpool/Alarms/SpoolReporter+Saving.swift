import ForebayCore
import ForebayTelemetry
import Synchronization

/// What is known is written as soon as it can be.
extension SpoolReporter {
    var now: UInt64 { self.time.monotonicNanoseconds }

    func save() {
        self.state.withLock { $0.unsaved.add(now: self.now) }
        self.saveDue()
    }

    /// Not being able to is no reason to stop: it was told, and it is tried again. One thread writes; another that comes meanwhile leaves
    /// it to that one, and nobody passes what is not written yet (``mayPass(_:)``).
    func saveDue() {
        while self.state.withLock({ $0.unsaved.isDue }), self.saving.withLockIfAvailable({ _ in self.write() }) != nil {}
    }

    private func write() {
        let (file, known, isClosed) = self.state.withLock { state in
            state.unsaved.begin()
            return (state.file, state.known, state.isClosed)
        }
        guard !isClosed else { return }
        do throws(ForebayError) {
            try file?.write(known)
            self.state.withLock { $0.unsaved.wrote() }
        } catch {
            guard self.state.withLock({ $0.unsaved.failed(error) }) else { return }
            self.logger.warning(
                "an alarm could not be written to disk; until it can be, only this process knows it",
                ["folder": self.directory, "error": error.description])
        }
    }

    /// Another process may have the folder from now on: what is noticed yet, by one who reads, is for that one to notice again. Waits for
    /// one who writes.
    func close() {
        self.saving.withLock { _ in self.state.withLock { $0.isClosed = true } }
    }

    /// Whether all that was told of is durable.
    var isSaved: Bool { self.state.withLock { $0.unsaved.isEmpty } }

    /// See ``UnsavedAlarms``.
    func mayPass(_ sequence: UInt64) -> Bool { self.state.withLock { $0.unsaved.isEmpty || $0.unsaved.mayPass(sequence, now: self.now) } }

    func mayPass(unit: UInt64) -> Bool { self.state.withLock { $0.unsaved.isEmpty || $0.unsaved.mayPass(unit: unit, now: self.now) } }

    /// Tries to write what could not be written.
    ///
    /// - Returns: whether nothing is left to be written.
    func saveAgain() -> Bool {
        if self.isSaved { return true }
        self.save()
        return self.isSaved
    }

    /// Before a start does what hides from the next one what it has told of.
    func requireSaved() throws(ForebayError) {
        guard !self.saveAgain(), let failure = self.state.withLock({ $0.unsaved.lastFailure }) else { return }
        throw failure
    }
}
