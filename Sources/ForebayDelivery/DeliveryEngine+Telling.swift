import ForebayCore
import ForebayKafka
import ForebayTelemetry

/// What an engine tells its reporter, and what it makes of what it hears of its target.
extension DeliveryEngine {
    // MARK: Room

    /// A group could not be appended to the set-aside log, and is the next one again.
    ///
    /// - Returns: whether the cluster is to be asked once more about what has to wait.
    func refused(_ group: [SetAsideQueue.Part], _ error: ForebayError) -> Bool {
        defer { self.reporter.show(self.sideLogs.rooms.all) }
        return self.sideLogs.refused(group, error, now: self.loop.nowMilliseconds, wall: self.surroundings.time.wallMilliseconds)
    }

    /// Dead letters could not be written.
    ///
    /// - Returns: as ``refused(_:_:)``.
    func lettersRefused(_ error: ForebayError) -> Bool {
        defer { self.reporter.show(self.sideLogs.rooms.all) }
        return self.sideLogs.refusedLetters(error, now: self.loop.nowMilliseconds, wall: self.surroundings.time.wallMilliseconds)
    }

    /// A log took something.
    func hasRoom(for log: RoomWant.Log) {
        self.sideLogs.stored(log)
        self.reporter.show(self.sideLogs.rooms.all)
    }

    // MARK: Counts and notes

    func count() {
        self.reporter.count(&self.state, memory: self.memory.bytes, settingAside: self.sideLogs.queue.count) {
            self.surroundings.time.wallMilliseconds
        }
    }

    func tellNotes() {
        self.reporter.tell(self.state.actions.notes, refusedTimes: self.state.refusedTimes.topics)
        self.state.actions.notes = []
    }

    // MARK: The target

    /// The cluster answered, or took an event.
    func targetAnswered() {
        let now = self.loop.nowMilliseconds
        self.state.clusterAnswered(now: now)
        let away = self.target.answered(now: now, wall: self.surroundings.time.wallMilliseconds)
        guard self.way == .direct else { return }
        self.reporter.show(self.target.health)
        guard let away else { return }
        self.reporter.logger.info("the cluster answers again", ["route": self.route, "seconds": "\(away / 1000)"])
    }

    /// The cluster was asked and did not answer.
    func targetFailed(_ failure: KafkaFailure) {
        self.state.clusterFailed()
        self.target.failed(failure, at: self.surroundings.time.wallMilliseconds)
        self.tellHealth()
    }

    /// The client met a failure that it goes on trying.
    func clientFailed(_ failure: KafkaFailure) {
        if failure.code == .allBrokersDown { self.state.clusterFailed() }
        guard
            self.target.clientFailed(failure, now: self.loop.nowMilliseconds, wall: self.surroundings.time.wallMilliseconds)
        else { return }
        self.tellHealth()
        self.current.wakeups.wanted[ProducerSlot.main.rawValue].notify()
    }

    /// Tells what is new of the target's trouble. For both stages of the route the direct one does.
    func tellHealth() {
        guard self.way == .direct else { return }
        self.reporter.show(self.target.health)
        if let trouble = self.target.takeNews() { self.reporter.tell(trouble) }
    }
}
