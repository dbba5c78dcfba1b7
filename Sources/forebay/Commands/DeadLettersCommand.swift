import ForebayCore

/// `forebay deadletters ls|show`, of a running node or in the folder of one that is down.
enum DeadLettersCommand {
    static func list(_ arguments: ParsedArguments, _ world: World) async throws -> ExitCode {
        let limit = Int(clamping: min(try arguments.limit() ?? 100, .max - 1))
        // One more than is shown tells whether there are more.
        let found = try Self.source(arguments).letters(route: arguments.value("--route"), limit: limit + 1)
        let (letters, cut) = Self.cut(found, to: limit)
        if arguments.has("--json") {
            let document: JSONValue = ["dead_letters": .array(letters.map(\.summary)), "cut": .array(cut.map(JSONValue.string))]
            try world.terminal.out(document.document)
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
                letter.route, letter["sequence"], letter["at"], letter["topic"], letter["code"], Shown.bytes(letter.size), letter["id"],
                letter["reason"])
        }
        try world.terminal.out(table.text { world.terminal.styled($0, .bold) })
        for route in cut {
            world.terminal.message("route \(TextTable.printable(route)) has more than these \(Shown.count(limit)); see --limit")
        }
        return .ok
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

    private static func source(_ arguments: ParsedArguments) throws -> any DeadLetterSource {
        guard let folder = try arguments.folder(["forebay", "deadletters"]) else { return NodeDeadLetters(arguments) }
        return try FolderDeadLetters(folder: folder)
    }
}
