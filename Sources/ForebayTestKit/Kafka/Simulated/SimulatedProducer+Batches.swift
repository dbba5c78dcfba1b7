import ForebayKafka

/// Batches on their way to brokers and back.
extension SimulatedProducer {
    /// - Returns: whether anything went on.
    func exchange(now: UInt64) -> Bool {
        var moved = self.sendBatches(now: now)
        for id in self.connections.keys.sorted() {
            if self.breakConnection(id, now: now) {
                moved = true
                continue
            }
            while let (batch, due) = self.connections[id]!.requests.first, due <= now, !self.kafka.brokers[id]!.isFrozen {
                self.connections[id]!.requests.removeFirst()
                let answer = self.kafka.append(batch, at: id)
                self.connections[id]!.answers.append((batch, answer, now + self.kafka.delay()))
                moved = true
            }
            while let (batch, answer, due) = self.connections[id]?.answers.first, due <= now {
                self.connections[id]!.answers.removeFirst()
                self.connections[id]!.waitsSince = now
                self.take(answer, batch, now: now)
                moved = true
            }
        }
        return moved
    }

    // MARK: There

    private func sendBatches(now: UInt64) -> Bool {
        var moved = false
        for queue in self.queues where queue.restsUntil <= now && !self.isFatal {
            while queue.inFlight.count < (self.kind == .single ? 1 : self.maximumInFlight), let leader = queue.leader,
                self.kafka.brokers[leader]?.isUp ?? false, let batch = self.nextBatch(of: queue)
            {
                batch.topicNumber = self.kafka.topics[batch.topic]?.number
                queue.inFlight.append(batch)
                if self.connections[leader]?.requests.isEmpty ?? true, self.connections[leader]?.answers.isEmpty ?? true {
                    self.connections[leader, default: Connection()].waitsSince = now
                }
                let last = self.connections[leader]!.requests.last?.due ?? 0
                self.connections[leader]!.requests.append((batch, max(last, now + self.kafka.delay())))
                self.sentTo = leader
                moved = true
            }
            if queue.leader == nil, !queue.isIdle { self.refresh(queue, now: now) }
            if let leader = queue.leader, !(self.kafka.brokers[leader]?.isUp ?? false), !queue.isIdle { self.refresh(queue, now: now) }
        }
        return moved
    }

    private func nextBatch(of queue: Queue) -> SimulatedBatch? {
        if !queue.retries.isEmpty { return queue.retries.removeFirst() }
        // One more in flight while the last is out: never of a partition whose events wait to be sent again.
        guard !queue.waiting.isEmpty else { return nil }
        let most = min(self.batchMessages, queue.waiting.count)
        let wished = self.kafka.chance(1, in: 3) ? most : Int.random(in: 1...most, using: &self.kafka.random)
        var size = 0, count = 0
        while count < wished, count == 0 || size + queue.waiting[count].size <= self.batchSize {
            size += queue.waiting[count].size
            count += 1
        }
        let messages = queue.waiting.prefix(count)
        queue.waiting.removeFirst(count)
        defer { queue.nextSequence += count }
        return SimulatedBatch(
            producer: queue.producer, topic: queue.topic, partition: queue.partition, base: queue.nextSequence,
            records: messages.map { message in
                SimulatedKafka.Record(
                    topic: queue.topic, partition: queue.partition, offset: -1, key: message.key, value: message.value.map(Array.init),
                    id: message.id, headers: message.headers, timestamp: message.timestamp, producer: self.id)
            }, tokens: messages.map(\.token), size: size + 61)
    }

    /// The client asks by itself who leads a partition now; any broker that answers will do.
    private func refresh(_ queue: Queue, now: UInt64) {
        queue.restsUntil = now + 50 + self.kafka.delay()
        guard self.kafka.brokers.values.contains(where: { $0.isUp && !$0.isFrozen }) else { return }
        guard let topic = self.kafka.metadata(of: [queue.topic]).topics.first else { return }
        if topic.error == .unknownTopicOrPartition { return self.topicIsGone(queue) }
        if !topic.error.isError, queue.partition >= topic.leaders.count {
            self.fail(queue, .unknownPartition)
            return self.beginEpoch(queue)
        }
        queue.leader = Int(queue.partition) < topic.leaders.count ? topic.leaders[Int(queue.partition)] : nil
    }

    /// The topic was deleted: what waits for it fails here, and nothing of it is at fault.
    private func topicIsGone(_ queue: Queue) {
        self.known[queue.topic] = KafkaMetadata.Topic(name: queue.topic, error: .unknownTopicOrPartition, leaders: [])
        self.fail(queue, .unknownTopic)
        for batch in queue.inFlight { batch.isAbandoned = true }
        if queue.inFlight.isEmpty { self.beginEpoch(queue) }
    }

    /// The sequences begin anew, as if what failed had not been there.
    private func beginEpoch(_ queue: Queue) {
        queue.producer = self.kafka.newNumber()
        queue.nextSequence = 0
    }

    /// What is not in flight is reported.
    private func fail(_ queue: Queue, _ code: KafkaErrorCode) {
        let retries = queue.retries, waiting = queue.waiting
        (queue.retries, queue.waiting) = ([], [])
        for batch in retries { self.report(batch, code) }
        self.tell(.reports(waiting.map { self.report($0.token, queue.partition, code, mayBeStored: false) }))
    }

    // MARK: Back

    /// A broker that went down, a connection that breaks, a request without an answer for too long.
    private func breakConnection(_ id: Int32, now: UInt64) -> Bool {
        guard let connection = self.connections[id], !connection.requests.isEmpty || !connection.answers.isEmpty else { return false }
        let isUp = self.kafka.brokers[id]!.isUp
        let isLate = now - connection.waitsSince > self.requestTimeout
        guard !isUp || isLate || self.kafka.chance(self.kafka.chances.broken) else { return false }
        self.connections[id] = nil
        let open = connection.answers.map(\.batch) + connection.requests.map(\.batch)
        let read = isLate ? connection.requests.count : Int.random(in: 0...connection.requests.count, using: &self.kafka.random)
        self.kafka.leave(connection.requests.prefix(read).map(\.batch), at: id)
        for batch in open { batch.mayBeStored = true }
        for batch in open { self.retry(batch, now: now) }
        return true
    }

    private func retry(_ batch: SimulatedBatch, now: UInt64) {
        let queue = self.queue(batch.topic, batch.partition)
        queue.inFlight.removeAll { $0 === batch }
        guard !self.isFatal else { return self.givenUp(batch) }
        guard !batch.isAbandoned else { return self.report(batch, .unknownTopic) }
        queue.retries.append(batch)
        queue.retries.sort { $0.base < $1.base }
        queue.restsUntil = now + UInt64(Int.random(in: 20...100, using: &self.kafka.random))
        queue.leader = nil  // Asked for again.
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
            queue.inFlight.removeAll { $0 === batch }
            self.tell(
                .reports(
                    batch.tokens.enumerated().map { place, token in
                        KafkaReport(
                            token: token, offset: offset + Int64(place), partition: batch.partition, error: .none, mayBeStored: true)
                    }))
        case .failure(let failure):
            let isFirst = queue.inFlight.first === batch && queue.retries.allSatisfy { $0.base > batch.base }
            if failure.code == .outOfOrderSequence, !isFirst { return self.retry(batch, now: now) }
            if Self.isRetriable(failure.code) { return self.retry(batch, now: now) }
            queue.inFlight.removeAll { $0 === batch }
            if failure.code == .outOfOrderSequence { batch.mayBeStored = true }
            self.refused(batch, failure.code, queue)
        }
    }

    private static func isRetriable(_ code: KafkaErrorCode) -> Bool {
        [.notLeader, .notEnoughReplicas, .unknownTopicOrPartition, .leaderNotAvailable, .timedOut, .transport].contains(code)
            || code.description == "NETWORK_EXCEPTION" || code.description == "REQUEST_TIMED_OUT"
    }

    /// For good. With the gapless guarantee nothing may go behind it: the producer is done.
    private func refused(_ batch: SimulatedBatch, _ code: KafkaErrorCode, _ queue: Queue) {
        guard self.kind != .single else {
            self.beginEpoch(queue)
            return self.report(batch, code)
        }
        let isNew = !self.isFatal
        self.isFatal = true
        let fatal = KafkaFailure(code == .outOfOrderSequence ? code : .gaplessGuarantee)
        let isFirst = self.kafka.chance(1, in: 2)
        if isNew, isFirst { self.tell(.fatal(fatal)) }
        self.report(batch, code)
        if isNew, !isFirst { self.tell(.fatal(fatal)) }
        guard isNew else { return }
        for queue in self.queues {
            let retries = queue.retries, waiting = queue.waiting
            (queue.retries, queue.waiting) = ([], [])
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
