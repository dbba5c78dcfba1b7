import ForebayCore

/// `forebay deadletters ls|show`, of a running node or in the folder of one that is down.
enum DeadLettersCommand {
    static func list(_ arguments: ParsedArguments, _ world: World) async throws -> ExitCode {
        let limit = Int(clamping: min(try arguments.limit() ?? 100, .max - 1))
        // One more than is shown tells whether there are more.
        let (source, route) = (try Self.source(arguments), arguments.value("--route"))
        let before = try source.counts().filter { route == nil || $0.route == route }
        let routes = route.map { [$0] } ?? before.filter { $0.count > 0 }.map(\.route)
        let (letters, cut) = Self.cut(try routes.flatMap { try source.letters(of: $0, limit: limit + 1) }, to: limit)
        let unreadable = try Self.unreadable(source, before, shown: letters, cut)
        if arguments.has("--json") {
            let document: JSONValue = [
                "dead_letters": .array(letters.map(\.summary)), "cut": .array(cut.map(JSONValue.string)),
                "unreadable": .array(unreadable.map { ["route": .string($0.route), "count": .number($0.count)] }),
            ]
            try world.terminal.out(document.document)
            return .ok
        }
        if letters.isEmpty {
            if unreadable.isEmpty { world.terminal.message("no dead letters") }
        } else {
            try Self.show(letters, world.terminal)
        }
        for route in cut {
            world.terminal.message("route \(TextTable.printable(route)) has more than these \(Shown.count(limit)); see --limit")
        }
        for (route, count) in unreadable {
            let letters =
                count == 1
                ? "1 dead letter that can't be read: the disk has damaged it"
                : "\(Shown.count(count)) dead letters that can't be read: the disk has damaged them"
            world.terminal.message(
                "route \(TextTable.printable(route)) has \(letters); rm takes \(count == 1 ? "it" : "them"), too, with --all or by number")
        }
        return .ok
    }

    private static func show(_ letters: [ShownDeadLetter], _ terminal: Terminal) throws {
        var table = TextTable(
            ("ROUTE", .left), ("NUMBER", .right), ("AT", .left), ("TOPIC", .left), ("CODE", .left), ("SIZE", .right), ("ID", .left),
            ("REASON", .left))
        for letter in letters {
            table.add(
                letter.route, letter["sequence"], letter["at"], letter["topic"], letter["code"], Shown.bytes(letter.size), letter["id"],
                letter["reason"])
        }
        try terminal.out(table.text { terminal.styled($0, .bold) })
    }

    /// How many of each route are counted, and in no list; where there are more than are listed, nobody can tell.
    private static func unreadable(
        _ source: any DeadLetterSource, _ before: [(route: String, count: Int)], shown letters: [ShownDeadLetter], _ cut: [String]
    ) throws -> [(route: String, count: Int)] {
        let shown = Dictionary(grouping: letters, by: \.route).mapValues(\.count)
        func missing(_ counts: [(route: String, count: Int)]) -> [(route: String, count: Int)] {
            counts.map { ($0.route, $0.count - shown[$0.route, default: 0]) }.filter { $0.1 > 0 && !cut.contains($0.0) }
        }
        let first = missing(before)
        guard !first.isEmpty else { return [] }
        // What was removed while they were listed is none of them.
        let second = Dictionary(missing(try source.counts()).map { ($0.route, $0.count) }) { $1 }
        return first.map { ($0.route, min($0.count, second[$0.route, default: 0])) }.filter { $0.1 > 0 }
    }

    /// - Returns: at most so many of each route, and the routes that have more.
    private static func cut(_ letters: [ShownDeadLetter], to limit: Int) -> ([ShownDeadLetter], routes: [String]) {
        var (counts, kept, routes): ([String: Int], [ShownDeadLetter], [String]) = ([:], [], [])
        for letter in letters {
            counts[letter.route, default: 0] += 1
            if counts[letter.route]! <= limit { kept.append(letter) } else if routes.last != letter.route { routes.append(letter.route) }
        }
        return (kept, routes)
    }

    static func show(_ arguments: ParsedArguments, _ world: World) async throws -> ExitCode {
        let route = arguments.positional[0]
        let forms = ["--value", "--envelope", "--json"].filter(arguments.has)
        guard forms.count < 2 else {
            throw UsageError(message: "\(forms[0]) and \(forms[1]) exclude each other", command: ["forebay", "deadletters", "show"])
        }
        guard let number = UInt64(arguments.positional[1]) else {
            throw UsageError(message: "NUMBER is a number, as ls shows it", command: ["forebay", "deadletters", "show"])
        }
        guard let letter = try Self.source(arguments).letter(route: route, number: number) else {
            throw CommandFailure(.failure, "the route \(route) has no dead letter \(number)")
        }
        if arguments.has("--value") {
            try world.terminal.out(bytes: letter.value)
        } else if arguments.has("--envelope") {
            try world.terminal.out(letter.envelope() + "\n")
        } else {
            try world.terminal.out(arguments.has("--json") ? letter.whole.document : letter.text)
        }
        return .ok
    }

    static func source(_ arguments: ParsedArguments) throws -> any DeadLetterSource {
        guard let folder = try arguments.folder(["forebay", "deadletters"]) else { return NodeDeadLetters(arguments) }
        return try FolderDeadLetters(folder: folder)
    }
}
