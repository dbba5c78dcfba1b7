import ForebayCore
import ForebayKafka
import ForebayTelemetry
import Synchronization

/// What `status` shows of a forward stage.
struct ForwardFacts {
    var totals = ForwardState.Totals()
    var inFlight = 0
    /// None: this stage does not watch it.
    var isUp: Bool?
    var inFlightBytes = 0
    /// On their way into the set-aside log.
    var leaving = 0
    /// Topics that take nothing now, with the reason; the first few.
    var held: [String] = []

    var facts: [Fact] {
        var facts = [
            Fact("delivered", .number(Int64(self.totals.delivered))), Fact("redelivered", .number(Int64(self.totals.redelivered))),
            Fact("dead", .number(Int64(self.totals.dead))), Fact("in_flight", .number(Int64(self.inFlight))),
            Fact("in_flight_bytes", .number(Int64(self.inFlightBytes))), Fact("leaving", .number(Int64(self.leaving))),
        ]
        if let isUp { facts.append(Fact("target_up", .flag(isUp))) }
        if !self.held.isEmpty { facts.append(Fact("held", .text(self.held.joined(separator: "; ")))) }
        return facts
    }
}

extension ForwardStage {
    /// Brings counters and facts up to date: once a turn, not once an event.
    func count() {
        let totals = self.state.totals
        let before = self.shown.withLock { shown in
            defer {
                shown.totals = totals
                shown.inFlight = self.state.flights.count
                shown.inFlightBytes = self.heldBytes
                shown.leaving = self.parting.reduce(0) { $0 + $1.flights.count }
            }
            return shown.totals
        }
        self.metrics.inFlight.set(Double(self.state.flights.count))
        if !self.state.settledBatches.isEmpty {
            let now = self.surroundings.time.wallMilliseconds
            for batch in self.state.settledBatches {
                self.metrics.endToEnd.observe(Double(now - batch.acceptedAt) / 1000, count: batch.count)
            }
            self.state.settledBatches.removeAll(keepingCapacity: true)
        }
        // A new run counts from 0 again.
        let base = totals.delivered >= before.delivered ? before : ForwardState.Totals()
        if totals.delivered > base.delivered {
            self.metrics.delivered.increment(by: totals.delivered - base.delivered)
            self.metrics.deliveredBytes.increment(by: totals.deliveredBytes - base.deliveredBytes)
        }
        if totals.redelivered > base.redelivered { self.metrics.redelivered.increment(by: totals.redelivered - base.redelivered) }
    }

    func setTargetUp(_ isUp: Bool) {
        self.metrics.targetUp?.set(isUp ? 1 : 0)
        self.shown.withLock { $0.isUp = isUp }
    }

    /// One line for each change that an operator may want to know, with what to do about it.
    func tellNotes() {
        for note in self.state.notes {
            switch note {
            case .held(let topic, let failure):
                let advice = self.advice.text(for: failure, topic: topic) ?? ""
                self.logger.warning(
                    "topic takes no events now; too many topics are set aside to add it, so its route waits",
                    ["route": self.route, "topic": topic, "code": "\(failure.code)", "reason": failure.reason, "advice": advice])
            case .released(let topic): self.logger.info("topic takes events again", ["route": self.route, "topic": topic])
            case .suspects(let topic, let count, let code):
                self.logger.warning(
                    "a batch was refused, its events go one at a time",
                    ["route": self.route, "topic": topic, "events": "\(count)", "code": "\(code)"])
            case .unknownError(let topic, let code):
                self.metrics.unknownErrors.increment()
                self.logger.error(
                    "delivery failed with an unknown code, its events wait", ["route": self.route, "topic": topic, "code": "\(code)"])
            }
        }
        self.state.notes = []
        let held = self.state.held.prefix(5).compactMap { index in
            self.state.topics[index].failure.map { "\(self.state.topics[index].name): \($0.code)" }
        }
        self.shown.withLock { $0.held = held }
    }
}
