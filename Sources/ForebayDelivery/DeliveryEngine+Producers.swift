import ForebayCore
import ForebayKafka
import ForebayTelemetry

/// A producer in use, and the topics it has open by their index in the state.
/// An object: each event that is sent looks one up.
final class OpenProducer {
    let producer: any KafkaProducing
    var topics: [KafkaTopic?] = []
    /// All that it was ever given.
    var opened: Set<String> = []
    let kind: KafkaProducer.Kind
    /// In the loop's ms.
    let openedAt: UInt64
    /// When it is looked at again whether it has too many topics: at a time, in the loop's ms, and at a number of them.
    var reviewAt: UInt64
    var reviewAtTopics = 0

    init(producer: any KafkaProducing, kind: KafkaProducer.Kind, openedAt: UInt64, reviewAt: UInt64) {
        self.producer = producer
        self.kind = kind
        self.openedAt = openedAt
        self.reviewAt = reviewAt
    }
}

extension DeliveryEngine {
    /// Closes the producers that are done, and makes those that are needed.
    func tendProducers(now: UInt64) {
        if let size = self.state.topics.smallBatchSize, let small = self.producers[ProducerSlot.small.rawValue],
            small.kind != .small(batchSize: size)
        {
            self.state.drain(.small, now: now)
        }
        for slot in ProducerSlot.allCases { self.renewIfOutgrown(slot, now: now) }
        for slot in self.state.producers.toClose(now: now) {
            if case .failing = self.state.producers[slot].phase {
                self.metrics.rebuilds.increment()
            }
            self.closeProducer(slot)
            self.state.closed(slot, now: now)
        }
        for slot in self.state.producers.toOpen(now: now) { self.openProducer(slot, now: now) }
    }

    /// librdkafka never forgets a topic, and looks through all of them for each that is opened or answered for: a client that has seen many
    /// topics, and has no use for most of them, is made anew.
    private func renewIfOutgrown(_ slot: ProducerSlot, now: UInt64) {
        guard let open = self.producers[slot.rawValue], open.opened.count > self.settings.openedTopics, self.state.producers[slot].isOpen,
            open.reviewAt <= now || open.opened.count > max(2 * self.settings.openedTopics, open.reviewAtTopics)
        else { return }
        open.reviewAt = now + UInt64(self.settings.renewalInterval)
        open.reviewAtTopics = open.opened.count + open.opened.count / 2
        guard open.opened.count > 2 * self.state.knownTopics(by: slot) else { return }
        self.logger.debug(
            "producer has seen many topics and is made anew",
            ["route": self.route, "producer": "\(slot)", "topics": "\(open.opened.count)"])
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
            let name = self.way.child(of: self.name) + (slot == .main ? "" : "/\(slot)")
            let producer = try self.producerSource.open(
                name: name, kind: kind, properties: self.properties, metrics: slot == .main && self.way == .direct ? self.registry : nil
            ) { [weak self] in self?.assumeIsolated { $0.poll(slot) } }
            self.producers[slot.rawValue] = OpenProducer(
                producer: producer, kind: kind, openedAt: now, reviewAt: now + UInt64(self.settings.renewalInterval))
            self.state.opened(slot)
        } catch {
            // Whatever it is: the properties were good at the start, so it may be better the next time.
            self.fail(ForebayError(error.code, recovery: .rewindAndRestart, error.message, cause: error.cause))
        }
    }

    func closeProducer(_ slot: ProducerSlot) {
        guard let open = self.producers[slot.rawValue] else { return }
        self.producers[slot.rawValue] = nil
        open.producer.close(keeping: self.state.window.allBatches + self.state.stale.batches)
    }

    func closeTopics() {
        for topic in self.state.actions.closedTopics {
            for slot in self.producers.indices { self.closeTopic(topic, slot) }
        }
        self.state.actions.closedTopics = []
    }

    private func closeTopic(_ topic: Int, _ slot: Int) {
        guard let open = self.producers[slot], topic < open.topics.count, let handle = open.topics[topic] else { return }
        open.topics[topic] = nil
        open.producer.close(topic: handle)
    }

    /// The handle of a topic at a producer, opened if need be; none for an index that is nobody's now.
    func openTopic(_ topic: Int, _ slot: ProducerSlot) -> KafkaTopic? {
        // Before the index is looked up: it may be another topic's since, and must not lend it the handle of the one before.
        self.closeTopics()
        guard let open = self.producers[slot.rawValue], self.state.topics.holds(topic) else { return nil }
        if topic < open.topics.count, let handle = open.topics[topic] { return handle }
        guard let handle = open.producer.open(topic: self.state.topics[topic].name) else { return nil }
        while open.topics.count <= topic { open.topics.append(nil) }
        open.topics[topic] = handle
        open.opened.insert(self.state.topics[topic].name)
        return handle
    }

    // MARK: Sending

    /// Gives librdkafka what may be sent now.
    func send(now: UInt64) {
        guard self.state.partitions.hasReady else { return }
        self.state.refusedTimes.wall = self.surroundings.time.wallMilliseconds
        let producers = self.producers
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
        guard let open = self.producers[slot.rawValue] else { return }
        let now = self.loop.nowMilliseconds
        let delivered = self.state.totals.delivered
        self.state.refusedTimes.wall = self.surroundings.time.wallMilliseconds
        open.producer.poll { signal in
            switch signal {
            case .reports(let reports): self.take(reports, from: slot, now: now)
            case .fatal(let failure): self.producerFailed(slot, failure, now: now)
            case .failure(let failure): self.clientFailed(failure)
            case .throttled(let milliseconds, let broker):
                self.target.health.throttled(for: milliseconds, by: broker, at: self.surroundings.time.wallMilliseconds)
            }
        }
        if self.state.totals.delivered != delivered {
            self.target.health.producersLast()
            self.targetAnswered()
        } else if self.target.health.trouble != nil {
            self.tellHealth()
        }
        self.turn()
    }

    private func take(_ reports: UnsafeBufferPointer<KafkaReport>, from slot: ProducerSlot, now: UInt64) {
        // Whoever waits for an event was there before it could be read, so one look is enough.
        if self.waiters.isEmpty {
            self.state.take(reports, from: slot, now: now)
        } else {
            for report in reports {
                guard self.state.report(report, from: slot, now: now) else { continue }
                let place = self.state.window.offset(of: UInt32(truncatingIfNeeded: report.token))
                self.waiters.settled(place, .record(partition: report.partition, offset: report.offset))
            }
        }
        self.state.reportsTaken(from: slot)
    }

    private func producerFailed(_ slot: ProducerSlot, _ failure: KafkaFailure, now: UInt64) {
        self.state.failed(slot, now: now)
        let advice = self.advice.text(for: failure, topic: nil) ?? ""
        self.logger.warning(
            "producer failed, it will be made anew",
            ["route": self.route, "producer": "\(slot)", "code": "\(failure.code)", "reason": failure.reason, "advice": advice])
        // One alone is mended by the next one, and so are those that refused records cost. Poll tells of it.
        guard slot == .main, self.state.producers[slot].failures > 1 else { return }
        self.target.health.producersFail(failure, at: self.surroundings.time.wallMilliseconds)
    }
}
