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
            var listed: Set<String> = []
            while let producer = self.producers[slot.rawValue]?.producer, self.state[slot].isOpen {
                if slot == .main { listed = await self.sift(producer, patience, listed) }
                let asked = self.state.takeWanted(by: slot).map { (index: $0, name: self.state.topics[$0].name) }
                guard !asked.isEmpty || slot == .main && self.wantsAnswer else { break }
                guard await self.open(asked, slot, of: producer) else { continue }  // Its successor asks for all of them.
                var rest = asked[...]
                do throws(KafkaFailure) {
                    if asked.isEmpty { try await self.askForAnswer(producer, patience) }
                    while !rest.isEmpty {
                        // A question is for one topic, or for all that the client has: which may be far more than are asked for.
                        let opened = self.producers[slot.rawValue]?.opened.count ?? 0
                        let some = rest.count == 1 || rest.count * Self.costOfAsking < opened ? rest.prefix(1) : rest
                        let alone = some.count == 1 ? self.openTopic(some[some.startIndex].index, slot) : nil
                        self.learn(try await producer.metadata(of: alone, timeout: Int32(patience)), some, slot, from: producer)
                        rest = rest.dropFirst(some.count)
                        if !rest.isEmpty { self.turn() }
                    }
                    patience = self.configuration.metadataPatience
                } catch {
                    guard self.producers[slot.rawValue]?.producer === producer else { continue }  // Closed while it asked.
                    patience = min(patience * 2, 10_000)
                    self.notLearned(rest, slot, error)
                    // Cancelled: the loop above ends.
                    try? await self.surroundings.time.sleep(milliseconds: self.configuration.metadataRetry)
                }
                if Task.isCancelled { return }
                self.turn()
            }
        }
    }

    /// Of many new topics, those that the cluster does not have are not asked for by name.
    ///
    /// - Parameter listed: topics that the cluster had a while ago. New ones are asked for in portions, and a listing may be long: where it
    ///   has them all, it is not asked for again.
    /// - Returns: topics that the cluster has.
    private func sift(_ producer: any KafkaProducing, _ patience: Int, _ listed: Set<String>) async -> Set<String> {
        let new = self.state.manyNew().map { (index: $0, name: self.state.topics[$0].name) }
        // Without an answer: the question that follows tells why.
        guard !new.allSatisfy({ listed.contains($0.name) }), let answer = try? await producer.metadataOfAllTopics(timeout: Int32(patience))
        else { return listed }
        self.targetAnswered()
        let listed = Set(answer.topics.map(\.name)), now = self.loop.nowMilliseconds
        for (index, name) in new where self.state.topics[index].name == name && self.state.names.holds(index) && !listed.contains(name) {
            self.state.notListed(index, now: now)
        }
        self.turn()
        return listed
    }

    /// Asks whether the cluster is there, by the name of a topic that it knows: no topic comes to be by that.
    private func askForAnswer(_ producer: any KafkaProducing, _ patience: Int) async throws(KafkaFailure) {
        let known = self.state.topics.indices.first { self.state.names.holds($0) && self.state.topics[$0].isKnown(by: .main) }
        _ = try await producer.metadata(of: known.flatMap { self.openTopic($0, .main) }, timeout: Int32(patience))
        self.targetAnswered()
    }

    /// Opens topics, some each turn: librdkafka looks through all that it has for each of them.
    ///
    /// - Returns: false if the producer was closed meanwhile.
    private func open(_ asked: [(index: Int, name: String)], _ slot: ProducerSlot, of producer: any KafkaProducing) async -> Bool {
        var began = self.surroundings.time.monotonicNanoseconds
        for (index, name) in asked {
            if self.surroundings.time.monotonicNanoseconds - began > Self.openingSlice {
                await Task.yield()
                guard self.producers[slot.rawValue]?.producer === producer else { return false }
                began = self.surroundings.time.monotonicNanoseconds
            }
            guard self.state.topics[index].name == name, self.state.names.holds(index) else { continue }
            _ = self.openTopic(index, slot)
        }
        return true
    }

    private static let openingSlice: UInt64 = 2_000_000
    /// One more question costs about as much as so many topics in an answer.
    private static let costOfAsking = 16

    private func learn(
        _ answer: KafkaMetadata, _ asked: ArraySlice<(index: Int, name: String)>, _ slot: ProducerSlot, from producer: any KafkaProducing
    ) {
        self.targetAnswered()
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

    private func notLearned(_ asked: ArraySlice<(index: Int, name: String)>, _ slot: ProducerSlot, _ failure: KafkaFailure) {
        self.state.notLearned(asked.filter { self.state.topics[$0.index].name == $0.name }.map(\.index), from: slot)
        guard slot == .main else { return }
        self.wantsAnswer = self.role == .direct
        self.targetFailed(failure)
    }

    /// Learns how large a batch each topic takes. A cluster that fails to tell twice (the embedded one never does) is sent to all the same:
    /// a batch that turns out to be too large makes us ask again.
    func askForLimits() async {
        var failures: [String: Int] = [:]
        var unanswered = 0
        var isForbiddenTold = self.role == .drain  // The other stage of the route tells it.
        for await _ in self.limitsWanted.stream {
            while self.state.limitsWanted, let producer = self.producers[ProducerSlot.main.rawValue]?.producer {
                let asked = self.state.takeLimitsWanted().map { (index: $0, name: self.state.topics[$0].name) }
                guard !asked.isEmpty else { break }
                if unanswered > 1 { self.goOn(withoutLimitsOf: asked) }  // Their events need not find out as well that nobody tells.
                let impatience = Task(preferring: self.surroundings.tasks) { await self.goOnWithoutLimits(of: asked) }
                let answers = await producer.limits(of: asked.map(\.name))
                impatience.cancel()
                let told = Dictionary(answers.map { ($0.topic, $0) }) { first, _ in first }
                if !isForbiddenTold, let forbidden = answers.first(where: \.isForbidden) {
                    isForbiddenTold = true
                    self.tellForbidden(forbidden)
                }
                unanswered = answers.allSatisfy(\.mayBeToldLater) ? unanswered + 1 : 0
                var later: [(index: Int, name: String)] = []
                for (index, name) in asked where self.state.topics[index].name == name {
                    guard let answer = told[name] else { continue }
                    failures[name, default: 0] += answer.mayBeToldLater ? 1 : 0
                    if answer.mayBeToldLater, failures[name] == 1 {
                        later.append((index, name))
                    } else {
                        failures[name] = nil
                        self.state.learnedLimit(answer.bytes, times: answer.times, index, now: self.loop.nowMilliseconds)
                    }
                }
                if !later.isEmpty {
                    // Cancelled: the loop above ends.
                    try? await self.surroundings.time.sleep(milliseconds: self.configuration.metadataRetry)
                    for (index, name) in later where self.state.topics[index].name == name { self.state.wantLimit(of: index) }
                }
                if Task.isCancelled { return }
                self.turn()
            }
        }
    }

    private func tellForbidden(_ limit: KafkaTopicLimit) {
        self.logger.warning(
            "the settings of topics can't be read: batches may be refused as too large, and cost time until they fit",
            [
                "route": self.route, "topic": limit.topic, "code": "\(limit.error)",
                "advice": "grant DescribeConfigs on the topics to this client's principal",
            ])
    }

    /// A limit that is slow to come (the embedded cluster never tells) must not hold events up; when it comes it still counts.
    private func goOnWithoutLimits(of asked: [(index: Int, name: String)]) async {
        do { try await self.surroundings.time.sleep(milliseconds: self.configuration.limitPatience) } catch { return }
        self.goOn(withoutLimitsOf: asked)
    }

    private func goOn(withoutLimitsOf asked: [(index: Int, name: String)]) {
        for (index, name) in asked where self.state.topics[index].name == name && !self.state.topics[index].limitIsKnown {
            self.state.learnedLimit(nil, times: self.state.topics[index].times, index, now: self.loop.nowMilliseconds)
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
                    self.hasRoom(for: .deadLetters)
                    for (index, death) in deaths.enumerated() { self.buried(death, letters[index], number: numbers[index]) }
                } catch {
                    self.logger.error("dead letters can't be written; the cursor waits", ["route": self.route, "error": "\(error)"])
                    self.wantsRoom(for: .deadLetters, error)
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
            if event.id.isEmpty, let origin = self.state.origin(of: flight) { EventID.text(origin: origin, sequence: offset.number) } else {
                String(decoding: event.id, as: UTF8.self)
            }
        return DeadLetter(
            topic: String(decoding: event.topic, as: UTF8.self), code: "\(death.code)", reason: death.reason, eventID: id, offset: offset,
            record: Array(event.record))
    }

    private func buried(_ death: ForwardState.Death, _ letter: DeadLetter, number: UInt64) {
        self.state.buried(death.flight)
        self.metrics.died(letter.topic, code: letter.code)
        self.waiters.settled(letter.offset, .dead(code: letter.code, letter: number))
        let advice = self.advice.text(for: KafkaFailure(death.code), topic: letter.topic) ?? ""
        self.logger.warning(
            "event refused for good, it is in the dead letters",
            [
                "route": self.route, "topic": letter.topic, "id": letter.eventID, "code": letter.code, "reason": letter.reason,
                "advice": advice,
            ])
    }
}
