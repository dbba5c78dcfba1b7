import Synchronization

/// How much a log line matters, in rising order.
package enum LogLevel: String, Sendable, Comparable, CaseIterable {
    case debug, info, warning, error

    package static func < (left: Self, right: Self) -> Bool {
        Self.allCases.firstIndex(of: left)! < Self.allCases.firstIndex(of: right)!
    }
}

/// Writes constant messages with their data as key and value, as swift-log does. Never payloads, never secrets.
package struct Logger: Sendable {
    package let label: String

    package init(label: String) {
        self.label = label
    }

    package func debug(_ message: @autoclosure () -> String, _ data: KeyValuePairs<String, String> = [:]) {
        self.log(.debug, message(), data)
    }

    package func info(_ message: @autoclosure () -> String, _ data: KeyValuePairs<String, String> = [:]) {
        self.log(.info, message(), data)
    }

    package func warning(_ message: @autoclosure () -> String, _ data: KeyValuePairs<String, String> = [:]) {
        self.log(.warning, message(), data)
    }

    package func error(_ message: @autoclosure () -> String, _ data: KeyValuePairs<String, String> = [:]) {
        self.log(.error, message(), data)
    }

    private func log(_ level: LogLevel, _ message: String, _ data: KeyValuePairs<String, String>) {}
}
