import ForebayCore
import ForebayKafka
import ForebayTelemetry
import Synchronization

/// What `status` shows of a forward stage.
struct DeliveryFacts {
    var totals = DeliveryState.Totals()
    var inFlight = 0
    /// None: this stage does not watch it, or has no answer yet.
    var isUp: Bool?
    /// What the target calls itself, once it has said so.
    var clusterID: String?
    /// Why the target takes nothing, with what to do about it.
    var trouble: (failure: KafkaFailure, advice: String?, since: Int64)?
    /// What the cursor waits for that can't be written: which log, why, and since when, in ms since 1970.
    var roomWants: [RoomWant] = []
    var inFlightBytes = 0
    /// On their way into the set-aside log.
    var leaving = 0
    /// Topics that take nothing now, with the reason; the first few.
    var held: [String] = []
    /// One that can't be set aside either, since too many topics are.
    var bounded: (topic: String, failure: KafkaFailure, advice: String?)?
    /// A partition that stands still while the cluster answers, with what to do about it; and since when, in ms since 1970.
    var stall: (stall: StallWatch.Stall, reason: String, advice: String?, since: Int64)?
    /// Topics that wait because a broker refuses the time of acceptance; the first few.
    var refusedTimes: [String] = []

    var facts: [Fact] {
        var facts = [
            Fact("delivered", .number(Int64(self.totals.delivered))), Fact("redelivered", .number(Int64(self.totals.redelivered))),
            Fact("dead", .number(Int64(self.totals.dead))), Fact("in_flight", .number(Int64(self.inFlight))),
            Fact("in_flight_bytes", .number(Int64(self.inFlightBytes))), Fact("leaving", .number(Int64(self.leaving))),
        ]
        if let isUp { facts.append(Fact("target_up", .flag(isUp))) }
        if let clusterID { facts.append(Fact("cluster_id", .text(clusterID))) }
        if let (failure, advice, since) = self.trouble {
            facts.append(Fact("error_code", .text("\(failure.code)")))
            facts.append(Fact("error_reason", .text(failure.reason)))
            if let advice { facts.append(Fact("error_advice", .text(advice))) }
            facts.append(Fact("error_since", .number(since)))
        }
        if let want = self.roomWants.min(by: { $0.since < $1.since }) {
            facts.append(Fact("room_code", .text("\(want.error.code)")))
            facts.append(Fact("room_reason", .text("\(want.log.trouble): \(want.error)")))
            facts.append(Fact("room_advice", .text(want.advice)))
            facts.append(Fact("room_since", .number(want.since)))
        }
        if let (topic, failure, advice) = self.bounded {
            facts.append(Fact("bound_code", .text("\(failure.code)")))
            facts.append(
                Fact("bound_reason", .text("too many topics are set aside to add \(topic), so the route waits: \(failure.reason)")))
            let remedy =
                "stop the producer that makes up topic names; deliver some of what is set aside (forebay setaside ls), and the route goes on"
            facts.append(Fact("bound_advice", .text(advice.map { "\(remedy); or \($0)" } ?? remedy)))
        }
        if let (stall, reason, advice, since) = self.stall, self.isUp == true {
            facts.append(Fact("stall_code", .text("\(stall.code)")))
            facts.append(Fact("stall_reason", .text(reason)))
            if let advice { facts.append(Fact("stall_advice", .text(advice))) }
            facts.append(Fact("stall_since", .number(since)))
        }
        if !self.held.isEmpty { facts.append(Fact("held", .text(self.held.joined(separator: "; ")))) }
        if !self.refusedTimes.isEmpty { facts.append(Fact("times_refused", .text(self.refusedTimes.joined(separator: ", ")))) }
        return facts
    }
}

/// A side log that takes nothing now, so that the cursor waits.
struct RoomWant {
    enum Log {
        case setAside, deadLetters

        var trouble: String {
            switch self {
            case .setAside: "events can't be set aside, and the cursor waits"
            case .deadLetters: "dead letters can't be written, and the cursor waits"
            }
        }

        var advice: String {
            switch self {
            case .setAside:
                "make room on the disk of data_dir (bytes and inodes: df -h, df -i), or raise buffer.spool.max_size and restart; what is asked for"
                    + " again, and there, needs no room"
            case .deadLetters:
                "mend what refuses them (the topic's settings): they are asked for again; or remove old ones ('forebay deadletters rm'), raise"
                    + " buffer.spool.max_size and restart, or make room on the disk of data_dir (df -h, df -i)"
            }
        }
    }

    let log: Log
    let error: ForebayError
    let since: Int64

    var advice: String {
        if self.error.code == .spoolFull { return self.log.advice }
        if self.error.code == .unavailable { return "nothing: the node is stopping, and goes on at its next start" }
        return "mend what the error says (permissions in data_dir, the limit of open files, the disk: dmesg); it is tried again by itself"
    }
}

extension DeliveryEngine {
    // MARK: Room

    /// A log takes nothing: shown until it does.
    func wantsRoom(for log: RoomWant.Log, _ error: ForebayError) {
        let now = self.surroundings.time.wallMilliseconds
        self.roomWantedAt[log] = self.loop.nowMilliseconds
        self.shown.withLock { shown in
            let since = shown.roomWants.first { $0.log == log }?.since ?? now
            shown.roomWants.removeAll { $0.log == log }
            shown.roomWants.append(RoomWant(log: log, error: error, since: since))
        }
        self.metrics.waitsForRoom.set(1)
    }

    func hasRoom(for log: RoomWant.Log) {
        self.roomWantedAt[log] = nil
        let isFree = self.shown.withLock { shown in
            shown.roomWants.removeAll { $0.log == log }
            return shown.roomWants.isEmpty
        }
        if isFree { self.metrics.waitsForRoom.set(0) }
    }

    /// A run begins, or what wanted room came back from where it went.
    func forgetRoomWants() {
        self.roomWantedAt = [:]
        self.shown.withLock { $0.roomWants = [] }
        self.metrics.waitsForRoom.set(0)
    }

    /// Brings counters and facts up to date: once a turn, not once an event.
    func count() {
        let totals = self.state.totals
        let before = self.shown.withLock { shown in
            defer {
                shown.totals = totals
                shown.inFlight = self.state.window.count
                shown.inFlightBytes = self.heldBytes
                shown.leaving = self.departing.reduce(0) { $0 + $1.flights.count }
                shown.held = self.heldTopics
                shown.bounded = self.boundedTopic
            }
            return shown.totals
        }
        self.metrics.inFlight.set(Double(self.state.window.count))
        if !self.state.actions.deliveries.isEmpty {
            let now = self.surroundings.time.wallMilliseconds
            for (acceptedAt, count) in self.state.actions.deliveries {
                // As floating point: what is on disk may say anything.
                self.metrics.endToEnd.observe(max(0, Double(now) - Double(acceptedAt)) / 1000, count: count)
            }
            self.state.actions.deliveries.removeAll(keepingCapacity: true)
        }
        // A new run counts from 0 again.
        let base = totals.delivered >= before.delivered ? before : DeliveryState.Totals()
        for (topic, events, bytes) in self.state.takeDelivered() { self.metrics.delivered(events, bytes: bytes, to: topic) }
        if totals.redelivered > base.redelivered { self.metrics.redelivered.increment(by: totals.redelivered - base.redelivered) }
    }

    // MARK: The target

    /// The cluster answered, or took an event.
    func targetAnswered() {
        self.target.heardAt = self.loop.nowMilliseconds
        self.target.wantsAnswer = false
        let away = self.target.health.answered(at: self.surroundings.time.wallMilliseconds)
        guard self.way == .direct else { return }
        self.showHealth()
        guard let away else { return }
        self.logger.info("the cluster answers again", ["route": self.route, "seconds": "\(away / 1000)"])
    }

    /// The cluster was asked and did not answer.
    func targetFailed(_ failure: KafkaFailure) {
        self.target.health.failed(failure, at: self.surroundings.time.wallMilliseconds)
        self.tellHealth()
    }

    /// The client met a failure that it goes on trying.
    func clientFailed(_ failure: KafkaFailure) {
        self.target.clientFailedAt = self.loop.nowMilliseconds
        let before = self.target.health.trouble?.failure.code
        self.target.health.heard(failure, at: self.surroundings.time.wallMilliseconds)
        guard self.way == .direct, self.target.health.trouble?.failure.code != before else { return }
        self.tellHealth()
        self.target.wantsAnswer = true  // So that its return is seen, though nothing may be sent meanwhile.
        self.wakeups.wanted[ProducerSlot.main.rawValue].notify()
    }

    /// Tells what is new of the target's trouble: a reason once, not each time it is met again. For both stages of the route the direct one
    /// does.
    func tellHealth() {
        guard self.way == .direct else { return }
        self.showHealth()
        guard let trouble = self.target.health.trouble, trouble.failure != self.target.told else { return }
        self.target.told = trouble.failure
        let failure = trouble.failure
        self.logger.warning(
            TargetHealth.message(for: failure, isOfProducers: trouble.isOfProducers),
            [
                "route": self.route, "code": "\(failure.code)", "reason": failure.reason,
                "advice": self.advice.text(for: failure, topic: nil) ?? "",
            ])
    }

    private func showHealth() {
        let (isUp, trouble) = (self.target.health.isUp, self.target.health.trouble)
        if trouble == nil { self.target.told = nil }
        self.metrics.targetUp?.set(isUp == true ? 1 : 0)
        let advice = trouble.flatMap { self.advice.text(for: $0.failure, topic: nil) }
        self.shown.withLock {
            $0.isUp = isUp
            $0.trouble = trouble.map { ($0.failure, advice, $0.since) }
        }
    }

    // MARK: Notes

    /// One line for each change that an operator may want to know, with what to do about it.
    func tellNotes() {
        for note in self.state.actions.notes {
            switch note {
            case .held(let topic, let failure):
                let advice = self.advice.text(for: failure, topic: topic) ?? ""
                self.logger.warning(
                    "topic takes no events now; too many topics are set aside to add it, so its route waits",
                    ["route": self.route, "topic": topic, "code": "\(failure.code)", "reason": failure.reason, "advice": advice])
            case .timeTaken: break  // Told when the topic takes events, or goes direct, again.
            case .released(let topic): self.logger.info("topic takes events again", ["route": self.route, "topic": topic])
            case .suspects(let topic, let count, let code):
                self.logger.warning(
                    "a batch was refused, its events go one at a time",
                    ["route": self.route, "topic": topic, "events": "\(count)", "code": "\(code)"])
            case .unknownError(let topic, let code):
                self.metrics.unknownErrors.increment()
                self.logger.error(
                    "delivery failed with an unknown code, its events wait", ["route": self.route, "topic": topic, "code": "\(code)"])
            case .timeReplaced(let topic):
                self.logger.warning(
                    "events waited for longer than their topic allows; they are sent with the time of delivery",
                    [
                        "route": self.route, "topic": topic, "code": "\(KafkaErrorCode.invalidTimestamp)",
                        "advice": "their time of acceptance stands in the header \(Self.acceptedHeader); a larger "
                            + "message.timestamp.before.max.ms of the topic lets them keep it",
                    ])
            case .timeRefused(let topic, let reason):
                self.logger.error(
                    "the broker refuses the time at which this node accepted an event; the topic's events wait",
                    [
                        "route": self.route, "topic": topic, "code": "\(KafkaErrorCode.invalidTimestamp)", "reason": reason,
                        "advice": self.advice.text(for: KafkaFailure(.invalidTimestamp), topic: topic) ?? "",
                    ])
            }
        }
        self.state.actions.notes = []
        let refusedTimes = self.state.refusedTimes.topics.sorted().prefix(5)
        self.shown.withLock { $0.refusedTimes = Array(refusedTimes) }
    }

    private var heldTopics: [String] {
        self.state.topics.held.topics.prefix(5).compactMap { index in
            guard case .held = self.state.topics[index].phase, let failure = self.state.topics[index].trouble.failure else { return nil }
            return "\(self.state.topics[index].name): \(failure.code)"
        }
    }

    /// One that is held because no more can be set aside.
    private var boundedTopic: (topic: String, failure: KafkaFailure, advice: String?)? {
        for index in self.state.topics.held.topics.prefix(100) where self.state.topics[index].trouble.told != nil {
            guard case .held = self.state.topics[index].phase, let failure = self.state.topics[index].trouble.failure else { continue }
            let name = self.state.topics[index].name
            return (name, failure, self.advice.text(for: failure, topic: name))
        }
        return nil
    }
}
