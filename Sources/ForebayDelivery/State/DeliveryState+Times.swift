import ForebayCore
import ForebayKafka
import ForebayTelemetry

/// Times that brokers refuse: a producer's own makes a dead letter; that of acceptance, which is ours, keeps no event from arriving.
///
///     too old: it waited for Kafka longer than its topic allows, and only gets older --> sent with the time of delivery
///     so was the time of delivery, when it came --> sent with that of now
///     ahead of the brokers' clock, or the clocks differ --> its topic waits: time heals it, or somebody who sets a clock
extension DeliveryState {
    struct RefusedTimes {
        /// Topics that wait because a broker refuses the time at which this node accepted an event.
        var topics: Set<String> = []
        /// This node's time of day in ms since 1970, which times that were refused are compared with; the engine keeps it.
        var wall: Int64 = 0
    }

    /// What a topic was set aside, or backs off, for may have been a time: it takes events again.
    mutating func timesTaken(of topic: String) {
        if self.refusedTimes.topics.remove(topic) != nil { self.actions.notes.append(.timeTaken(topic: topic)) }
    }

    /// Whether an event came without a time and so bears that of its acceptance, or one so close that the same can be said of it.
    func hasTimeOfAcceptance(_ flight: UInt32) -> Bool {
        let acceptedAt = self.window.acceptedAt(flight)
        let (difference, isBeyond) = self.window.event(of: flight).timestamp.subtractingReportingOverflow(acceptedAt)
        return !isBeyond && difference.magnitude <= 60_000
    }

    /// The broker does not take the time at which this node accepted an event that went alone.
    mutating func timeRefused(_ flight: UInt32, _ place: Int, now: UInt64) {
        let topic = self.partitions[place].topic
        let time = self.window.event(of: flight).timestamp
        let wasRedated = self.window[flight].flags.contains(.redated)
        let redatedAt = self.partitions[place].redatedAt
        self.requeue(flight, place, .single)
        if wasRedated, self.age(of: redatedAt) > Self.roundTrip, self.isPerhapsTooOld(redatedAt, topic) {
            // It waited in the client while the brokers were away.
            return self.resumeIfReported(place, now: now, backsOff: true)
        }
        if !wasRedated, self.isPerhapsTooOld(time, topic) {
            self.window[flight].flags.insert(.redated)
            self.redate(topic, after: time)
            return self.resumeIfReported(place, now: now)
        }
        // Not even the time of delivery: the clocks differ.
        self.window[flight].flags.remove(.redated)
        self.topics[topic].limits.redatesThrough = .min
        self.refusedTimes.topics.insert(self.topics[topic].name)
        let reason = self.reasonOfRefusal(of: time, topic)
        self.actions.noteOnce(.timeRefused(topic: self.topics[topic].name, reason: reason))
        self.topics[topic].limits.isStale = true
        self.topics.wantLimit(of: topic)
        self.fail(topic: topic, KafkaFailure(.invalidTimestamp, reason: reason), byDelivery: true, now: now)
        self.resumeIfReported(place, now: now, backsOff: true)
        self.settledOne(place, now: now)
    }

    /// Refused as too large with a header that its producer did not give it: it goes out without.
    ///
    /// - Returns: whether there was one.
    mutating func goesBare(_ flight: UInt32) -> Bool {
        guard self.window[flight].flags.contains(.redated), !self.window[flight].flags.contains(.bare) else { return false }
        self.window[flight].flags.insert(.bare)
        return true
    }

    /// Refused within this, a time of delivery was not too old for having waited; ms.
    private static let roundTrip: Int64 = 250

    /// By this node's clock, which need not be the brokers': half of what the topic takes is reason enough to try the time of delivery.
    private func isPerhapsTooOld(_ time: Int64, _ topic: Int) -> Bool {
        self.age(of: time) > (self.topics[topic].limits.times.before ?? 120_000) / 2
    }

    /// Of a time that is one of acceptance, by this node's clock too: no two such are further apart than numbers go.
    private func age(of time: Int64) -> Int64 { self.refusedTimes.wall &- time }

    /// What came about the same time goes out with the time of delivery from the start: each refusal costs a producer. Where the cluster
    /// doesn't tell what it takes, a little is added each time.
    private mutating func redate(_ topic: Int, after time: Int64) {
        let age = self.age(of: time)
        let taken = self.topics[topic].limits.times.before.map { $0 - $0 / 10 } ?? age - age / 8
        self.topics[topic].limits.redatesThrough = max(time, self.refusedTimes.wall - max(0, taken))
        self.actions.noteOnce(.timeReplaced(topic: self.topics[topic].name))
    }

    /// When it will be taken, and what lets it through now. Only a time that lies ahead of our own clock too is one to wait for.
    private func reasonOfRefusal(of time: Int64, _ topic: Int) -> String {
        guard time > self.refusedTimes.wall else {
            return
                "the brokers take neither its time of acceptance, \(Timestamp.rfc3339(time)), nor that of now: their clock and this node's differ "
                + "by more than message.timestamp.before.max.ms and message.timestamp.after.max.ms of the topic allow"
        }
        let from = self.topics[topic].limits.times.after.map { time.subtractingReportingOverflow($0) }
        var when = "when their clock has come near"
        if let from, !from.overflow, from.partialValue > self.refusedTimes.wall {
            when = "when their clock has come to \(Timestamp.rfc3339(from.partialValue))"
        }
        return
            "its time of acceptance, \(Timestamp.rfc3339(time)), is too far ahead of the brokers' clock: they take it \(when), or at once with "
            + "a larger message.timestamp.after.max.ms of the topic"
    }

    /// Why an event is dead, in words that name the topic's setting where the broker's don't.
    func reason(_ flight: UInt32, _ topic: Int, _ code: KafkaErrorCode) -> String {
        guard code == .invalidTimestamp else { return code.text }
        let time = self.window.event(of: flight).timestamp
        let isAhead = time > self.refusedTimes.wall
        let limit = isAhead ? self.topics[topic].limits.times.after : self.topics[topic].limits.times.before
        let told = limit.map { " (\($0))" } ?? ""
        return "\(code.text): \(Timestamp.rfc3339(time)) is "
            + (isAhead ? "further ahead than message.timestamp.after.max.ms" : "older than message.timestamp.before.max.ms")
            + "\(told) of the topic allows"
    }
}
