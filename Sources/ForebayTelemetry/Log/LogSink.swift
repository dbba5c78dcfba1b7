import Glibc
import Synchronization

/// Where log lines go: one for the process (`shared`), others in tests.
///
/// Callers are event loops, so a call takes a lock for a few microseconds and never waits for a reader. Lines of repeats that ended, and
/// lines that a slow reader left behind, go out with the next line or the next ``tick()``, whichever comes first.
package final class LogSink: Sendable {
    /// To stderr. Until ``configure(level:format:)`` it shows warnings and errors, or what `FOREBAY_LOG_LEVEL` says, so that a command's
    /// own output and the tests stay readable.
    package static let shared = LogSink(
        descriptor: STDERR_FILENO, level: LogStyle.environment("FOREBAY_LOG_LEVEL").flatMap(LogLevel.init(rawValue:)) ?? .warning)

    private struct State: ~Copyable {
        var output: LogOutput
        var style: LogStyle
        var level: LogLevel
        var fold = LogFold()
        var captures: [ObjectIdentifier: LogCapture] = [:]
    }

    /// Whether what runs in this task says nothing, because who began it tells of the outcome.
    @TaskLocal package static var isMuted = false

    private let state: Mutex<State>
    /// The lowest rank that anybody wants.
    private let threshold: Atomic<UInt8>
    private let counts: [LogLevel: Counter]
    private let droppedLines = Counter()

    /// - Parameter descriptor: stays the caller's; it must stay open.
    package convenience init(descriptor: Int32, level: LogLevel = .info, format: LogFormat = .auto) {
        self.init(LogOutput(descriptor: descriptor), level: level, format: format)
    }

    init(_ output: consuming LogOutput, level: LogLevel, format: LogFormat) {
        let style = LogStyle.resolve(format, isTerminal: output.isTerminal, environment: LogStyle.environment)
        self.state = Mutex(State(output: output, style: style, level: level))
        self.threshold = Atomic(level.rank)
        self.counts = Dictionary(uniqueKeysWithValues: LogLevel.allCases.map { ($0, Counter()) })
    }

    package func configure(level: LogLevel, format: LogFormat) {
        self.state.withLock { state in
            state.level = level
            state.style = LogStyle.resolve(format, isTerminal: state.output.isTerminal, environment: LogStyle.environment)
            self.setThreshold(state)
        }
    }

    /// Cheap enough to ask before the data is put together.
    package func wants(_ level: LogLevel) -> Bool {
        level.rank >= self.threshold.load(ordering: .relaxed)
    }

    package func log(_ level: LogLevel, _ label: String, _ message: String, _ data: KeyValuePairs<String, String>, folds: Bool = true) {
        guard !Self.isMuted else { return }
        let record = LogRecord(level, label, message, data)
        self.counts[level]?.increment()
        self.state.withLock { state in
            for capture in state.captures.values { capture.take(record) }
            guard level >= state.level else { return }
            let now = Timestamp.monotonic()
            self.emitSummaries(&state, at: now)
            self.emit(&state, state.fold.summaries(before: record), at: now)
            guard !folds || state.fold.admit(record, at: now) else { return }
            self.emit(&state, state.style.line(record, at: Timestamp.now()))
        }
    }

    /// Once a second or so, from a timer that runs anyway: repeats whose window is over and lines that waited for a reader go out.
    package func tick() {
        self.state.withLock { state in
            self.emitSummaries(&state, at: Timestamp.monotonic())
            state.output.drain()
            self.reportDropped(&state)
        }
    }

    /// Before the process ends: everything goes out, waiting for the reader for at most `milliseconds`.
    package func flush(within milliseconds: Int64 = 200) {
        self.state.withLock { state in
            self.emitSummaries(&state, at: Timestamp.monotonic(), all: true)
            state.output.flush(within: milliseconds)
            self.reportDropped(&state)
        }
    }

    /// `forebay_log_messages_total{level}` and `forebay_log_dropped_lines_total`. Folded messages count, those below the level don't.
    package func register(in registry: MetricsRegistry) {
        for (level, counter) in self.counts {
            registry.counter(
                "forebay_log_messages_total", help: "Log messages by level, folded ones included.", labels: ["level": level.rawValue]
            ) { Double(counter.value) }
        }
        registry.counter(
            "forebay_log_dropped_lines_total", help: "Log lines dropped because nobody took them from stderr in time."
        ) { [droppedLines] in Double(droppedLines.value) }
    }

    // MARK: Captures

    func add(_ capture: LogCapture) {
        self.state.withLock { state in
            state.captures[ObjectIdentifier(capture)] = capture
            self.setThreshold(state)
        }
    }

    func remove(_ capture: LogCapture) {
        self.state.withLock { state in
            state.captures[ObjectIdentifier(capture)] = nil
            self.setThreshold(state)
        }
    }

    // MARK: Lines

    private func setThreshold(_ state: borrowing State) {
        self.threshold.store(state.captures.isEmpty ? state.level.rank : LogLevel.debug.rank, ordering: .relaxed)
    }

    private func emitSummaries(_ state: inout State, at now: Int64, all: Bool = false) {
        self.emit(&state, state.fold.summaries(at: now, all: all), at: now)
    }

    private func emit(_ state: inout State, _ summaries: [LogFold.Summary], at now: Int64) {
        guard !summaries.isEmpty else { return }
        let wall = Timestamp.now()
        for summary in summaries {
            var repeats = summary.repeats
            repeats.last += wall - now
            self.emit(&state, state.style.line(summary.record, at: wall, repeated: repeats))
        }
    }

    private func emit(_ state: inout State, _ line: [UInt8]) {
        state.output.drain()
        self.reportDropped(&state)
        let before = state.output.dropped
        state.output.write(line)
        self.droppedLines.increment(by: state.output.dropped - before)
    }

    private func reportDropped(_ state: inout State) {
        let lost = state.output.takeUnreported()
        guard lost > 0 else { return }
        let record = LogRecord(.warning, "log", "log lines dropped, stderr was not read in time", ["lines": String(lost)])
        state.output.write(state.style.line(record, at: Timestamp.now()))
    }
}
