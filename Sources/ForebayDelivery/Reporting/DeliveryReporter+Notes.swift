import ForebayCore
import ForebayKafka
import ForebayTelemetry

extension DeliveryReporter {
    /// One line for each change that an operator may want to know, with what to do about it.
    ///
    /// - Parameter refusedTimes: topics that wait because a broker refuses the time of acceptance.
    func tell(_ notes: [DeliveryActions.Note], refusedTimes: some Sequence<String>) {
        for note in notes { self.tell(note) }
        self.show(refusedTimes: Array(refusedTimes.sorted().prefix(5)))
    }

    private func tell(_ note: DeliveryActions.Note) {
        switch note {
        case .backsOff(let topic, let failure):
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
                    "advice": "their time of acceptance stands in the header \(DeliveryEngine.acceptedHeader); a larger "
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
}
