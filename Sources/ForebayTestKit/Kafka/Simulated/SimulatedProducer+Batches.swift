import ForebayKafka

/// Batches on their way to brokers and back.
extension SimulatedProducer {
    /// - Returns: whether anything went on.
    func exchange(now: UInt64) -> Bool {
        var moved = self.sendBatches(now: now)
        for id in self.connections.brokers {
            if self.breakConnection(id, now: now) {
                moved = true
                continue
            }
            while !self.kafka.brokers[id]!.isFrozen, let batch = self.connections.takeRequest(at: id, now: now) {
                let answer = self.kafka.append(batch, at: id)
                self.connections.answer(batch, answer, of: id, due: now + self.kafka.delay())
                moved = true
            }
            while let (batch, answer) = self.connections.takeAnswer(of: id, now: now) {
                self.take(answer, batch, now: now)
                moved = true
            }
        }
        return moved
    }

    // MARK: There

    private func sendBatches(now: UInt64) -> Bool {
        var moved = false
        for queue in self.partitions.queues where queue.restsUntil <= now && !self.isFatal {
            while queue.inFlight.count < self.bounds.inFlight, let leader = queue.leader, self.kafka.brokers[leader]?.isUp ?? false,
                let batch = self.nextBatch(of: queue)
            {
                batch.topicNumber = self.kafka.topics[batch.topic]?.number
                queue.sent(batch)
                self.connections.send(batch, to: leader, due: now + self.kafka.delay(), now: now)
                moved = true
            }
            if queue.leader == nil, !queue.isIdle { self.refresh(queue, now: now) }
            if let leader = queue.leader, !(self.kafka.brokers[leader]?.isUp ?? false), !queue.isIdle { self.refresh(queue, now: now) }
        }
        return moved
    }

    private func nextBatch(of queue: PartitionQueue) -> SimulatedBatch? {
        if let batch = queue.takeRetry() { return batch }
        // One more in flight while the last is out: never of a partition whose events wait to be sent again.
        guard !queue.waiting.isEmpty else { return nil }
        let most = min(self.bounds.batchMessages, queue.waiting.count)
        let wished = self.kafka.chance(1, in: 3) ? most : Int.random(in: 1...most, using: &self.kafka.random)
        return queue.takeBatch(of: wished, bytes: self.bounds.batchSize, client: self.id)
    }

    /// The client asks by itself who leads a partition now; any broker that answers will do.
    private func refresh(_ queue: PartitionQueue, now: UInt64) {
        queue.rest(until: now + 50 + self.kafka.delay())
        guard self.kafka.brokers.values.contains(where: { $0.isUp && !$0.isFrozen }) else { return }
        guard let topic = self.kafka.metadata(of: [queue.topic]).topics.first else { return }
        if topic.error == .unknownTopicOrPartition { return self.topicIsGone(queue) }
        if !topic.error.isError, queue.partition >= topic.leaders.count {
            self.fail(queue, .unknownPartition)
            return queue.beginEpoch(as: self.kafka.newNumber())
        }
        queue.leader = SimulatedPartitions.leader(of: queue.partition, in: topic)
    }

    /// The topic was deleted: what waits for it fails here, and nothing of it is at fault.
    private func topicIsGone(_ queue: PartitionQueue) {
        self.partitions.forget(queue.topic)
        self.fail(queue, .unknownTopic)
        for batch in queue.inFlight { batch.isAbandoned = true }
        if queue.inFlight.isEmpty { queue.beginEpoch(as: self.kafka.newNumber()) }
    }

    /// What is not in flight is reported.
    private func fail(_ queue: PartitionQueue, _ code: KafkaErrorCode) {
        let (retries, waiting) = queue.giveUp()
        for batch in retries { self.report(batch, code) }
        self.tell(.reports(waiting.map { self.report($0.token, queue.partition, code, mayBeStored: false) }))
    }

    // MARK: Back

    /// A broker that went down, a connection that breaks, a request without an answer for too long.
    private func breakConnection(_ id: Int32, now: UInt64) -> Bool {
        guard let wait = self.connections.wait(for: id, now: now) else { return false }
        let isLate = wait > self.bounds.requestTimeout
        guard !self.kafka.brokers[id]!.isUp || isLate || self.kafka.chance(self.kafka.chances.broken) else { return false }
        let (requests, answered) = self.connections.cut(id)
        if isLate { self.kafka.leave(requests, at: id) } else { self.leave(requests, at: id) }
        let open = answered + requests
        for batch in open { batch.mayBeStored = true }
        for batch in open { self.retry(batch, now: now) }
        return true
    }

    private func retry(_ batch: SimulatedBatch, now: UInt64) {
        let queue = self.queue(batch.topic, batch.partition)
        queue.landed(batch)
        guard !self.isFatal else { return self.givenUp(batch) }
        guard !batch.isAbandoned else { return self.report(batch, .unknownTopic) }
        queue.retry(batch, at: now + UInt64(Int.random(in: 20...100, using: &self.kafka.random)))
    }

    /// The producer has failed: nothing is sent again, and not everything is told.
    private func givenUp(_ batch: SimulatedBatch) {
        guard !self.kafka.chance(self.kafka.chances.silent) else { return }
        self.report(batch, batch.mayBeStored ? .purgedInFlight : .purgedInQueue)
    }

    private func take(_ answer: Result<Int64, KafkaFailure>, _ batch: SimulatedBatch, now: UInt64) {
        let queue = self.queue(batch.topic, batch.partition)
        switch answer {
        case .success(let offset):
            queue.landed(batch)
            self.tell(
                .reports(
                    batch.tokens.enumerated().map { place, token in
                        KafkaReport(
                            token: token, offset: offset + Int64(place), partition: batch.partition, error: .none, mayBeStored: true)
                    }))
        case .failure(let failure):
            let isFirst = queue.isFirst(batch)
            if failure.code == .outOfOrderSequence, !isFirst { return self.retry(batch, now: now) }
            if Self.isRetriable(failure.code) { return self.retry(batch, now: now) }
            queue.landed(batch)
            if failure.code == .outOfOrderSequence { batch.mayBeStored = true }
            self.refused(batch, failure.code, queue)
        }
    }

    private static func isRetriable(_ code: KafkaErrorCode) -> Bool {
        [.notLeader, .notEnoughReplicas, .unknownTopicOrPartition, .leaderNotAvailable, .timedOut, .transport].contains(code)
            || code.description == "NETWORK_EXCEPTION" || code.description == "REQUEST_TIMED_OUT"
    }

    /// For good. With the gapless guarantee nothing may go behind it: the producer is done.
    private func refused(_ batch: SimulatedBatch, _ code: KafkaErrorCode, _ queue: PartitionQueue) {
        guard !self.bounds.isSingle else {
            queue.beginEpoch(as: self.kafka.newNumber())
            return self.report(batch, code)
        }
        let isNew = self.fail()
        let fatal = KafkaFailure(code == .outOfOrderSequence ? code : .gaplessGuarantee)
        let isFirst = self.kafka.chance(1, in: 2)
        if isNew, isFirst { self.tell(.fatal(fatal)) }
        self.report(batch, code)
        if isNew, !isFirst { self.tell(.fatal(fatal)) }
        guard isNew else { return }
        for queue in self.partitions.queues {
            let (retries, waiting) = queue.giveUp()
            for batch in retries { self.givenUp(batch) }
            self.tell(.reports(waiting.map { self.report($0.token, queue.partition, .purgedInQueue, mayBeStored: false) }))
        }
    }

    private func report(_ batch: SimulatedBatch, _ code: KafkaErrorCode) {
        self.tell(.reports(batch.tokens.map { self.report($0, batch.partition, code, mayBeStored: batch.mayBeStored) }))
    }

    private func report(_ token: UInt64, _ partition: Int32, _ code: KafkaErrorCode, mayBeStored: Bool) -> KafkaReport {
        KafkaReport(token: token, offset: -1, partition: partition, error: code, mayBeStored: mayBeStored)
    }
}
