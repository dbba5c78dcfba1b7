import Foundation
import Synchronization

@testable import ForebayTelemetry

/// A pipe whose reading end the test holds, and a sink on its writing end.
final class LoggedPipe: Sendable {
    let reading: Int32
    let writing: Int32

    init() {
        signal(SIGPIPE, SIG_IGN)  // As the server does; one test here closes the reading end.
        var ends: [Int32] = [0, 0]
        precondition(pipe(&ends) == 0)
        self.reading = ends[0]
        self.writing = ends[1]
        _ = fcntl(self.reading, F_SETFL, O_NONBLOCK)
    }

    deinit {
        close(self.reading)
        close(self.writing)
    }

    /// What stands in the pipe now.
    func text() -> String {
        var bytes: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 65_536)
        while case let count = read(self.reading, &part, part.count), count > 0 { bytes += part[..<count] }
        return String(decoding: bytes, as: UTF8.self)
    }

    func lines() -> [String] { self.text().split(separator: "\n", omittingEmptySubsequences: false).dropLast().map(String.init) }
}

/// Parses with Foundation, which is not the code under test.
func parsedJSON(_ text: String) throws -> [String: Any] {
    let value = try JSONSerialization.jsonObject(with: Data(text.utf8))
    guard let object = value as? [String: Any] else { throw NotAnObject(text: text) }
    return object
}

struct NotAnObject: Error { let text: String }

extension String {
    /// The part between the first `start` and the next `end` after it.
    func between(_ start: String, _ end: String) -> String? {
        guard let from = self.range(of: start), let to = self[from.upperBound...].range(of: end) else { return nil }
        return String(self[from.upperBound..<to.lowerBound])
    }
}
