import ForebayCore
import ForebayKafka
import ForebayTelemetry
import Synchronization

/// Tells of what an engine does: in logs, with what to do about it, in metrics, in `status`, and to requests that wait for their events.
final class DeliveryReporter: Sendable {
    /// For logs.
    let route: String
    let metrics: DeliveryMetrics
    let advice: KafkaAdvice
    let logger: Logger
    let waiters: DeliveryWaiters
    private let shown = Mutex(DeliveryFacts())

    init(_ way: DeliveryWay, of name: DeliveryName, properties: KafkaProperties, waiters: DeliveryWaiters, registry: MetricsRegistry) {
        self.route = name.description
        self.metrics = DeliveryMetrics(registry: registry, of: name, way)
        self.advice = KafkaAdvice(properties: properties)
        self.logger = Logger(label: way == .direct ? name.stage.rawValue : "setaside")
        self.waiters = waiters
    }

    var facts: [Fact] { self.shown.withLock { $0.facts } }

    func begin() {
        self.shown.withLock { $0.stall = nil }
        self.show([])
    }

    // MARK: What is shown

    /// The logs that take nothing.
    func show(_ wants: [RoomWant]) {
        self.shown.withLock { $0.roomWants = wants }
        self.metrics.waitsForRoom.set(wants.isEmpty ? 0 : 1)
    }

    /// Brings counters and facts up to date: once a turn, not once an event.
    ///
    /// - Parameters:
    ///   - memory: bytes in flight.
    ///   - settingAside: events on their way into the set-aside log.
    func count(_ state: inout DeliveryState, memory: Int, settingAside: Int, wall: () -> Int64) {
        let totals = state.totals
        let before = self.shown.withLock { shown in
            defer {
                shown.totals = totals
                shown.inFlight = state.window.count
                shown.inFlightBytes = memory
                shown.settingAside = settingAside
                shown.backingOff = state.backingOffTopics
                shown.bounded = self.bounded(state)
            }
            return shown.totals
        }
        self.metrics.inFlight.set(Double(state.window.count))
        if !state.actions.deliveries.isEmpty {
            let now = wall()
            for (acceptedAt, count) in state.actions.deliveries {
                // As floating point: what is on disk may say anything.
                self.metrics.endToEnd.observe(max(0, Double(now) - Double(acceptedAt)) / 1000, count: count)
            }
            state.actions.deliveries.removeAll(keepingCapacity: true)
        }
        // A new run counts from 0 again.
        let base = totals.delivered >= before.delivered ? before : DeliveryState.Totals()
        for (topic, events, bytes) in state.takeDelivered() { self.metrics.delivered(events, bytes: bytes, to: topic) }
        if totals.redelivered > base.redelivered { self.metrics.redelivered.increment(by: totals.redelivered - base.redelivered) }
    }

    private func bounded(_ state: DeliveryState) -> (topic: String, failure: KafkaFailure, advice: String?)? {
        state.boundedTopic.map { ($0.name, $0.failure, self.advice.text(for: $0.failure, topic: $0.name)) }
    }

    /// Nobody else tells of a partition that waits for long before it is set aside.
    ///
    /// - Parameter silent: of a stall, for how many ms it has not moved.
    func show(_ stall: StallWatch.Stall?, patience: Int, wall: Int64, silent: (StallWatch.Stall) -> Int64) {
        guard self.shown.withLock({ $0.stall?.stall != stall }) else { return }
        let shown = stall.map { stall in
            (
                stall,
                "partition \(stall.partition) of topic \(stall.topic) takes nothing, though the cluster answers; it is set aside after "
                    + "delivery.set_aside.partition_after (\(patience / 1000) s)",
                self.advice.text(for: KafkaFailure(stall.code), topic: stall.topic), wall - silent(stall)
            )
        }
        self.shown.withLock { $0.stall = shown }
    }

    /// Topics that wait because a broker refuses the time of acceptance; the first few.
    func show(refusedTimes: [String]) {
        self.shown.withLock { $0.refusedTimes = refusedTimes }
    }

    // MARK: The target

    func show(_ health: TargetHealth) {
        let (isUp, trouble) = (health.isUp, health.trouble)
        self.metrics.targetUp?.set(isUp == true ? 1 : 0)
        let advice = trouble.flatMap { self.advice.text(for: $0.failure, topic: nil) }
        self.shown.withLock {
            $0.isUp = isUp
            $0.trouble = trouble.map { ($0.failure, advice, $0.since) }
        }
    }

    /// What the target calls itself.
    func show(clusterID: String) {
        self.shown.withLock { $0.clusterID = clusterID }
    }

    func tell(_ trouble: TargetHealth.Trouble) {
        let failure = trouble.failure
        self.logger.warning(
            TargetHealth.message(for: failure, isOfProducers: trouble.isOfProducers),
            [
                "route": self.route, "code": "\(failure.code)", "reason": failure.reason,
                "advice": self.advice.text(for: failure, topic: nil) ?? "",
            ])
    }

    // MARK: What became of events

    /// Its dead letter is durable.
    ///
    /// - Parameter number: the letter's.
    func deadLetterWritten(_ letter: DeadLetter, _ code: KafkaErrorCode, number: UInt64) {
        self.metrics.deadLetter(letter.topic, code: letter.code)
        self.waiters.settled(letter.offset, .dead(code: letter.code, letter: number))
        let advice = self.advice.text(for: KafkaFailure(code), topic: letter.topic) ?? ""
        self.logger.warning(
            "event refused for good, it is in the dead letters",
            [
                "route": self.route, "topic": letter.topic, "id": letter.eventID, "code": letter.code, "reason": letter.reason,
                "advice": advice,
            ])
    }

    /// It is durable in the set-aside log, or was delivered on its way there.
    ///
    /// - Parameter offset: asked for only while anybody waits.
    func setAside(_ offset: () -> Offset) {
        if !self.waiters.isEmpty { self.waiters.setAside(offset()) }
    }

    func producerFailed(_ slot: ProducerSlot, _ failure: KafkaFailure) {
        self.logger.warning(
            "producer failed, it will be made anew",
            [
                "route": self.route, "producer": "\(slot)", "code": "\(failure.code)", "reason": failure.reason,
                "advice": self.advice.text(for: failure, topic: nil) ?? "",
            ])
    }

    func limitsForbidden(_ limit: KafkaTopicLimit) {
        self.logger.warning(
            "the settings of topics can't be read: batches may be refused as too large, and cost time until they fit",
            [
                "route": self.route, "topic": limit.topic, "code": "\(limit.error)",
                "advice": "grant DescribeConfigs on the topics to this client's principal",
            ])
    }
}
