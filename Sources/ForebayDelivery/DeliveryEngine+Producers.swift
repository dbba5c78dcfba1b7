import ForebayCore
import ForebayKafka
import ForebayTelemetry

/// Its producers: which are open, what they are given, and what they tell.
extension DeliveryEngine {
    /// Closes the producers that are done, and makes those that are needed.
    func tendProducers(now: UInt64) {
        if let size = self.state.topics.smallBatchSize, let small = self.producers[.small],
            small.kind != .small(batchSize: size)
        {
            self.state.drain(.small, now: now)
        }
        for slot in ProducerSlot.allCases { self.renewIfOutgrown(slot, now: now) }
        for slot in self.state.producers.toClose(now: now) {
            if case .failing = self.state.producers[slot].phase {
                self.reporter.metrics.rebuilds.increment()
            }
            self.closeProducer(slot)
            self.state.closed(slot, now: now)
        }
        for slot in self.state.producers.toOpen(now: now) { self.openProducer(slot, now: now) }
    }

    /// librdkafka never forgets a topic, and looks through all of them for each that is opened or answered for: a client that has seen many
    /// topics, and has no use for most of them, is made anew.
    private func renewIfOutgrown(_ slot: ProducerSlot, now: UInt64) {
        guard let open = self.producers[slot], self.state.producers[slot].isOpen, open.isToBeReviewed(now: now, self.settings),
            open.openedCount > 2 * self.state.knownTopics(by: slot)
        else { return }
        self.reporter.logger.debug(
            "producer has seen many topics and is made anew",
            ["route": self.route, "producer": "\(slot)", "topics": "\(open.openedCount)"])
        self.state.renew(slot, now: now)
    }

    private func openProducer(_ slot: ProducerSlot, now: UInt64) {
        do throws(ForebayError) {
            let kind: KafkaProducer.Kind =
                switch slot {
                case .main: .bulk
                case .single: .single
                case .small: .small(batchSize: self.state.topics.smallBatchSize ?? self.settings.batchSize)
                }
            try self.producers.open(slot, kind, now: now, reviewAt: now + UInt64(self.settings.renewalInterval)) { [weak self] in
                self?.assumeIsolated { $0.poll(slot) }
            }
            self.state.opened(slot)
        } catch {
            // Whatever it is: the properties were good at the start, so it may be better the next time.
            self.fail(ForebayError(error.code, recovery: .rewindAndRestart, error.message, cause: error.cause))
        }
    }

    func closeProducer(_ slot: ProducerSlot) {
        self.producers.close(slot) { self.state.window.allBatches + self.state.settledOutstanding.batches }
    }

    func closeTopics() {
        guard !self.state.actions.closedTopics.isEmpty else { return }
        self.producers.close(topics: self.state.actions.closedTopics)
        self.state.actions.closedTopics = []
    }

    /// The handle of a topic at a producer, opened if need be; none for an index that is nobody's now.
    func openTopic(_ topic: Int, _ slot: ProducerSlot) -> KafkaTopic? {
        // Before the index is looked up: it may be another topic's since, and must not lend it the handle of the one before.
        self.closeTopics()
        guard let open = self.producers[slot], self.state.topics.holds(topic) else { return nil }
        return open.open(topic, self.state.topics[topic].name)
    }

    // MARK: Sending

    /// Gives librdkafka what may be sent now.
    func send(now: UInt64) {
        guard self.state.partitions.hasReady else { return }
        self.state.refusedTimes.wall = self.surroundings.time.wallMilliseconds
        let producers = self.producers.all
        withUnsafeTemporaryAllocation(byteCount: EventID.length, alignment: 8) { id in
            let derived = UnsafeRawBufferPointer(id)
            self.state.pump(now: now) { outgoing, event, sequence in
                guard let open = producers[outgoing.slot.rawValue], let topic = open.topics[outgoing.topic] else { return .unknownTopic }
                let isDerived = event.id.isEmpty && outgoing.origin != nil
                if isDerived, let origin = outgoing.origin { EventID.write(origin: origin, sequence: sequence, to: id.baseAddress!) }
                if outgoing.time != .itsOwn { return self.sendRedated(outgoing, event, isDerived ? derived : event.id, open, topic) }
                var record = KafkaRecord(
                    partition: outgoing.partition, timestamp: event.timestamp, key: event.key, value: event.value,
                    id: isDerived ? derived : event.id, headers: event.headers, token: outgoing.flight)
                return open.producer.send(&record, to: topic)
            }
        }
    }

    /// The header with the time of acceptance, in ms since 1970, of events that bear the time of delivery.
    static let acceptedHeader = "forebay-accepted-at"

    private func sendRedated(
        _ outgoing: DeliveryState.Outgoing, _ event: Event, _ id: UnsafeRawBufferPointer, _ open: OpenProducer, _ topic: KafkaTopic
    ) -> KafkaErrorCode {
        var headers = Array(event.headers)
        if outgoing.time == .ofDelivery { headers.append(header: Self.acceptedHeader.utf8, value: "\(event.timestamp)".utf8) }
        return headers.withUnsafeBytes { headers in
            var record = KafkaRecord(
                partition: outgoing.partition, timestamp: self.surroundings.time.wallMilliseconds, key: event.key, value: event.value,
                id: id, headers: headers, token: outgoing.flight)
            return open.producer.send(&record, to: topic)
        }
    }

    // MARK: Reports

    /// Takes what a producer has to tell. On the loop, when its queue has something.
    func poll(_ slot: ProducerSlot) {
        guard let open = self.producers[slot] else { return }
        let now = self.loop.nowMilliseconds
        let delivered = self.state.totals.delivered
        self.state.refusedTimes.wall = self.surroundings.time.wallMilliseconds
        open.producer.poll { signal in
            switch signal {
            case .reports(let reports): self.take(reports, from: slot, now: now)
            case .fatal(let failure): self.producerFailed(slot, failure, now: now)
            case .failure(let failure): self.clientFailed(failure)
            case .throttled(let milliseconds, let broker):
                self.target.throttled(for: milliseconds, by: broker, at: self.surroundings.time.wallMilliseconds)
            }
        }
        if self.state.totals.delivered != delivered {
            self.target.producerDelivers()
            self.targetAnswered()
        } else if self.target.health.trouble != nil {
            self.tellHealth()
        }
        self.turn()
    }

    private func take(_ reports: UnsafeBufferPointer<KafkaReport>, from slot: ProducerSlot, now: UInt64) {
        // Whoever waits for an event was there before it could be read, so one look is enough.
        if self.reporter.waiters.isEmpty {
            self.state.take(reports, from: slot, now: now)
        } else {
            for report in reports {
                guard self.state.report(report, from: slot, now: now) else { continue }
                let place = self.state.window.offset(of: UInt32(truncatingIfNeeded: report.token))
                self.reporter.waiters.settled(place, .record(partition: report.partition, offset: report.offset))
            }
        }
        self.state.reportsTaken(from: slot)
    }

    private func producerFailed(_ slot: ProducerSlot, _ failure: KafkaFailure, now: UInt64) {
        self.state.failed(slot, now: now)
        self.reporter.producerFailed(slot, failure)
        // One alone is mended by the next one, and so are those that refused records cost. Poll tells of it.
        guard slot == .main, self.state.producers[slot].failures > 1 else { return }
        self.target.producersFail(failure, at: self.surroundings.time.wallMilliseconds)
    }
}
