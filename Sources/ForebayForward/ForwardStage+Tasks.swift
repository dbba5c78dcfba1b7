import ForebayCore
import ForebayKafka
import ForebayTelemetry

/// What waits for answers, each in a task of its own, so that deliveries go on meanwhile.
extension ForwardStage {
    /// Learns partitions and leaders of the topics that a producer is to send to.
    ///
    /// Short of patience at first: librdkafka asks any broker, and the one that does not answer may be the very reason for asking.
    func askForMetadata(_ slot: ProducerSlot) async {
        var patience = self.configuration.metadataPatience
        for await _ in self.wanted[slot.rawValue].stream {
            while self.state[slot].wantsMetadata, let producer = self.producers[slot.rawValue]?.producer, self.state[slot].isOpen {
                let asked = self.state.takeWanted(by: slot).map { (index: $0, name: self.state.topics[$0].name) }
                guard !asked.isEmpty else { break }
                for topic in asked { _ = self.openTopic(topic.index, slot) }
                let alone = asked.count == 1 ? self.openTopic(asked[0].index, slot) : nil
                do throws(KafkaFailure) {
                    let answer = try await producer.metadata(of: alone, timeout: Int32(patience))
                    patience = self.configuration.metadataPatience
                    self.learn(answer, asked, slot, from: producer)
                } catch {
                    patience = min(patience * 2, 10_000)
                    self.notLearned(asked, slot, error)
                    // Cancelled: the loop above ends.
                    try? await self.surroundings.time.sleep(milliseconds: self.configuration.metadataRetry)
                }
                if Task.isCancelled { return }
                self.turn()
            }
        }
    }

    private func learn(
        _ answer: KafkaMetadata, _ asked: [(index: Int, name: String)], _ slot: ProducerSlot, from producer: any KafkaProducing
    ) {
        if self.role == .direct { self.setTargetUp(true) }
        guard self.producers[slot.rawValue]?.producer === producer else { return }  // Its successor asks for itself.
        let now = self.loop.nowMilliseconds
        let topics = Dictionary(answer.topics.map { ($0.name, $0) }) { first, _ in first }
        var missing: [Int] = []
        for (index, name) in asked where self.state.topics[index].name == name && self.state.names.holds(index) {
            if let topic = topics[name] {
                self.state.learned(topic, index, from: slot, now: now)
            } else {
                missing.append(index)
            }
        }
        self.state.notLearned(missing, from: slot)
    }

    private func notLearned(_ asked: [(index: Int, name: String)], _ slot: ProducerSlot, _ failure: KafkaFailure) {
        guard self.producers[slot.rawValue] != nil else { return }  // Closed while it asked: nothing is wrong with the cluster.
        self.state.notLearned(asked.filter { self.state.topics[$0.index].name == $0.name }.map(\.index), from: slot)
        guard slot == .main, self.role == .direct else { return }
        self.setTargetUp(false)
        self.logger.warning(
            "the cluster does not answer; events wait",
            [
                "route": self.route, "code": "\(failure.code)", "reason": failure.reason,
                "advice": self.advice.text(for: failure, topic: nil) ?? "",
            ])
    }

    /// Learns how large a batch each topic takes. A cluster that fails to tell twice (the embedded one never does) is sent to all the same:
    /// a batch that turns out to be too large makes us ask again.
    func askForLimits() async {
        var failures: [String: Int] = [:]
        for await _ in self.limitsWanted.stream {
            while self.state.limitsWanted, let producer = self.producers[ProducerSlot.main.rawValue]?.producer {
                let asked = self.state.takeLimitsWanted().map { (index: $0, name: self.state.topics[$0].name) }
                guard !asked.isEmpty else { break }
                let impatience = Task(executorPreference: self.surroundings.tasks) { await self.goOnWithoutLimits(of: asked) }
                let answers = await producer.limits(of: asked.map(\.name))
                impatience.cancel()
                var later = false
                for (index, name) in asked where self.state.topics[index].name == name {
                    guard let answer = answers.first(where: { $0.topic == name }) else { continue }
                    failures[name, default: 0] += answer.mayBeToldLater ? 1 : 0
                    if answer.mayBeToldLater, failures[name] == 1 {
                        later = true
                    } else {
                        failures[name] = nil
                        self.state.learnedLimit(answer.bytes, index, now: self.loop.nowMilliseconds)
                    }
                }
                if later {
                    // Cancelled: the loop above ends.
                    try? await self.surroundings.time.sleep(milliseconds: self.configuration.metadataRetry)
                    self.state.limitsWanted = true
                }
                if Task.isCancelled { return }
                self.turn()
            }
        }
    }

    /// A limit that is slow to come (the embedded cluster never tells) must not hold events up; when it comes it still counts.
    private func goOnWithoutLimits(of asked: [(index: Int, name: String)]) async {
        do { try await self.surroundings.time.sleep(milliseconds: self.configuration.limitPatience) } catch { return }
        for (index, name) in asked where self.state.topics[index].name == name && !self.state.topics[index].limitIsKnown {
            self.state.learnedLimit(nil, index, now: self.loop.nowMilliseconds)
        }
        self.turn()
    }

    /// Asks for all topics anew every few minutes.
    func refresh() async {
        while true {
            do { try await self.surroundings.time.sleep(milliseconds: self.configuration.metadataInterval) } catch { return }
            self.state.wantAll()
            if self.state.isUnused(.single) { self.state.drain(.single) }
            if self.state.isUnused(.small) { self.state.drain(.small) }
            self.turn()
        }
    }

    /// Writes dead letters. Only when they are durable may the cursor pass the events.
    func buryTheDead() async {
        for await _ in self.deaths.stream {
            while !self.state.deaths.isEmpty {
                let deaths = Array(self.state.deaths.prefix(64))
                let letters = deaths.map(self.letter)
                do throws(ForebayError) {
                    let numbers = try await self.deadLetters.append(letters)
                    self.state.deaths.removeFirst(deaths.count)
                    for (index, death) in deaths.enumerated() { self.buried(death, letters[index], number: numbers[index]) }
                } catch {
                    self.logger.error("dead letters can't be written; the cursor waits", ["route": self.route, "error": "\(error)"])
                    // Cancelled: the loop above ends.
                    try? await self.surroundings.time.sleep(milliseconds: 1000)
                }
                if Task.isCancelled { return }
                self.turn()
            }
        }
    }

    private func letter(_ death: ForwardState.Death) -> DeadLetter {
        let flight = UInt32(truncatingIfNeeded: death.flight)
        let event = self.state.event(of: flight)
        let offset = self.state.offset(of: flight)
        let id =
            if case .spool(let spool) = offset.lane, event.id.isEmpty { EventID.text(spool: spool, sequence: offset.number) } else {
                String(decoding: event.id, as: UTF8.self)
            }
        return DeadLetter(
            topic: String(decoding: event.topic, as: UTF8.self), code: "\(death.code)", reason: death.reason, eventID: id, offset: offset,
            record: Array(event.record))
    }

    private func buried(_ death: ForwardState.Death, _ letter: DeadLetter, number: UInt64) {
        self.state.buried(death.flight)
        self.metrics.deadTotal.increment()
        self.waiters.settled(letter.offset.number, .dead(code: letter.code, letter: number))
        let advice = self.advice.text(for: KafkaFailure(death.code), topic: letter.topic) ?? ""
        self.logger.warning(
            "event refused for good, it is in the dead letters",
            [
                "route": self.route, "topic": letter.topic, "id": letter.eventID, "code": letter.code, "reason": letter.reason,
                "advice": advice,
            ])
    }
}
