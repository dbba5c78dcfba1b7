import ForebayCore
import ForebayNet
import ForebayTelemetry
import Synchronization

// Requests that wait until the target cluster has settled their events. See ``KafkaWait`` for their states.
extension IngestStage {
    /// The request's events are durable: from now on it has an answer, and may wait for a better one.
    func durable(_ wait: KafkaWait, _ answer: KafkaWait.DurableAnswer) {
        wait.durable = answer
        if wait.settlements != nil { return self.answerKafka(wait) }
        let now = self.loop.nowMilliseconds
        let isExpected = wait.ticket.withLock { $0 != nil }
        guard self.waits.holds(wait), isExpected, self.state.phase == .open, wait.deadline > now else {
            return self.stopWaiting(wait)
        }
        wait.timer = self.loop.timer(after: Int(wait.deadline - now)) { [weak self] in
            self?.assumeIsolated { $0.stopWaiting(wait) }
        }
    }

    /// All its events are settled, perhaps before the word came that they are durable.
    ///
    /// - Parameter settlements: none: one is set aside, so there is nothing to wait for.
    func settled(_ wait: KafkaWait, _ settlements: [Settlement]?) {
        guard self.waits.holds(wait) else { return }
        guard let settlements else {
            if wait.durable != nil { return self.stopWaiting(wait) }
            return wait.ticket.withLock { $0 = nil }
        }
        wait.settlements = settlements
        if wait.durable != nil { self.answerKafka(wait) }
    }

    /// Gives up waiting: 202, now or as soon as it is durable.
    func stopWaiting(_ wait: KafkaWait) {
        self.waits.forget(wait)
        guard let answer = wait.durable else { return }
        wait.durable = nil
        self.answers.durable(wait, answer)
        self.tellIfIdle()
    }

    func stopWaitingForKafka() {
        for wait in self.waits.all { self.stopWaiting(wait) }
    }

    private func answerKafka(_ wait: KafkaWait) {
        guard let answer = wait.durable, let settlements = wait.settlements else { return }
        self.waits.forget(wait)
        wait.durable = nil
        self.answers.settled(wait, since: answer.request.startedAt, settlements)
        self.tellIfIdle()
    }
}
