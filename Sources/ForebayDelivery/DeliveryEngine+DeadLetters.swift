import ForebayCore
import ForebayKafka
import ForebayTelemetry

/// What brokers refused for good.
extension DeliveryEngine {
    /// So many dead letters at most are written at once, and fewer no more often.
    private static let lettersAtOnce = 64, letterInterval: UInt64 = 100  // ms.

    /// Writes dead letters. Only when they are durable may the cursor pass the events. The first one at once; those that come soon after it
    /// together, for a group takes a block of the disk at least.
    func writeDeadLetters() async {
        var writtenAt: UInt64 = 0
        for await _ in self.current.wakeups.deadLetters.stream {
            while !self.state.actions.deadLetters.isEmpty {
                let passed = self.loop.nowMilliseconds - writtenAt
                if writtenAt > 0, passed < Self.letterInterval, self.state.actions.deadLetters.count < Self.lettersAtOnce {
                    try? await self.surroundings.time.sleep(milliseconds: Int(Self.letterInterval - passed))  // Cancelled: see below.
                    if Task.isCancelled { return }
                }
                let group = self.nextDeadLetters()
                let letters = group.map(self.letter)
                self.state.actions.lettersInWriting = group.count
                do throws(ForebayError) {
                    let numbers = try await self.sideLogs.deadLetters.append(letters)
                    self.state.actions.lettersInWriting = 0
                    self.state.actions.deadLetters.removeFirst(group.count)
                    self.hasRoom(for: .deadLetters)
                    writtenAt = self.loop.nowMilliseconds
                    for (index, pending) in group.enumerated() { self.deadLetterWritten(pending, letters[index], number: numbers[index]) }
                } catch {
                    self.state.actions.lettersInWriting = 0
                    self.reporter.logger.error(
                        "dead letters can't be written; the cursor waits", ["route": self.route, "error": "\(error)"])
                    if self.lettersRefused(error) { self.askAgain() }
                    // Cancelled: the loop above ends.
                    try? await self.surroundings.time.sleep(milliseconds: 1000)
                }
                if Task.isCancelled { return }
                self.turn()
            }
        }
    }

    /// What there is no room for as dead letters need not be any: their topic may have been mended meanwhile.
    private func askAgain() {
        guard self.way == .direct else { return }
        let now = self.loop.nowMilliseconds
        let dead = self.state.actions.deadLetters.map(\.flight)
        self.state.actions.deadLetters = []
        self.exchangeSetAside(now: now)
        let topics = self.state.requeueAtTopics(dead, isAlone: true)
        self.seeChanges()
        for topic in topics { self.state.placeRequeued(topic, now: now) }
    }

    /// What goes into the log together: bounded in bytes, too, for what is refused is mostly large, and a group needs room in one segment.
    private func nextDeadLetters() -> [DeliveryActions.PendingDeadLetter] {
        var bytes = 0
        let group = self.state.actions.deadLetters.prefix(Self.lettersAtOnce).prefix { pending in
            let isFirst = bytes == 0
            bytes += Int(self.state.window[UInt32(truncatingIfNeeded: pending.flight)].bytes)
            return isFirst || bytes <= self.settings.setAsideGroup
        }
        return Array(group)
    }

    private func letter(_ pending: DeliveryActions.PendingDeadLetter) -> DeadLetter {
        let flight = UInt32(truncatingIfNeeded: pending.flight)
        let event = self.state.window.event(of: flight)
        let offset = self.state.window.offset(of: flight)
        let id =
            if event.id.isEmpty, let origin = self.state.window.origin(of: flight) {
                EventID.text(origin: origin, sequence: offset.number)
            } else {
                String(decoding: event.id, as: UTF8.self)
            }
        return DeadLetter(
            topic: String(decoding: event.topic, as: UTF8.self), code: "\(pending.code)", reason: pending.reason, eventID: id,
            offset: offset,
            record: Array(event.record))
    }

    private func deadLetterWritten(_ pending: DeliveryActions.PendingDeadLetter, _ letter: DeadLetter, number: UInt64) {
        self.state.deadLetterWritten(pending.flight)
        if self.way == .aside { self.setAside.arrived([pending.flight], isSettled: true) }
        self.reporter.deadLetterWritten(letter, pending.code, number: number)
    }
}
