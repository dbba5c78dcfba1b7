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
        guard self.kafkaWaits[wait.id] === wait, isExpected, self.state.phase == .open, wait.deadline > now else {
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
        guard self.kafkaWaits[wait.id] === wait else { return }
        guard let settlements else {
            if wait.durable != nil { return self.stopWaiting(wait) }
            return wait.ticket.withLock { $0 = nil }
        }
        wait.settlements = settlements
        if wait.durable != nil { self.answerKafka(wait) }
    }

    /// Gives up waiting: 202, now or as soon as it is durable.
    func stopWaiting(_ wait: KafkaWait) {
        self.forget(wait)
        guard let answer = wait.durable else { return }
        wait.durable = nil
        // Counted first: whoever has the answer finds it in the metrics.
        self.countAnswered(answer, status: 202)
        for (target, count) in wait.targets { target.count(count, in: self.metrics) }
        self.answerDurable(answer.request, of: answer.group, answer.receipt)
        self.tellIfIdle()
    }

    func stopWaitingForKafka() {
        for wait in Array(self.kafkaWaits.values) { self.stopWaiting(wait) }
    }

    func forget(_ wait: KafkaWait) {
        self.kafkaWaits[wait.id] = nil
        wait.timer?.cancel()
        wait.timer = nil
        let ticket = wait.ticket.withLock { ticket in
            defer { ticket = nil }
            return ticket
        }
        if let ticket { self.waiters.forget(ticket) }
    }

    private func answerKafka(_ wait: KafkaWait) {
        guard let answer = wait.durable, let settlements = wait.settlements else { return }
        self.forget(wait)
        wait.durable = nil
        if settlements.contains(where: \.isRefusal) { return self.answerRefused(wait, answer, settlements) }
        self.countAnswered(answer, status: 200)
        for (target, count) in wait.targets {
            self.metrics.events(topic: target.name, durability: "kafka").increment(by: UInt64(count))
        }
        self.server.answer(wait.id, status: 200, fields: AnswerText.fields, body: self.text.kafka(settlements))
        self.tellIfIdle()
    }

    /// The target refused an event for good: told as a failure, whatever became of the others.
    private func answerRefused(_ wait: KafkaWait, _ answer: KafkaWait.DurableAnswer, _ settlements: [Settlement]) {
        self.metrics.duration.observe(Self.seconds(since: answer.request.startedAt))
        self.metrics.rejected(.refusedByKafka)
        // They are stored, and some of them perhaps delivered: what was promised is durability.
        for (target, count) in wait.targets { target.count(count, in: self.metrics) }
        self.server.answer(
            wait.id, status: ProblemCode.refusedByKafka.status, fields: AnswerText.problemFields,
            body: self.text.refusedByKafka(settlements, of: wait.id))
        self.tellIfIdle()
    }

    private func countAnswered(_ answer: KafkaWait.DurableAnswer, status: Int) {
        self.metrics.requests(status).increment()
        self.metrics.duration.observe(Self.seconds(since: answer.request.startedAt))
    }
}
