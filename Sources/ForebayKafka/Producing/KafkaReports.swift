import CRDKafka

/// Reports on their way from librdkafka to who handles them: the last few taken, always in the same memory.
struct KafkaReports {
    /// So that the copies of a large event stay in the cache.
    static let atOnce = 1024

    private var reports: [KafkaReport] = []

    init() { self.reports.reserveCapacity(Self.atOnce) }

    /// In the place of those before.
    ///
    /// - Parameter raw: at most ``atOnce``.
    mutating func take(_ raw: UnsafeBufferPointer<forebay_report>) {
        self.reports.removeAll(keepingCapacity: true)
        for report in raw {
            self.reports.append(
                KafkaReport(
                    token: report.token, offset: report.offset, partition: report.partition, error: KafkaErrorCode(rawValue: report.error),
                    mayBeStored: report.status != Int32(RD_KAFKA_MSG_STATUS_NOT_PERSISTED.rawValue)))
        }
    }

    /// - Parameter body: gets them in the order in which they were taken; they are valid during the call.
    func withAll(_ body: (UnsafeBufferPointer<KafkaReport>) -> Void) { self.reports.withUnsafeBufferPointer(body) }
}
