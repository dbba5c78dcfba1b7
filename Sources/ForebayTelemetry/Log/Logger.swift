/// How much a log line matters, in rising order.
package enum LogLevel: String, Sendable, Comparable, CaseIterable {
    case debug, info, warning, error

    /// The place in the order, for comparison with a threshold that is kept in an atomic.
    var rank: UInt8 {
        switch self {
        case .debug: 0
        case .info: 1
        case .warning: 2
        case .error: 3
        }
    }

    package static func < (left: Self, right: Self) -> Bool { left.rank < right.rank }
}

/// Writes constant messages with their data as key and value, as swift-log does. Never payloads, never secrets.
///
/// The message is constant so that equal happenings have equal lines: they can be counted, searched and folded. What differs is data.
/// Warnings and errors that repeat are folded (``LogFold``); nothing here waits for a slow stderr (``LogOutput``).
package struct Logger: Sendable {
    package let label: String
    private let sink: LogSink

    /// - Parameter sink: where the lines go; tests give their own, the server has one for the process.
    package init(label: String, sink: LogSink = .shared) {
        self.label = label
        self.sink = sink
    }

    /// The message and the data are not evaluated unless debug lines are wanted.
    package func debug(_ message: @autoclosure () -> String, _ data: @autoclosure () -> KeyValuePairs<String, String> = [:]) {
        guard self.sink.wants(.debug) else { return }
        self.sink.log(.debug, self.label, message(), data())
    }

    package func info(_ message: @autoclosure () -> String, _ data: KeyValuePairs<String, String> = [:]) {
        guard self.sink.wants(.info) else { return }
        self.sink.log(.info, self.label, message(), data)
    }

    /// - Parameter folds: false where each line tells of another thing, whose number has a bound of its own.
    package func warning(_ message: @autoclosure () -> String, _ data: KeyValuePairs<String, String> = [:], folds: Bool = true) {
        guard self.sink.wants(.warning) else { return }
        self.sink.log(.warning, self.label, message(), data, folds: folds)
    }

    package func error(_ message: @autoclosure () -> String, _ data: KeyValuePairs<String, String> = [:], folds: Bool = true) {
        guard self.sink.wants(.error) else { return }
        self.sink.log(.error, self.label, message(), data, folds: folds)
    }
}
