import Synchronization

/// What was logged while it was open, for tests.
///
/// Captures add to the sink and take nothing from it: lines still go to stderr as configured, and several captures can be open at once. The
/// process's sink is shared by all tests that run at the same time, so filter by label or by data of your own.
///
///     let log = LogCapture()
///     defer { log.close() }
///     …
///     #expect(log.records(label: "spool").contains { $0.message == "torn tail cut" && $0["bytes"] == "512" })
package final class LogCapture: Sendable {
    private let sink: LogSink
    private let taken: Mutex<[LogRecord]>
    private let limit: Int

    /// - Parameter limit: records beyond it are not kept, so that a flood in another test is harmless.
    package init(sink: LogSink = .shared, limit: Int = 100_000) {
        self.sink = sink
        self.limit = limit
        self.taken = Mutex([])
        sink.add(self)
    }

    /// Until then the sink keeps the capture, and evaluates debug lines for it.
    package func close() { self.sink.remove(self) }

    package var records: [LogRecord] { self.taken.withLock { $0 } }

    package func records(label: String) -> [LogRecord] { self.records.filter { $0.label == label } }

    func take(_ record: LogRecord) {
        self.taken.withLock { if $0.count < self.limit { $0.append(record) } }
    }
}
