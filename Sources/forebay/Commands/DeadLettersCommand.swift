import ForebayCore

/// `forebay deadletters ls|show`, of a running node or in the folder of one that is down.
enum DeadLettersCommand {
    static func list(_ arguments: ParsedArguments, _ world: World) async throws -> ExitCode {
        let limit = try arguments.number("--limit") ?? 100
        let letters = try Self.source(arguments).letters(route: arguments.value("--route"), limit: Int(clamping: limit))
        if arguments.has("--json") {
            let document: JSONValue = ["dead_letters": .array(letters.map(\.summary))]
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
        if arguments.has("--value") {
            try world.terminal.out(bytes: letter.value)
        } else {
            try world.terminal.out(arguments.has("--json") ? letter.whole.document : letter.text)
        }
        return .ok
    }

    private static func source(_ arguments: ParsedArguments) throws -> any DeadLetterSource {
        guard let folder = try arguments.folder(["forebay", "deadletters"]) else { return NodeDeadLetters(arguments) }
        return FolderDeadLetters(folder: folder)
    }
}
