import ForebayCore
import ForebayKafka

/// What a producer asks brokers, beside sending.
struct SimulatedQuestion {
    enum Kind {
        case metadata([String], UnsafeContinuation<Result<KafkaMetadata, KafkaFailure>, Never>)
        case limits([String], UnsafeContinuation<[KafkaTopicLimit], Never>)
    }

    let kind: Kind
    let deadline: UInt64
    /// The one that is to be asked; none: any.
    let wanted: Int32?
    /// Of the broker that was asked; none could be reached.
    var broker: Int32?
    var due: UInt64

    func end(_ failure: KafkaFailure) {
        switch self.kind {
        case .metadata(_, let waiting): waiting.resume(returning: .failure(failure))
        case .limits(let topics, let waiting):
            waiting.resume(returning: topics.map { KafkaTopicLimit(topic: $0, bytes: nil, error: failure.code) })
        }
    }
}

extension SimulatedProducer {
    private static let limitTimeout: UInt64 = 1500

    nonisolated(nonsending) func metadata(of topic: KafkaTopic?, timeout: Int32) async -> Result<KafkaMetadata, KafkaFailure> {
        guard !self.isClosed else { return .failure(KafkaFailure(.destroyed)) }
        let names = topic.map { self.name(of: $0).map { [$0] } ?? [] } ?? self.openTopics
        return await withUnsafeContinuation { waiting in self.ask(.metadata(names, waiting), timeout: UInt64(timeout)) }
    }

    nonisolated(nonsending) func metadataOfAllTopics(timeout: Int32) async -> Result<KafkaMetadata, KafkaFailure> {
        guard !self.isClosed else { return .failure(KafkaFailure(.destroyed)) }
        let names = self.kafka.topics.keys.sorted()
        return await withUnsafeContinuation { waiting in self.ask(.metadata(names, waiting), timeout: UInt64(timeout)) }
    }

    nonisolated(nonsending) func limits(of topics: [String], by broker: Int32?) async -> [KafkaTopicLimit] {
        guard !self.isClosed, !topics.isEmpty else {
            return topics.map { KafkaTopicLimit(topic: $0, bytes: nil, error: .destroyed) }
        }
        return await withUnsafeContinuation { waiting in self.ask(.limits(topics, waiting), of: broker, timeout: Self.limitTimeout) }
    }

    private func ask(_ kind: SimulatedQuestion.Kind, of broker: Int32? = nil, timeout: UInt64) {
        let now = self.loop.nowMilliseconds
        let question = SimulatedQuestion(
            kind: kind, deadline: now + timeout, wanted: broker, broker: self.reachable(broker), due: now + self.kafka.delay())
        // Others may have run on the loop since it was asked for.
        guard !self.isClosed else { return question.end(KafkaFailure(.destroyed)) }
        self.asked.append(question)
        self.startTicking()
    }

    /// The one that is wanted, or any.
    private func reachable(_ wanted: Int32?) -> Int32? {
        let up = self.kafka.brokers.keys.sorted().filter { self.kafka.brokers[$0]!.isUp && $0 == wanted ?? $0 }
        return self.connections.choose(among: up, &self.kafka.random)
    }

    /// - Returns: whether anything was answered.
    func answerQuestions(now: UInt64) -> Bool {
        let asked = self.asked
        self.asked = []
        var waiting: [SimulatedQuestion] = []
        for var question in asked {
            if let broker = question.broker, !self.kafka.brokers[broker]!.isUp { question.broker = nil }
            if question.broker == nil {
                question.broker = self.reachable(question.wanted)
                question.due = now + self.kafka.delay()
            }
            if let broker = question.broker, question.due <= now, !self.kafka.brokers[broker]!.isFrozen {
                self.answer(question)
            } else if question.deadline <= now {
                question.end(KafkaFailure(question.broker == nil ? .transport : .timedOut))
            } else {
                waiting.append(question)
            }
        }
        self.asked = waiting + self.asked
        return waiting.count < asked.count
    }

    private func answer(_ question: SimulatedQuestion) {
        switch question.kind {
        case .metadata(let names, let waiting):
            let answer = self.kafka.metadata(of: names)
            for topic in answer.topics { self.partitions.learn(topic) }
            waiting.resume(returning: .success(answer))
        case .limits(let names, let waiting): waiting.resume(returning: names.map(self.kafka.limit))
        }
    }
}
