import ForebayCore
import ForebayKafka

/// What waits for answers, each in a task of its own, so that deliveries go on meanwhile.
extension DeliveryEngine {
    /// Learns partitions and leaders of the topics that a producer is to send to.
    ///
    /// Short of patience at first: librdkafka asks any broker, and the one that does not answer may be the very reason for asking.
    func askForMetadata(_ slot: ProducerSlot) async {
        var patience = self.settings.metadataPatience
        for await _ in self.current.wakeups.wanted[slot.rawValue].stream {
            var listed: Set<String> = []
            while let producer = self.producers[slot]?.producer, self.state.producers[slot].isOpen {
                if slot == .main { listed = await self.sift(producer, patience, listed) }
                // Closed meanwhile: its successor asks for what is wanted.
                guard self.producers.isOpen(producer, slot) else { continue }
                let asked = self.state.takeWanted(by: slot).map { (index: $0, name: self.state.topics[$0].name) }
                guard !asked.isEmpty || slot == .main && self.target.wantsAnswer else { break }
                await self.open(asked, slot, of: producer)
                var rest = asked[...]
                var isWhole = true
                do throws(KafkaFailure) {
                    if asked.isEmpty { try await self.askForAnswer(producer, patience) }
                    while true {
                        rest = rest.drop { !self.stands($0) }  // Forgotten while others were asked for.
                        // Closed meanwhile: its successor asks for all of them.
                        guard let first = rest.first, self.producers.isOpen(producer, slot) else { break }
                        // A question is for one topic, or for all that the client has: which may be far more than are asked for.
                        let opened = self.producers[slot]?.openedCount ?? 0
                        let some = rest.count * Self.costOfAsking < opened ? rest.prefix(1) : rest
                        let alone = some.count == 1 ? self.openTopic(first.index, slot) : nil
                        let answer = try await producer.metadata(of: alone, timeout: Int32(patience)).get()
                        isWhole = self.learn(answer, some, slot, from: producer) && isWhole
                        rest = rest.dropFirst(some.count)
                        self.turn()
                    }
                    patience = self.settings.metadataPatience
                } catch {
                    guard self.producers.isOpen(producer, slot) else { continue }  // Closed while it asked.
                    patience = min(patience * 2, 10_000)
                    self.notLearned(rest, slot, error)
                    let isFound = error.code == .timedOut ? await self.findBroker(producer, slot) : false
                    // Cancelled: the loop above ends.
                    if !isFound { try? await self.surroundings.time.sleep(milliseconds: self.settings.metadataRetry) }
                }
                // As after a failure: whatever an answer leaves out would be asked for again and again at once.
                if !isWhole { try? await self.surroundings.time.sleep(milliseconds: self.settings.metadataRetry) }
                if Task.isCancelled { return }
            }
        }
    }

    /// Finds a broker that answers, so that the next question goes there: librdkafka puts it to the one that it sent to last, and that may
    /// be the very one that did not answer.
    ///
    /// - Returns: whether there is one. A few are tried, others the next time.
    private func findBroker(_ producer: any KafkaProducing, _ slot: ProducerSlot) async -> Bool {
        guard self.target.hasOtherBrokers, let topic = self.state.topics.indices.first(where: { self.state.topics.holds($0) }) else {
            return false
        }
        let name = self.state.topics[topic].name
        for _ in 0..<Self.brokersTried {
            guard let broker = self.target.nextBroker() else { return false }
            if await producer.limits(of: [name], by: broker).contains(where: \.isOfBroker) {
                self.state.clusterAnswered(now: self.loop.nowMilliseconds)
                return true
            }
            guard self.producers.isOpen(producer, slot) else { return false }
        }
        return false
    }

    private static let brokersTried = 3

    /// Whether an index still is the topic that it was before a suspension.
    private func stands(_ asked: (index: Int, name: String)) -> Bool {
        self.state.topics.holds(asked.index) && self.state.topics[asked.index].name == asked.name
    }

    /// Of many new topics, those that the cluster does not have are not asked for by name.
    ///
    /// - Parameter listed: topics that the cluster had a while ago. New ones are asked for in portions, and a listing may be long: where it
    ///   has them all, it is not asked for again.
    /// - Returns: topics that the cluster has.
    private func sift(_ producer: any KafkaProducing, _ patience: Int, _ listed: Set<String>) async -> Set<String> {
        let new = self.state.manyNew().map { (index: $0, name: self.state.topics[$0].name) }
        // Without an answer: the question that follows tells why.
        guard !new.allSatisfy({ listed.contains($0.name) }),
            case .success(let answer) = await producer.metadataOfAllTopics(timeout: Int32(patience))
        else { return listed }
        self.targetAnswered(answer)
        let listed = Set(answer.topics.map(\.name)), now = self.loop.nowMilliseconds
        for topic in new where self.stands(topic) && !listed.contains(topic.name) { self.state.notListed(topic.index, now: now) }
        self.turn()
        return listed
    }

    /// Asks whether the cluster is there, in a way that makes no topic: a question for metadata that names one, which somebody has deleted,
    /// makes it again where brokers do so.
    ///
    /// By the settings of a topic in use, or of one that Kafka has itself, if the cluster was there before: whatever a broker says of them
    /// is an answer. At first, or while it is away, by all topics: the settings are the controller's to tell, and that one alone may be
    /// missing.
    private func askForAnswer(_ producer: any KafkaProducing, _ patience: Int) async throws(KafkaFailure) {
        if self.target.health.isUp == true {
            let known = self.state.topics.indices.first { self.state.topics.holds($0) && self.state.topics[$0].isKnown(by: .main) }
            let name = known.map { self.state.topics[$0].name } ?? Self.topicOfKafka
            if await producer.limits(of: [name]).contains(where: \.isOfBroker) { return self.targetAnswered() }
        }
        self.targetAnswered(try await producer.metadataOfAllTopics(timeout: Int32(patience)).get())
    }

    /// Asking for its settings makes it nowhere.
    private static let topicOfKafka = "__consumer_offsets"

    private func targetAnswered(_ answer: KafkaMetadata) {
        self.targetAnswered()
        self.target.learned(answer.brokers)
        if let id = answer.cluster { self.reporter.show(clusterID: id) }
    }

    /// Opens topics, some each turn: librdkafka looks through all that it has for each of them.
    private func open(_ asked: [(index: Int, name: String)], _ slot: ProducerSlot, of producer: any KafkaProducing) async {
        var began = self.surroundings.time.monotonicNanoseconds
        for topic in asked {
            if self.surroundings.time.monotonicNanoseconds - began > Self.openingSlice {
                await Task.yield()
                guard self.producers.isOpen(producer, slot) else { return }
                began = self.surroundings.time.monotonicNanoseconds
            }
            if self.stands(topic) { _ = self.openTopic(topic.index, slot) }
        }
    }

    private static let openingSlice: UInt64 = 2_000_000
    /// One more question costs about as much as so many topics in an answer.
    private static let costOfAsking = 16

    /// - Returns: false if the answer leaves out what was asked for.
    private func learn(
        _ answer: KafkaMetadata, _ asked: ArraySlice<(index: Int, name: String)>, _ slot: ProducerSlot, from producer: any KafkaProducing
    ) -> Bool {
        self.targetAnswered(answer)
        guard self.producers.isOpen(producer, slot) else { return true }  // Its successor asks for itself.
        let now = self.loop.nowMilliseconds
        let topics = Dictionary(answer.topics.map { ($0.name, $0) }) { first, _ in first }
        var missing: [Int] = []
        for known in asked where self.stands(known) {
            if let topic = topics[known.name] {
                self.state.learned(topic, known.index, from: slot, now: now)
            } else if self.state.topics[known.index].aside.mode == .none {
                missing.append(known.index)
            }
        }
        self.state.notLearned(missing, from: slot)
        return missing.isEmpty
    }

    private func notLearned(_ asked: ArraySlice<(index: Int, name: String)>, _ slot: ProducerSlot, _ failure: KafkaFailure) {
        self.state.notLearned(asked.filter(self.stands).map(\.index), from: slot)
        guard slot == .main else { return }
        self.target.ask()
        self.targetFailed(failure)
    }

    /// Learns how large a batch each topic takes. A cluster that fails to tell twice (the embedded one never does) is sent to all the same:
    /// a batch that turns out to be too large makes us ask again.
    func askForLimits() async {
        var failures: [String: Int] = [:]
        var unanswered = 0
        var isForbiddenTold = self.way == .aside  // The other stage of the route tells it.
        for await _ in self.current.wakeups.limitsWanted.stream {
            while !self.state.topics.limitsWanted.isEmpty, let producer = self.producers[.main]?.producer {
                let asked = self.state.takeLimitsWanted().map { (index: $0, name: self.state.topics[$0].name) }
                guard !asked.isEmpty else { break }
                if unanswered > 1 { self.goOn(withoutLimitsOf: asked) }  // Their events need not find out as well that nobody tells.
                let impatience = Task(preferring: self.surroundings.tasks) { await self.goOnWithoutLimits(of: asked) }
                let answers = await producer.limits(of: asked.map(\.name))
                impatience.cancel()
                let told = Dictionary(answers.map { ($0.topic, $0) }) { first, _ in first }
                if !isForbiddenTold, let forbidden = answers.first(where: \.isForbidden) {
                    isForbiddenTold = true
                    self.reporter.limitsForbidden(forbidden)
                }
                unanswered = answers.allSatisfy(\.mayBeToldLater) ? unanswered + 1 : 0
                var later: [(index: Int, name: String)] = []
                for topic in asked where self.stands(topic) {
                    let (index, name) = topic
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
                    try? await self.surroundings.time.sleep(milliseconds: self.settings.metadataRetry)
                    for topic in later where self.stands(topic) { self.state.topics.wantLimit(of: topic.index) }
                }
                if Task.isCancelled { return }
                self.turn()
            }
        }
    }

    /// A limit that is slow to come (the embedded cluster never tells) must not hold events up; when it comes it still counts.
    private func goOnWithoutLimits(of asked: [(index: Int, name: String)]) async {
        do { try await self.surroundings.time.sleep(milliseconds: self.settings.limitPatience) } catch { return }
        self.goOn(withoutLimitsOf: asked)
    }

    private func goOn(withoutLimitsOf asked: [(index: Int, name: String)]) {
        for topic in asked where self.stands(topic) && !self.state.topics[topic.index].limits.isKnown {
            let times = self.state.topics[topic.index].limits.times
            self.state.learnedLimit(nil, times: times, topic.index, now: self.loop.nowMilliseconds)
        }
        self.turn()
    }

    /// Asks for all topics anew every few minutes.
    func refresh() async {
        while true {
            do { try await self.surroundings.time.sleep(milliseconds: self.settings.metadataInterval) } catch { return }
            self.state.wantAll()
            for slot in [ProducerSlot.single, .small] where self.state.isUnused(slot) {
                self.state.drain(slot, now: self.loop.nowMilliseconds)
            }
            self.turn()
        }
    }
}
