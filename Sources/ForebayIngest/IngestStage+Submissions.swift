import ForebayCore
import ForebayNet
import ForebayTelemetry
import Synchronization

// From gathered requests to the buffer, and back to their answers.
extension IngestStage {
    /// Hands over what this turn gathered. While the buffer has no room, turns go on gathering into one group, up to the size of a batch.
    func endTurn() {
        self.open.turnEnded()
        if self.open.isEmpty { return }
        if self.submitted.isHolding && self.open.weight < self.configuration.batch { return }
        guard let (group, batches) = self.open.close() else { return self.refuseGathered(.clockNotSet) }
        self.submitted.submit(Submission(batches: batches, ack: self.token(for: group)), of: group)
        self.offerHeld()
    }

    /// Offers what is held, in order.
    func offerHeld() {
        while self.submitted.isHolding {
            guard let first = self.submitted.offer() else {
                if !self.submitted.isWaitingForRoom {
                    self.submitted.waitForRoom(
                        self.loop.timer(after: self.configuration.heldPatience) { [weak self] in
                            self?.assumeIsolated { $0.refuseUnsent(.unavailable) }
                        })
                }
                return
            }
            let patience = self.configuration.commitPatience
            if self.submitted.commit(first.group, by: self.loop.nowMilliseconds + UInt64(patience)) { self.watchCommits(after: patience) }
        }
        self.submitted.stopWaitingForRoom()
        // What was gathered meanwhile.
        if self.open.isLeftOver { self.endTurn() }
    }

    private func watchCommits(after milliseconds: Int) {
        self.submitted.watch(
            self.loop.timer(after: milliseconds) { [weak self] in
                self?.assumeIsolated { $0.refuseLate() }
            })
    }

    private func refuseLate() {
        self.submitted.timerFired()
        let now = self.loop.nowMilliseconds
        while let first = self.submitted.late(at: now) { self.refuse(first, .outcomeUnknown) }
        if let deadline = self.submitted.deadline { self.watchCommits(after: Int(deadline - now)) }
    }

    /// Nobody waits for the buffer any more.
    func refuseCommitting() {
        self.submitted.stopWatching()
        while let first = self.submitted.late(at: .max) { self.refuse(first, .outcomeUnknown) }
    }

    /// Refuses what never reached the buffer.
    func refuseUnsent(_ code: ProblemCode) {
        let unsent = self.submitted.takeHeld()
        for (_, group) in unsent { self.refuse(group, code) }
        self.refuseGathered(code)
    }

    private func refuseGathered(_ code: ProblemCode) {
        guard !self.open.isEmpty else { return }
        self.submitted.skip()
        self.refuse(self.open.discard(), code)
    }

    private func token(for group: PendingGroup) -> AckToken {
        let loop = self.loop
        let waiters = self.waits.waiters
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
            for wait in group.waits { self.waits.forget(wait) }
            return
        }
        switch outcome {
        case .durable(let receipt):
            self.submitted.settleTopics(of: group, receipt.firstSequences)
            self.answer(group, receipt)
        case .refused(let error):
            let (code, isForAll) = self.storage.refused(error)
            if isForAll { self.state.refused(code, now: self.loop.nowMilliseconds) }
            self.refuse(group, code)
        case .unknown: self.refuse(group, .outcomeUnknown)
        }
    }

    private func answer(_ group: PendingGroup, _ receipt: DurableReceipt) {
        self.state.stored()
        self.storage.stored()
        let now = MonotonicClock.nanoseconds
        var answered: UInt64 = 0
        for request in group.requests {
            if let wait = request.kafka {
                self.durable(wait, .init(request: request, group: group, receipt: receipt))
                continue
            }
            self.answers.durable(request, of: group, receipt, at: now)
            answered += 1
        }
        self.answers.count(group, requests: answered)
        self.finish(group)
    }

    private func refuse(_ group: PendingGroup, _ code: ProblemCode) {
        guard !group.isSettled else { return }
        self.submitted.settleTopics(of: group, nil)
        for request in group.requests {
            if let wait = request.kafka { self.waits.forget(wait) }
            self.answers.refuse(request, self.busy(code))
        }
        self.finish(group)
    }

    private func finish(_ group: PendingGroup) {
        self.submitted.settle(group)
        self.released(group.weight)
        self.tellIfIdle()
    }
}
