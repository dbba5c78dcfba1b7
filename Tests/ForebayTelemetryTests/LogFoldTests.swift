import Testing

@testable import ForebayTelemetry

@Suite("Log folding")
struct LogFoldTests {
    private func warning(_ message: String = "write failed", _ data: KeyValuePairs<String, String> = [:]) -> LogRecord {
        LogRecord(.warning, "spool", message, data)
    }

    @Test("the first is written, equals are counted until the window is over")
    func folds() {
        let fold = Folding()
        let record = self.warning("write failed", ["error": "EIO"])
        #expect(fold.admit(record, at: 0))
        for time in 1...512 { #expect(!fold.admit(record, at: Int64(time))) }
        #expect(fold.summaries(at: LogFold.window - 1).isEmpty)

        let summaries = fold.summaries(at: LogFold.window)

        #expect(summaries == [.init(record: record, repeats: .init(count: 512, isVarious: false, last: 512))])
    }

    @Test("what goes on is said once a window, what stopped is written anew when it comes again")
    func windows() {
        let fold = Folding()
        _ = fold.admit(self.warning(), at: 0)
        _ = fold.admit(self.warning(), at: 1)
        #expect(fold.summaries(at: 10_000).count == 1)
        #expect(!fold.admit(self.warning(), at: 10_001))
        #expect(fold.summaries(at: 20_000).map(\.repeats.count) == [1])
        #expect(fold.summaries(at: 30_000).isEmpty)
        #expect(fold.admit(self.warning(), at: 30_001))
    }

    @Test("info and debug are never folded")
    func infoIsNotFolded() {
        let fold = Folding()
        for _ in 0..<3 { #expect(fold.admit(LogRecord(.info, "a", "b"), at: 0)) }
    }

    @Test("other messages, labels and levels are other lines")
    func identity() {
        let fold = Folding()
        #expect(fold.admit(LogRecord(.warning, "a", "b"), at: 0))
        #expect(fold.admit(LogRecord(.error, "a", "b"), at: 0))
        #expect(fold.admit(LogRecord(.warning, "a", "c"), at: 0))
        #expect(fold.admit(LogRecord(.warning, "c", "b"), at: 0))
    }

    @Test("a message with ever new data is written ten times, then counted")
    func variants() {
        let fold = Folding()
        let written = (0..<1000).filter { fold.admit(self.warning("refused", ["port": "\($0)"]), at: 0) }
        #expect(written.count == LogFold.variants)

        let summaries = fold.summaries(at: LogFold.window)

        #expect(summaries == [.init(record: self.warning("refused"), repeats: .init(count: 990, isVarious: true, last: 0))])
        // A new window makes room for what is new.
        #expect(fold.admit(self.warning("refused", ["port": "new"]), at: LogFold.window + 1))
    }

    @Test("each variant keeps its own count")
    func variantCounts() {
        let fold = Folding()
        for index in 0..<30 { _ = fold.admit(self.warning("refused", ["topic": index % 3 == 0 ? "a" : "b"]), at: 0) }
        let counts = fold.summaries(at: LogFold.window).map { ($0.record["topic"]!, $0.repeats.count) }
        #expect(counts.sorted { $0.0 < $1.0 }.map(\.1) == [9, 19])
    }

    @Test("an info of the same logger and route comes behind what was counted; what comes again after it is new")
    func recovery() {
        let fold = Folding()
        func away(_ route: String) -> LogRecord { self.warning("away", ["route": route]) }
        for route in ["a", "b"] {
            #expect(fold.admit(away(route), at: 0))
            for time in 1...3 { #expect(!fold.admit(away(route), at: Int64(time))) }
        }
        #expect(fold.summaries(before: LogRecord(.info, "other", "back", ["route": "a"])).isEmpty)
        #expect(fold.summaries(before: LogRecord(.debug, "spool", "asked", ["route": "a"])).isEmpty)
        #expect(fold.summaries(before: LogRecord(.info, "spool", "back")).isEmpty)
        let told = fold.summaries(before: LogRecord(.info, "spool", "back", ["route": "a"]))
        #expect(told == [.init(record: away("a"), repeats: .init(count: 3, isVarious: false, last: 3))])
        #expect(fold.summaries(before: LogRecord(.info, "spool", "back", ["route": "a"])).isEmpty)
        #expect(fold.admit(away("a"), at: 5) && !fold.admit(away("b"), at: 5))
        #expect(fold.summaries(at: LogFold.window).map { "\($0.record["route"]!) \($0.repeats.count) \($0.repeats.last)" } == ["b 4 5"])
    }

    @Test("the end of the process says all counts at once")
    func endOfProcess() {
        let fold = Folding()
        _ = fold.admit(self.warning("a"), at: 0)
        _ = fold.admit(self.warning("a"), at: 1)
        _ = fold.admit(self.warning("b"), at: 1)
        #expect(fold.summaries(at: 2, all: true).map(\.record.message) == ["a"])
        #expect(fold.summaries(at: 3, all: true).isEmpty)
    }

    @Test("messages that are not constant don't fill the memory")
    func bound() {
        let fold = Folding()
        for index in 0..<10_000 { _ = fold.admit(self.warning("message \(index)"), at: 0) }
        for index in 0..<10_000 { _ = fold.admit(self.warning("message \(index)"), at: 1) }
        #expect(fold.summaries(at: LogFold.window).count == LogFold.messages)
    }
}

/// `#expect` takes no mutating calls, so the struct stands behind a reference.
private final class Folding {
    private var fold = LogFold()
    func admit(_ record: LogRecord, at now: Int64) -> Bool { self.fold.admit(record, at: now) }
    func summaries(at now: Int64, all: Bool = false) -> [LogFold.Summary] { self.fold.summaries(at: now, all: all) }
    func summaries(before record: LogRecord) -> [LogFold.Summary] { self.fold.summaries(before: record) }
}
