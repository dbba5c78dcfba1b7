import ForebayCore
import ForebayNet
import ForebayTelemetry
import Synchronization

// From gathered requests to the buffer, and back to their answers.
extension IngestStage {
    /// Hands over what this turn gathered. While the buffer has no room, turns go on gathering into one group, up to the size of a batch.
    func endTurn() {
        self.willFlush = false
        if self.group.isEmpty { return }
        if !self.held.isEmpty && self.group.weight < self.configuration.batch { return }
        let acceptedAt = self.clock()
        guard ClockRule.fault(at: acceptedAt) == nil else { return self.refuseGathered(.clockNotSet) }
        let group = self.group
        self.group = group.next(expecting: group.requests.count)
        let (batches, bases) = self.sink.gathering.finish(acceptedAt: acceptedAt)
        group.close(BatchPlaces(counts: batches.map(\.count), bases: bases))
        self.held.append((Submission(batches: batches, ack: self.token(for: group)), group))
        self.unsettled += 1
        self.metrics.submissions.increment()
        self.offerHeld()
    }

    /// Offers what is held, in order.
    func offerHeld() {
        while let first = self.held.first {
            guard case .accepted = self.port.offer(first.submission) else {
                if self.heldTimer == nil {
                    self.heldTimer = self.loop.timer(after: self.configuration.heldPatience) { [weak self] in
                        self?.assumeIsolated { $0.refuseUnsent(.unavailable) }
                    }
                }
                return
            }
            self.held.removeFirst()
            self.committing(first.group)
        }
        self.heldTimer?.cancel()
        self.heldTimer = nil
        // What was gathered meanwhile.
        if !self.group.isEmpty && !self.willFlush { self.endTurn() }
    }

    /// The buffer has it. A disk that hangs answers nobody, so there is an end to that wait.
    private func committing(_ group: PendingGroup) {
        guard !group.isSettled else { return }
        group.expect(by: self.loop.nowMilliseconds + UInt64(self.configuration.commitPatience))
        self.committing.append(group)
        if self.commitTimer == nil { self.watchCommits(after: self.configuration.commitPatience) }
    }

    private func watchCommits(after milliseconds: Int) {
        self.commitTimer = self.loop.timer(after: milliseconds) { [weak self] in
            self?.assumeIsolated { $0.refuseLate() }
        }
    }

    private func refuseLate() {
        self.commitTimer = nil
        let now = self.loop.nowMilliseconds
        while let first = self.committing.first, first.deadline <= now { self.refuse(first, .outcomeUnknown) }
        if let first = self.committing.first { self.watchCommits(after: Int(first.deadline - now)) }
    }

    /// Nobody waits for the buffer any more.
    func refuseCommitting() {
        self.commitTimer?.cancel()
        self.commitTimer = nil
        while let first = self.committing.first { self.refuse(first, .outcomeUnknown) }
    }

    /// Refuses what never reached the buffer.
    func refuseUnsent(_ code: ProblemCode) {
        self.heldTimer?.cancel()
        self.heldTimer = nil
        let unsent = self.held
        self.held = []
        for (_, group) in unsent { self.refuse(group, code) }
        self.refuseGathered(code)
    }

    private func refuseGathered(_ code: ProblemCode) {
        guard !self.group.isEmpty else { return }
        let group = self.group
        self.group = group.next(expecting: 16)
        _ = self.sink.gathering.finish(acceptedAt: 0)
        self.unsettled += 1
        self.refuse(group, code)
    }

    private func token(for group: PendingGroup) -> AckToken {
        let loop = self.loop
        let waiters = self.waiters
        var onNumbered: (@Sendable ([UInt64]) -> Void)?
        if !group.waits.isEmpty {
            onNumbered = { firstSequences in
                for wait in group.waits {
                    let sequences = wait.positions.map { group.batches.sequence(of: $0, firstSequences) }
                    let ticket = waiters.expect(sequences: sequences) { settlements in
                        loop.execute { self.assumeIsolated { $0.settled(wait, settlements) } }
                    }
                    wait.ticket.withLock { $0 = ticket }
                }
            }
        }
        // The token keeps this stage alive: whoever waits is answered by the stage that took it, also when that was replaced meanwhile.
        return AckToken(onNumbered: onNumbered) { outcome in
            if loop.isOnLoop {
                self.assumeIsolated { $0.settle(group, outcome) }
            } else {
                loop.execute { self.assumeIsolated { $0.settle(group, outcome) } }
            }
        }
    }

    // MARK: Answers

    private func settle(_ group: PendingGroup, _ outcome: AckOutcome) {
        guard !group.isSettled else {
            // Refused as late before its events had numbers: nobody waits for these.
            for wait in group.waits { self.forget(wait) }
            return
        }
        switch outcome {
        case .durable(let receipt):
            group.topics.settled(in: self.sink.topics, end: group.batches.end(receipt.firstSequences))
            self.answer(group, receipt)
        case .refused(let error):
            let code: ProblemCode = error.code == .spoolFull ? .spoolFull : .unavailable
            self.logger.warning("the buffer refused", ["code": code.rawValue, "error": error.description])
            // Too large for what is left, which others fit into: they are taken.
            if code != .spoolFull || self.storage.isFull() {
                self.state.refused(code, now: self.loop.nowMilliseconds)
                self.storage.refused(error.description)
                self.hasRefused = true
            }
            self.refuse(group, code)
        case .unknown: self.refuse(group, .outcomeUnknown)
        }
    }

    private func answer(_ group: PendingGroup, _ receipt: DurableReceipt) {
        self.state.stored()
        if self.hasRefused {
            self.hasRefused = false
            self.storage.stored()
        }
        let now = MonotonicClock.nanoseconds
        var answered: UInt64 = 0
        for request in group.requests {
            if let wait = request.kafka {
                self.durable(wait, .init(request: request, group: group, receipt: receipt))
                continue
            }
            self.answerDurable(request, of: group, receipt)
            self.metrics.duration.observe(Double(now &- request.startedAt) / 1_000_000_000)
            answered += 1
        }
        self.metrics.accepted.increment(by: answered)
        self.metrics.bytes.increment(by: UInt64(group.bodyCount))
        for (target, count) in group.counts.entries { target.count(count, in: self.metrics) }
        self.finish(group)
    }

    func answerDurable(_ request: PendingRequest, of group: PendingGroup, _ receipt: DurableReceipt) {
        group.ids.withUnsafeBytes { ids in
            func id(_ own: Range<Int>, _ position: Gathering.Position) -> AnswerText.ID {
                own.isEmpty ? .derived(receipt.origin, group.batches.sequence(of: position, receipt.firstSequences)) : .own(ids.slice(own))
            }
            let body = self.text.durable(
                count: request.count, first: id(request.firstID, request.first), last: id(request.lastID, request.last))
            self.server.answer(request.id, status: 202, fields: AnswerText.fields, body: body)
        }
    }

    private func refuse(_ group: PendingGroup, _ code: ProblemCode) {
        guard !group.isSettled else { return }
        group.topics.settled(in: self.sink.topics, end: nil)
        for request in group.requests {
            if let wait = request.kafka { self.forget(wait) }
            self.server.answer(request.id, self.refusal(self.busy(code), of: request.id))
            self.metrics.duration.observe(Self.seconds(since: request.startedAt))
        }
        self.finish(group)
    }

    private func finish(_ group: PendingGroup) {
        group.settle()
        // Nearly always the first.
        if let place = self.committing.firstIndex(where: { $0 === group }) { self.committing.remove(at: place) }
        self.unsettled -= 1
        self.perform(self.state.released(group.weight))
        self.metrics.inFlight.set(self.state.inFlight)
        self.tellIfIdle()
    }
}
