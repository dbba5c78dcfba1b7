import ForebayCore
import ForebaySpool
import Glibc

/// `forebay deadletters ls|show`, of a running node or in the folder of one that is down.
enum DeadLettersCommand {
    static let options = [
        CommandSpecification.Option(name: "--url", value: "URL", help: "The node's admin listener; default \(AdminClient.defaultURL)"),
        CommandSpecification.Option(name: "--dir", value: "DIR", help: "The data_dir of a node that is down, instead of --url"),
        CommandSpecification.Option(name: "--json", value: nil, help: "As JSON"),
    ]

    static func list(_ arguments: ParsedArguments, _ world: World) async throws -> ExitCode {
        let limit = try Self.number(arguments.value("--limit"), "--limit") ?? 100
        let letters = try Self.source(arguments).letters(route: arguments.value("--route"), limit: Int(clamping: limit))
        if arguments.has("--json") {
            let lines = letters.map { "  " + $0.json(withValue: false) }
            try world.terminal.out("[" + (lines.isEmpty ? "" : "\n" + lines.joined(separator: ",\n") + "\n") + "]\n")
            return .ok
        }
        guard !letters.isEmpty else {
            world.terminal.message("no dead letters")
            return .ok
        }
        var table = TextTable(
            ("ROUTE", .left), ("NUMBER", .right), ("AT", .left), ("TOPIC", .left), ("CODE", .left), ("SIZE", .right), ("ID", .left),
            ("REASON", .left))
        for letter in letters {
            table.add(
                letter.route, "\(letter.number)", Shown.time(letter.at), letter.topic, letter.code, Shown.bytes(letter.size), letter.id,
                letter.reason)
        }
        try world.terminal.out(table.text { world.terminal.styled($0, .bold) })
        return .ok
    }

    static func show(_ arguments: ParsedArguments, _ world: World) async throws -> ExitCode {
        let route = arguments.positional[0]
        guard let number = UInt64(arguments.positional[1]) else {
            throw UsageError(message: "NUMBER is a number, as ls shows it", command: ["forebay", "deadletters", "show"])
        }
        guard let letter = try Self.source(arguments).letter(route: route, number: number) else {
            throw CommandFailure(.failure, "the route \(route) has no dead letter \(number)")
        }
        try world.terminal.out(arguments.has("--json") ? letter.json(withValue: true) + "\n" : letter.text)
        return .ok
    }

    private static func source(_ arguments: ParsedArguments) throws -> any DeadLetterSource {
        guard let folder = arguments.value("--dir") else { return NodeDeadLetters(arguments) }
        if arguments.has("--url") {
            throw UsageError(message: "give --url or --dir, not both", command: ["forebay", "deadletters"])
        }
        return FolderDeadLetters(folder: folder)
    }

    private static func number(_ text: String?, _ option: String) throws(CommandFailure) -> UInt64? {
        guard let text else { return nil }
        guard let number = UInt64(text) else { throw CommandFailure(.usage, "\(option) takes a number, not \(text)") }
        return number
    }
}

/// Where dead letters are read from.
protocol DeadLetterSource {
    func letters(route: String?, limit: Int) throws -> [ShownDeadLetter]
    func letter(route: String, number: UInt64) throws -> ShownDeadLetter?
}

/// A dead letter as the command line shows it. The members of its JSON are those of the admin API.
struct ShownDeadLetter {
    var route: String
    var number: UInt64
    var topic: String
    var code: String
    var reason: String
    var id: String
    /// ms since 1970.
    var at: Int64
    var timestamp: Int64
    var partition: Int?
    /// Of key and value.
    var size: Int
    /// Ready members: `"key": …`, `"headers": …`, `"value": …`.
    var content: [String]

    func json(withValue: Bool) -> String {
        var members = [
            "\"route\": " + JSONValue.quoted(self.route), "\"number\": \(self.number)", "\"at\": \"\(Shown.time(self.at))\"",
            "\"topic\": " + JSONValue.quoted(self.topic), "\"code\": " + JSONValue.quoted(self.code),
            "\"reason\": " + JSONValue.quoted(self.reason), "\"id\": " + JSONValue.quoted(self.id), "\"timestamp\": \(self.timestamp)",
            "\"size\": \(self.size)",
        ]
        if let partition = self.partition { members.append("\"partition\": \(partition)") }
        return "{" + (members + (withValue ? self.content : [])).joined(separator: ", ") + "}"
    }

    var text: String {
        var rows = [
            ("route", self.route), ("number", "\(self.number)"), ("at", Shown.time(self.at)), ("topic", self.topic), ("code", self.code),
            ("reason", self.reason), ("id", self.id), ("timestamp", Shown.time(self.timestamp)),
        ]
        if let partition = self.partition { rows.append(("partition", "\(partition)")) }
        var table = TextTable(("", .left), ("", .left))
        for (name, value) in rows { table.add(name, value) }
        return table.text().drop { $0 == "\n" } + self.content.map { $0 + "\n" }.joined()
    }
}

/// In the folder of a node that is down: one log for each route in `deadletters/`.
struct FolderDeadLetters: DeadLetterSource {
    let folder: String

    func letters(route: String?, limit: Int) throws -> [ShownDeadLetter] {
        let routes = try self.routes()
        if let route, !routes.contains(route) { return [] }
        return try (route.map { [$0] } ?? routes).flatMap { route in
            try DeadLetters.list(directory: self.directory(route), after: nil, limit: limit).map { Self.shown($0, route) }
        }
    }

    func letter(route: String, number: UInt64) throws -> ShownDeadLetter? {
        guard try self.routes().contains(route) else { return nil }
        let found = try DeadLetters.list(directory: self.directory(route), after: number == 0 ? nil : number - 1, limit: 1)
        return found.first.flatMap { $0.sequence == number ? Self.shown($0, route) : nil }
    }

    private func directory(_ route: String) -> String { "\(self.folder)/deadletters/\(route)" }

    private func routes() throws(CommandFailure) -> [String] {
        let path = "\(self.folder)/deadletters"
        guard let stream = opendir(path) else {
            if errno == ENOENT, access(self.folder, F_OK) == 0 { return [] }
            throw CommandFailure(.failure, "cannot read \(path): \(String(cString: strerror(errno)))")
        }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            // A route that never had one has a folder without a log, or none.
            if !name.hasPrefix("."), access("\(path)/\(name)/segments", F_OK) == 0 { names.append(name) }
        }
        return names.sorted()
    }

    private static func shown(_ entry: DeadLetterEntry, _ route: String) -> ShownDeadLetter {
        var content: [String] = []
        if let key = entry.key { content.append(EventText.text("key", key)) }
        if !entry.headers.isEmpty { content.append("\"headers\": " + EventText.headers(entry.headers)) }
        content.append(entry.value.map(EventText.value) ?? "\"value\": null")
        return ShownDeadLetter(
            route: route, number: entry.sequence, topic: entry.topic, code: entry.code, reason: entry.reason, id: entry.eventID,
            at: entry.at,
            timestamp: entry.timestamp, partition: entry.partition.map(Int.init), size: (entry.key?.count ?? 0) + (entry.value?.count ?? 0),
            content: content)
    }
}
