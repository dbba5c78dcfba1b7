import ForebayCore
import ForebayHTTP
import ForebayIngest
import ForebayRuntime
import Glibc

/// `forebay send TOPIC [VALUE …]`.
enum SendCommand {
    static let defaultURL = "http://127.0.0.1:8080"
    /// Lines that come slowly are not held back longer than this.
    private static let idle = 200

    static func run(_ arguments: ParsedArguments, _ world: World) async throws -> ExitCode {
        let topic = arguments.positional[0]
        guard TopicName.isValid(topic) else {
            throw Self.usage("\(topic) is not a topic's name (letters, digits, '.', '_', '-', at most 249)")
        }
        let patience = try Self.patience(arguments)
        let address = try HTTPAddress(url: arguments.value("--url") ?? Self.defaultURL)
        let start = ContinuousClock.now
        let isJSON = arguments.has("--json")
        let tally = SendTally()
        // Whatever blocks now (the input, the node, a pause) is left as it is: what counts is known.
        try await InterruptWatch.begin {
            world.terminal.progress("")
            try? Self.report(tally.totals, since: start, isJSON: isJSON, world.terminal)  // Nobody is left to tell of a closed stdout.
            world.terminal.message("\(world.terminal.errorStyled("forebay:", .red)) interrupted\(tally.inFlight)")
            _exit(ExitCode.failure.rawValue)
        }
        var sender = EventSender(address, topic: topic, patience: patience, tally: tally, world.terminal)
        let values = arguments.positional.dropFirst().map { Array($0.utf8) }
        if !values.isEmpty {
            if arguments.has("--file") { throw Self.usage("give values or --file, not both") }
            try Self.send(values, arguments, &sender)
        } else {
            let file = try Self.open(arguments.value("--file"), world.terminal)
            defer { close(file) }
            if arguments.has("--whole") {
                try Self.sendWhole(file, arguments, &sender)
            } else {
                try Self.sendLines(file, arguments, &sender, world.terminal, since: start)
            }
        }
        world.terminal.progress("")
        try Self.report(tally.totals, since: start, isJSON: isJSON, world.terminal)
        return .ok
    }

    private static func send(_ values: [[UInt8]], _ arguments: ParsedArguments, _ sender: inout EventSender) throws {
        if arguments.has("--whole") { throw Self.usage("--whole is for a file or stdin") }
        let isAlone = values.count == 1 && !values[0].isEmpty && !arguments.has("--ndjson")
        var batch = EventBatch(isAlone ? Self.whole(arguments) : Self.form(arguments))
        for (index, value) in values.enumerated() {
            try Self.append(value, line: index + 1, to: &batch)
            if batch.isFull || index == values.count - 1 {
                try sender.post(batch)
                batch = EventBatch(batch.form)
            }
        }
    }

    private static func sendLines(
        _ file: Int32, _ arguments: ParsedArguments, _ sender: inout EventSender, _ terminal: Terminal, since start: ContinuousClock.Instant
    ) throws {
        var reader = LineReader(file: file)
        var batch = EventBatch(Self.form(arguments))
        var shown = start
        loop: while true {
            switch try reader.next(waiting: batch.count == 0 ? nil : Self.idle) {
            case .line(let line, let number):
                if line.allSatisfy({ $0 == 32 || $0 == 9 }) { continue }
                try Self.append(line, line: number, to: &batch)
                if !batch.isFull { continue }
            case .idle: break
            case .end:
                if batch.count > 0 { try sender.post(batch) }
                break loop
            }
            try sender.post(batch)
            batch = EventBatch(batch.form)
            if ContinuousClock.now - shown > .milliseconds(200) {
                shown = .now
                terminal.progress(Self.progress(sender.totals.accepted, since: start))
            }
        }
    }

    private static func sendWhole(_ file: Int32, _ arguments: ParsedArguments, _ sender: inout EventSender) throws {
        if arguments.has("--ndjson") { throw Self.usage("--whole and --ndjson exclude each other") }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 256 << 10)
        while true {
            let count = read(file, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw CommandFailure(.failure, "cannot read: \(String(cString: strerror(errno)))") }
            if count == 0 { break }
            bytes += chunk[..<count]
            guard bytes.count <= LineReader.lineLimit else {
                throw CommandFailure(.failure, "the input is longer than \(LineReader.lineLimit) bytes")
            }
        }
        var batch = EventBatch(bytes.isEmpty ? Self.form(arguments) : Self.whole(arguments))
        batch.append(bytes, line: 1)
        try sender.post(batch)
    }

    /// A line that stands inside an envelope must be JSON, or it would change the envelope.
    private static func append(_ event: [UInt8], line: Int, to batch: inout EventBatch) throws(CommandFailure) {
        if case .json(_?) = batch.form, JSONValue(event) == nil {
            throw CommandFailure(.failure, "line \(line) is not JSON; nothing of its batch was sent")
        }
        batch.append(event, line: line)
    }

    private static func form(_ arguments: ParsedArguments) -> EventBatch.Form {
        arguments.has("--ndjson") ? .json(key: arguments.value("--key")) : .text(key: arguments.value("--key"))
    }

    /// One event by itself; a key that can't stand in a header needs an envelope.
    private static func whole(_ arguments: ParsedArguments) -> EventBatch.Form {
        let key = arguments.value("--key")
        return key.map(EventBatch.fitsHeader) ?? true ? .whole(key: key) : .text(key: key)
    }

    private static func open(_ path: String?, _ terminal: Terminal) throws(CommandFailure) -> Int32 {
        guard let path, path != "-" else {
            if terminal.isInputTerminal { terminal.message("reading events from the terminal, one a line; Ctrl-D ends") }
            return dup(0)
        }
        let file = Glibc.open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw CommandFailure(.failure, "cannot read \(path): \(String(cString: strerror(errno)))") }
        return file
    }

    private static func patience(_ arguments: ParsedArguments) throws -> Int {
        guard let text = arguments.value("--timeout") else { return 30_000 }
        guard let milliseconds = DurationText.parse(text) else { throw Self.usage("--timeout takes a duration such as 30s, not \(text)") }
        return min(milliseconds, 86_400_000)
    }

    private static func progress(_ accepted: Int, since start: ContinuousClock.Instant) -> String {
        let seconds = max(0.001, Double((ContinuousClock.now - start) / .milliseconds(1)) / 1000)
        return "\(Shown.count(accepted)) events, \(Shown.count(Int(Double(accepted) / seconds)))/s"
    }

    private static func report(
        _ totals: EventSender.Totals, since start: ContinuousClock.Instant, isJSON: Bool, _ terminal: Terminal
    ) throws(CommandFailure) {
        if isJSON {
            let milliseconds = Int((ContinuousClock.now - start) / .milliseconds(1))
            let result: JSONValue = [
                "accepted": .number(totals.accepted), "requests": .number(totals.requests), "retries": .number(totals.retries),
                "milliseconds": .number(milliseconds), "last_id": totals.lastID.map(JSONValue.string) ?? .null,
            ]
            try terminal.out(result.line + "\n")
        } else {
            let id = totals.accepted == 1 ? totals.lastID.map { ", id \(TextTable.printable($0))" } ?? "" : ""
            try terminal.out("accepted \(Shown.count(totals.accepted)) event\(totals.accepted == 1 ? "" : "s")\(id)\n")
        }
    }

    private static func usage(_ message: String) -> UsageError {
        UsageError(message: message, command: ["forebay", "send"])
    }
}
