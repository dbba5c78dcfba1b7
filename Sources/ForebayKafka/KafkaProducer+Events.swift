import CRDKafka
import Glibc

extension KafkaProducer {
    /// Tells everything that waits. Call it when woken.
    package func poll(_ handle: (KafkaSignal) -> Void) {
        guard !self.isClosed else { return }
        var count: UInt64 = 0
        // Before the queue is read: what comes after that writes again. EAGAIN: it was read already.
        _ = read(self.client.handle.wakeup, &count, MemoryLayout<UInt64>.size)
        while !self.isClosed, let event = rd_kafka_queue_poll(self.client.handle.events, 0) {
            defer { rd_kafka_event_destroy(event) }
            switch rd_kafka_event_type(event) {
            case RD_KAFKA_EVENT_DR: self.takeReports(event, handle)
            case RD_KAFKA_EVENT_ERROR: handle(self.signal(of: event))
            case RD_KAFKA_EVENT_LOG: self.takeLine(event)
            case RD_KAFKA_EVENT_STATS: self.takeStatistics(event)
            case RD_KAFKA_EVENT_DESCRIBECONFIGS_RESULT: self.takeLimits(event)
            default: break
            }
        }
        if let (milliseconds, broker) = self.client.takeThrottle() { handle(.throttled(milliseconds: milliseconds, broker: broker)) }
    }

    /// What is looked for stands at the beginning; behind it come all topics, which may be many MB.
    private static let statisticsLimit = 1 << 20

    private func takeStatistics(_ event: OpaquePointer) {
        guard let statistics, let text = rd_kafka_event_stats(event) else { return }
        statistics.update(UnsafeRawBufferPointer(start: text, count: strnlen(text, Self.statisticsLimit)))
    }

    private func takeReports(_ event: OpaquePointer, _ handle: (KafkaSignal) -> Void) {
        withUnsafeTemporaryAllocation(of: forebay_report.self, capacity: KafkaReports.atOnce) { raw in
            while true {
                let count = forebay_take_reports(event, raw.baseAddress, raw.count)
                guard count > 0 else { return }
                self.reports.take(UnsafeBufferPointer(rebasing: raw[..<count]))
                self.reports.withAll { handle(.reports($0)) }
            }
        }
    }

    /// A fatal error comes with the code of its cause or with `_FATAL`, by the way it was raised; the client itself knows for sure.
    private func signal(of event: OpaquePointer) -> KafkaSignal {
        let fatal = withUnsafeTemporaryAllocation(of: CChar.self, capacity: 512) { text in
            text.initialize(repeating: 0)
            let code = KafkaErrorCode(rd_kafka_fatal_error(self.client.handle.client, text.baseAddress, text.count))
            return code.isError ? KafkaFailure(code, reason: String(cString: text.baseAddress!)) : nil
        }
        if let fatal { return .fatal(fatal) }
        let text = String(cString: rd_kafka_event_error_string(event))
        let failure = KafkaFailure(KafkaErrorCode(rd_kafka_event_error(event)), reason: KafkaClientLog.withoutTimes(text))
        self.log.tell(failure)
        if failure.code == .authentication { self.renewPassword() }
        return .failure(failure)
    }

    /// The login was refused: the password may have been rotated, in its file too.
    private func renewPassword() {
        guard let password else { return }
        let (handle, log) = (self.client.handle, self.log)
        self.client.run {
            guard let renewed = password.renewed() else { return }
            let error = rd_kafka_sasl_set_credentials(handle.client, password.user, renewed)
            log.tellRenewed(password.file, refusal: error.map { String(cString: rd_kafka_error_string($0)) })
            if let error { rd_kafka_error_destroy(error) }
        }
    }

    private func takeLine(_ event: OpaquePointer) {
        var facility: UnsafePointer<CChar>?
        var text: UnsafePointer<CChar>?
        var level: Int32 = 6
        guard rd_kafka_event_log(event, &facility, &text, &level) == 0, let text, let facility else { return }
        self.log.tell(line: String(cString: text), of: String(cString: facility), level: level)
    }
}
