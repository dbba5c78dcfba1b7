import ForebayAdmin
import ForebayConfig
import ForebayCore
import ForebayRuntime

/// `forebay deadletters replay|rm`, of a running node or in the folder of one that is down.
enum LetterCommands {
    static func replay(_ arguments: ParsedArguments, _ world: World) async throws -> ExitCode {
        try await Self.run(.replay, "replay", arguments, world)
    }

    static func remove(_ arguments: ParsedArguments, _ world: World) async throws -> ExitCode {
        try await Self.run(.remove, "rm", arguments, world)
    }

    private static func run(
        _ action: LetterAction, _ word: String, _ arguments: ParsedArguments, _ world: World
    ) async throws -> ExitCode {
        let command = ["forebay", "deadletters", word]
        guard !arguments.has("--config") || arguments.has("--dir") else {
            throw UsageError(message: "--config goes with --dir: a node that runs knows its routes", command: command)
        }
        let form = try Self.form(arguments, command)
        let selection: LetterSelection
        do throws(LetterSelection.Fault) {
            selection = try LetterSelection(form)
        } catch {
            throw UsageError(message: Self.message(error), command: command)
        }
        let answer: JSONValue
        var failure: (any Error)?
        if let folder = try arguments.folder(command) {
            // It says so if this is no folder of a node.
            _ = try RouteFolders(folder: folder, kind: "deadletters")
            if !selection.isDryRun { try FolderOwner.check(folder) }
            let configuration = try Self.configuration(action, arguments, command, world)
            answer = try JSONValue(of: await StoppedNode(directory: folder, configuration: configuration).work(action, selection))
        } else {
            var client = try AdminClient(arguments)
            (answer, failure) = try Self.ask(action, form, &client, world)
        }
        if arguments.has("--json") {
            try world.terminal.out(answer.document)
        } else {
            try Self.show(action, answer, arguments, world)
        }
        if let failure { throw failure }
        // Whoever names single ones wants to know that they are not there.
        let namesSome = !selection.numbers.isEmpty || !selection.ids.isEmpty
        return namesSome && answer[action.done]?.integer == 0 ? .failure : .ok
    }

    // MARK: What is asked for

    /// Which routes there are in a folder: what is replayed for another one nobody delivers.
    private static func configuration(
        _ action: LetterAction, _ arguments: ParsedArguments, _ command: [String], _ world: World
    ) throws -> ForebayConfiguration? {
        guard action == .replay else { return nil }
        guard arguments.has("--config") else {
            throw UsageError(
                message: "with --dir, --config must say which routes there are: for others nobody delivers what is replayed",
                command: command)
        }
        return try ConfigurationCommands.load(arguments, world).configuration
    }

    private static func form(_ arguments: ParsedArguments, _ command: [String]) throws -> [(name: String, value: String)] {
        var form: [(name: String, value: String)] = []
        if let delivery = arguments.positional.first { form.append(("delivery", delivery)) }
        form += arguments.positional.dropFirst().map { ("number", $0) }
        for name in ["id", "topic", "code"] { form += arguments.values("--" + name).map { (name, $0) } }
        if let age = arguments.value("--older-than") { form.append(("older_than", age)) }
        if let age = arguments.value("--newer-than") { form.append(("newer_than", age)) }
        if arguments.has("--all") { form.append(("all", "true")) }
        if arguments.has("--dry-run") { form.append(("dry_run", "true")) }
        return form
    }

    private static func message(_ fault: LetterSelection.Fault) -> String {
        switch fault.parameter {
        case "all" where fault.wanted.hasPrefix("true"):
            "say which: NUMBER, --id, --topic, --code, --older-than, --newer-than, or --all for all of them"
        case "all": "--all goes without NUMBER and --id, which name single ones"
        case "number": "NUMBER takes \(fault.wanted)"
        case "delivery": "ROUTE takes \(fault.wanted)"
        case let name: "--\(name.replacing("_", with: "-")) takes \(fault.wanted)"
        }
    }

    /// A node works some seconds at most for one request: it is asked until nothing is left of what there was at first.
    ///
    /// - Returns: what all of them have done, and why that is not all, if a later one failed.
    private static func ask(
        _ action: LetterAction, _ form: [(name: String, value: String)], _ client: inout AdminClient, _ world: World
    ) throws -> (JSONValue, failure: (any Error)?) {
        let (method, target) =
            action == .replay ? ("POST", "/admin/v1/deadletters/replay") : ("DELETE", "/admin/v1/deadletters")
        var form = form
        var all: JSONValue?
        defer { world.terminal.progress("") }
        while true {
            let answer: JSONValue
            do {
                answer = try client.send(method, target, form: form)
            } catch {
                guard let all else { throw error }
                return (all, error)
            }
            all = all.map { Self.sum($0, answer, action) } ?? answer
            let rest = (answer["next"]?.items ?? []).compactMap(\.text)
            guard !rest.isEmpty, case .number(let time)? = answer["as_of"] else { break }
            form = form.filter { $0.name != "as_of" && $0.name != "next" } + [("as_of", time)] + rest.map { ("next", $0) }
            world.terminal.progress("\(Shown.count(all?[action.done]?.integer ?? 0)) \(action.done)")
        }
        return (all ?? .null, nil)
    }

    private static func sum(_ one: JSONValue, _ other: JSONValue, _ action: LetterAction) -> JSONValue {
        func rows(_ name: String) -> [JSONValue] {
            var rows: [JSONValue] = []
            for row in (one[name]?.items ?? []) + (other[name]?.items ?? []) {
                let key = (row.members ?? []).filter { $0.name != "count" }
                guard let place = rows.firstIndex(where: { ($0.members ?? []).filter { $0.name != "count" } == key }) else {
                    rows.append(row)
                    continue
                }
                let count = (rows[place]["count"]?.integer ?? 0) + (row["count"]?.integer ?? 0)
                rows[place] = .object(key + [.init(name: "count", value: .number(count))])
            }
            return rows
        }
        let members = (other.members ?? []).map { member -> JSONValue.Member in
            switch member.name {
            case action.done:
                let count = (one[action.done]?.integer ?? 0) + (other[action.done]?.integer ?? 0)
                return .init(name: member.name, value: .number(count))
            case "letters", "kept": return .init(name: member.name, value: .array(rows(member.name)))
            default: return member
            }
        }
        return .object(members)
    }

    // MARK: What is shown

    /// Whoever names a route may mean its mirror, if that has any.
    private static func mirrorHint(_ arguments: ParsedArguments) -> String {
        guard let name = arguments.positional.first.flatMap({ DeliveryName($0) }), name.stage == .forward else { return "" }
        let mirror = DeliveryName(.mirror, of: name.route).description
        // It is a hint: where nobody can be asked there is none.
        let counts = (try? DeadLettersCommand.source(arguments).counts()) ?? []
        return counts.contains { $0.route == mirror && $0.count > 0 } ? "; those of the mirror are named by \(mirror)" : ""
    }

    private static func show(_ action: LetterAction, _ answer: JSONValue, _ arguments: ParsedArguments, _ world: World) throws {
        let count = answer[action.done]?.integer ?? 0
        let terminal = world.terminal
        for kept in answer["kept"]?.items ?? [] {
            let name = TextTable.printable(kept["delivery"]?.text ?? "?")
            terminal.message(
                "\(name): \(Self.letters(kept["count"]?.integer ?? 0)) stay: " + TextTable.printable(kept["reason"]?.text ?? ""))
        }
        guard count > 0 else {
            return terminal.message("no dead letter is meant by that" + Self.mirrorHint(arguments))
        }
        let isDryRun = answer["dry_run"]?.isTrue ?? false
        var sentence = "\(Self.letters(count)) \(isDryRun ? "would be" : count == 1 ? "is" : "are") \(action.done)"
        if action == .replay, !isDryRun {
            let place = arguments.has("--dir") ? "delivered when the node runs" : "delivered from there"
            let command = arguments.command("setaside ls", takesConfiguration: false)
            sentence += ": set aside behind what waits of the topic, and \(place); \(command) shows what waits"
        }
        try terminal.out(sentence + "\n\n")
        var table = TextTable(("ROUTE", .left), ("TOPIC", .left), ("CODE", .left), ("LETTERS", .right))
        for row in answer["letters"]?.items ?? [] {
            table.add(
                row["delivery"]?.text ?? "", row["topic"]?.text ?? "", row["code"]?.text ?? "",
                row["count"]?.integer.map(Shown.count) ?? "-")
        }
        try terminal.out(table.text { terminal.styled($0, .bold) })
    }

    private static func letters(_ count: Int) -> String { "\(Shown.count(count)) dead letter\(count == 1 ? "" : "s")" }
}
