import ForebayCore
import ForebayHTTP
import ForebayRuntime
import Glibc
import Synchronization

/// What was accepted so far, for whoever asks meanwhile.
final class SendTally: Sendable {
    private let state = Mutex((totals: EventSender.Totals(), inFlight: 0))

    var totals: EventSender.Totals { self.state.withLock { $0.totals } }

    /// What is to be said of events that were sent and not answered.
    var inFlight: String {
        let count = self.state.withLock { $0.inFlight }
        return count == 0 ? "" : "; \(Shown.count(count)) events were on their way, and may be stored"
    }

    func begin(_ events: Int) {
        self.state.withLock {
            $0.totals.requests += 1
            $0.inFlight = events
        }
    }

    func retrying() { self.state.withLock { $0.totals.retries += 1 } }

    /// What was on its way has been answered, or never left.
    func end(_ change: (inout EventSender.Totals) -> Void = { _ in }) {
        self.state.withLock {
            change(&$0.totals)
            $0.inFlight = 0
        }
    }
}

/// Posts batches one after the other, and goes on trying while the node is full, draining or away.
struct EventSender: ~Copyable {
    struct Totals {
        var accepted = 0
        var requests = 0
        var retries = 0
        var lastID: String?
    }

    private var client: HTTPClient
    private let target: String
    /// Milliseconds for each batch.
    private let patience: Int
    private let terminal: Terminal
    private let tally: SendTally
    var totals: Totals { self.tally.totals }

    init(_ address: HTTPAddress, topic: String, patience: Int, tally: SendTally, _ terminal: Terminal) {
        self.tally = tally
        self.client = HTTPClient(address, userAgent: "forebay/\(ForebayVersion.text)")
        self.client.answerTimeout = max(1000, min(self.client.answerTimeout, patience))
        // A topic's name needs no escaping.
        self.target = "/v1/topics/\(topic)"
        self.patience = patience
        self.terminal = terminal
    }

    private enum Outcome {
        case accepted
        /// Try again, after so many milliseconds if the node said so.
        case later(after: Int?, why: String)
    }

    mutating func post(_ batch: EventBatch) throws(CommandFailure) {
        let request = HTTPClientRequest(method: "POST", target: self.target, headers: batch.headers, body: batch.body)
        let start = ContinuousClock.now
        var pause = 100
        var isTold = false
        while true {
            self.tally.begin(batch.count)
            guard case .later(let after, let why) = try self.attempt(request, batch) else { return }
            let wait = max(after ?? 0, pause)
            pause = min(pause * 2, 2000)
            let left = .milliseconds(self.patience) - (ContinuousClock.now - start)
            guard .milliseconds(wait) < left else {
                throw CommandFailure(.unavailable, "\(why); gave up after \(DurationText.text(milliseconds: self.patience))\(self.soFar)")
            }
            if !isTold {
                self.terminal.progress("")
                self.terminal.message("\(why); trying again for up to \(DurationText.text(milliseconds: self.patience))")
                isTold = true
            }
            self.tally.retrying()
            Self.pause(milliseconds: wait)
        }
    }

    private static func pause(milliseconds: Int) {
        var left = timespec(tv_sec: milliseconds / 1000, tv_nsec: milliseconds % 1000 * 1_000_000)
        var rest = timespec()
        while nanosleep(&left, &rest) != 0, errno == EINTR { left = rest }
    }

    private mutating func attempt(_ request: HTTPClientRequest, _ batch: EventBatch) throws(CommandFailure) -> Outcome {
        let response: HTTPClientResponse
        do {
            response = try self.client.send(request)
        } catch {
            switch error.kind {
            case .notConnected:
                self.tally.end()
                return .later(after: nil, why: error.message)
            case .connectionLost, .timedOut: return .later(after: nil, why: error.message + "; the events may be stored twice")
            case .invalidURL, .invalidRequest, .badAnswer: throw CommandFailure(.failure, error.message + self.soFar)
            }
        }
        let answer = JSONValue(response.body)
        if response.status == 202 || response.status == 200 {
            guard let accepted = answer?["accepted"]?.integer else {
                throw CommandFailure(.failure, "the answer \(response.status) is not Forebay's\(self.soFar)")
            }
            // Of a batch no more than all of it: a number from outside may be of any size.
            self.tally.end {
                $0.accepted += min(max(accepted, 0), batch.count)
                $0.lastID = answer?["last_id"]?.text ?? answer?["id"]?.text ?? $0.lastID
            }
            return .accepted
        }
        self.tally.end()
        let problem = Problem(status: response.status, answer)
        if [429, 502, 503, 504].contains(response.status) || problem.isRetryable {
            let seconds = response.header("retry-after").flatMap { Int($0) }
            return .later(after: seconds.map { min(max($0, 0), 86_400) * 1000 }, why: problem.title)
        }
        throw CommandFailure(.failure, problem.text(lines: batch.lines) + self.soFar)
    }

    /// What was accepted before it went wrong.
    private var soFar: String {
        self.totals.accepted == 0 ? "" : "\n\(Shown.count(self.totals.accepted)) events before were accepted"
    }
}

/// A refusal as the node words it: problem+json, or nothing that can be read.
struct Problem {
    private static let shownErrors = 10

    /// Status and code: `503 spool_full`.
    private let name: String
    let title: String
    let isRetryable: Bool
    private let errors: [JSONValue]

    init(status: Int, _ answer: JSONValue?) {
        let code = answer?["code"]?.text
        let words = answer?["detail"]?.text ?? answer?["title"]?.text
        self.name = TextTable.printable([String(status), code].compactMap { $0 }.joined(separator: " "))
        self.title = TextTable.printable(([self.name] + (words.map { [code == nil ? $0 : "(\($0))"] } ?? [])).joined(separator: " "))
        self.isRetryable = answer?["retryable"]?.isTrue ?? false
        self.errors = answer?["errors"]?.items ?? []
    }

    /// - Parameter lines: the line of each event, so that an index becomes a place.
    func text(lines: [Int]) -> String {
        var text = self.errors.isEmpty ? self.title : self.name
        for error in self.errors.prefix(Self.shownErrors) {
            let index = error["index"]?.integer
            let place = index.flatMap { lines.indices.contains($0) && lines.count > 1 ? "line \(lines[$0])" : nil } ?? "the event"
            let detail = error["detail"]?.text.map(Self.withoutLine)
            let words = [error["code"]?.text, error["pointer"]?.text, detail].compactMap { $0 }.filter { !$0.isEmpty }
            text += "\n  \(place): \(TextTable.printable(words.joined(separator: " ")))"
        }
        if self.errors.count > Self.shownErrors { text += "\n  and \(self.errors.count - Self.shownErrors) more" }
        return text
    }

    /// The node counts the lines of one request, which are not those of the input.
    private static func withoutLine(_ detail: String) -> String {
        guard detail.hasPrefix("line "), let comma = detail.firstIndex(of: ","), detail[..<comma].dropFirst(5).allSatisfy(\.isNumber) else {
            return detail
        }
        return String(detail[detail.index(after: comma)...].drop { $0 == " " })
    }
}
