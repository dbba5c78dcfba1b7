import CRDKafka
import ForebayTelemetry
import Glibc

extension KafkaProducer {
    /// So that the copies of a large event stay in the cache.
    static let reportsAtOnce = 1024

    /// Tells everything that waits. Call it when woken.
    package func poll(_ handle: (KafkaSignal) -> Void) {
        guard !self.isClosed else { return }
        var count: UInt64 = 0
        // Before the queue is read: what comes after that writes again. EAGAIN: it was read already.
        _ = read(self.handle.wakeup, &count, MemoryLayout<UInt64>.size)
        while !self.isClosed, let event = rd_kafka_queue_poll(self.handle.events, 0) {
            defer { rd_kafka_event_destroy(event) }
            switch rd_kafka_event_type(event) {
            case RD_KAFKA_EVENT_DR: self.takeReports(event, handle)
            case RD_KAFKA_EVENT_ERROR: handle(self.signal(of: event))
            case RD_KAFKA_EVENT_LOG: self.log(event)
            case RD_KAFKA_EVENT_STATS: self.takeStatistics(event)
            case RD_KAFKA_EVENT_DESCRIBECONFIGS_RESULT: self.takeLimits(event)
            default: break
            }
        }
        if let (milliseconds, broker) = self.throttle.take() { handle(.throttled(milliseconds: milliseconds, broker: broker)) }
    }

    /// What is looked for stands at the beginning; behind it come all topics, which may be many MB.
    private static let statisticsLimit = 1 << 20

    private func takeStatistics(_ event: OpaquePointer) {
        guard let statistics, let text = rd_kafka_event_stats(event) else { return }
        statistics.update(UnsafeRawBufferPointer(start: text, count: strnlen(text, Self.statisticsLimit)))
    }

    private func takeReports(_ event: OpaquePointer, _ handle: (KafkaSignal) -> Void) {
        withUnsafeTemporaryAllocation(of: forebay_report.self, capacity: Self.reportsAtOnce) { raw in
            while true {
                let count = forebay_take_reports(event, raw.baseAddress, raw.count)
                guard count > 0 else { return }
                self.reports.removeAll(keepingCapacity: true)
                for index in 0..<count {
                    let report = raw[index]
                    self.reports.append(
                        KafkaReport(
                            token: report.token, offset: report.offset, partition: report.partition,
                            error: KafkaErrorCode(rawValue: report.error),
                            mayBeStored: report.status != Int32(RD_KAFKA_MSG_STATUS_NOT_PERSISTED.rawValue)))
                }
                self.reports.withUnsafeBufferPointer { handle(.reports($0)) }
            }
        }
    }

    /// A fatal error comes with the code of its cause or with `_FATAL`, by the way it was raised; the client itself knows for sure.
    private func signal(of event: OpaquePointer) -> KafkaSignal {
        let fatal = withUnsafeTemporaryAllocation(of: CChar.self, capacity: 512) { text in
            text.initialize(repeating: 0)
            let code = KafkaErrorCode(rd_kafka_fatal_error(self.handle.client, text.baseAddress, text.count))
            return code.isError ? KafkaFailure(code, reason: String(cString: text.baseAddress!)) : nil
        }
        if let fatal { return .fatal(fatal) }
        let text = String(cString: rd_kafka_event_error_string(event))
        let failure = KafkaFailure(KafkaErrorCode(rd_kafka_event_error(event)), reason: Self.withoutTimes(text))
        self.tell("Kafka client error", failure)
        if failure.code == .authentication { self.renewPassword() }
        return .failure(failure)
    }

    /// The login was refused: the password may have been rotated, in its file too.
    private func renewPassword() {
        guard let password else { return }
        let (handle, name, logger) = (self.handle, self.name, self.logger)
        self.thread.run {
            guard let renewed = password.renewed() else { return }
            if let error = rd_kafka_sasl_set_credentials(handle.client, password.user, renewed) {
                logger.warning(
                    "the client does not take the new password", ["client": name, "reason": String(cString: rd_kafka_error_string(error))])
                return rd_kafka_error_destroy(error)
            }
            logger.info(
                "the password's file says another one by now; the client logs in with that", ["client": name, "file": password.file])
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

    private func tell(_ message: String, _ failure: KafkaFailure) {
        guard !Self.isConnectionsEnd(failure) else {
            return self.logger.info(
                "a broker closed a connection", ["client": self.name, "code": "\(failure.code)", "reason": failure.reason])
        }
        let advice = self.advice.text(for: failure, topic: nil) ?? ""
        self.logger.warning(message, ["client": self.name, "code": "\(failure.code)", "reason": failure.reason, "advice": advice])
    }

    private func log(_ event: OpaquePointer) {
        var facility: UnsafePointer<CChar>?
        var text: UnsafePointer<CChar>?
        var level: Int32 = 6
        guard rd_kafka_event_log(event, &facility, &text, &level) == 0, let text, let facility else { return }
        let data: KeyValuePairs = ["client": self.name, "facility": String(cString: facility), "text": String(cString: text)]
        // Told at each start, of what the promise rests on: nothing that an operator could do about it.
        let isOurs = data[1].value == "CONFWARN" && data[2].value.contains("enable.gapless.guarantee")
        switch level {
        case _ where isOurs: self.logger.debug("librdkafka", data)
        // Never higher: what an operator must act on is told with its advice.
        case ...4: self.logger.info("librdkafka", data)
        default: self.logger.debug("librdkafka", data)
        }
    }
}
