import ForebayTelemetry

/// What is told of a client: what fails, with advice, and librdkafka's own lines.
struct KafkaClientLog: Sendable {
    private let client: String
    private let advice: KafkaAdvice
    private let logger = Logger(label: "kafka")

    /// - Parameter client: its name, `forward/orders`.
    init(client: String, advice: KafkaAdvice) {
        (self.client, self.advice) = (client, advice)
    }

    func tell(_ failure: KafkaFailure) {
        guard !Self.isConnectionsEnd(failure) else {
            return self.logger.info(
                "a broker closed a connection", ["client": self.client, "code": "\(failure.code)", "reason": failure.reason])
        }
        let advice = self.advice.text(for: failure, topic: nil) ?? ""
        self.logger.warning(
            "Kafka client error", ["client": self.client, "code": "\(failure.code)", "reason": failure.reason, "advice": advice])
    }

    /// - Parameters:
    ///   - file: where another password was found.
    ///   - refusal: why librdkafka does not take it.
    func tellRenewed(_ file: String, refusal: String?) {
        if let refusal {
            self.logger.warning("the client does not take the new password", ["client": self.client, "reason": refusal])
        } else {
            self.logger.info(
                "the password's file says another one by now; the client logs in with that", ["client": self.client, "file": file])
        }
    }

    /// - Parameter level: as syslog counts them.
    func tell(line text: String, of facility: String, level: Int32) {
        let data: KeyValuePairs = ["client": self.client, "facility": facility, "text": text]
        // Told at each start, of what the promise rests on: nothing that an operator could do about it.
        let isOurs = facility == "CONFWARN" && text.contains("enable.gapless.guarantee")
        switch level {
        case _ where isOurs: self.logger.debug("librdkafka", data)
        // Never higher: what an operator must act on is told with its advice.
        case ...4: self.logger.info("librdkafka", data)
        default: self.logger.debug("librdkafka", data)
        }
    }

    /// Brokers close connections that were idle, or when they stop. If nobody takes the next one, that failure comes with a cause.
    static func isConnectionsEnd(_ failure: KafkaFailure) -> Bool {
        failure.code == .transport && failure.reason.hasSuffix(": Disconnected")
    }

    /// Cuts off "(after 348ms in state …, 3 identical error(s) suppressed)", so that equal failures have equal lines and are folded.
    static func withoutTimes(_ text: String) -> String {
        guard text.hasSuffix(")"), let times = text.ranges(of: " (after ").last else { return text }
        return String(text[..<times.lowerBound])
    }
}
