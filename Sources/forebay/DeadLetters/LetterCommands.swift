import ForebayAdmin
import ForebayRuntime
import ForebayTelemetry

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
        let form = try Self.form(arguments, command)
        let selection: LetterSelection
        do throws(LetterSelection.Fault) {
            selection = try LetterSelection(form)
        } catch {
            throw UsageError(message: Self.message(error), command: command)
        }
        let answer: JSONValue
        if let folder = try arguments.folder(command) {
            // It says so if this is no folder of a node.
            _ = try RouteFolders(folder: folder, kind: "deadletters")
            if !selection.isDryRun { try FolderOwner.check(folder) }
            answer = try await Self.work(action, selection, folder)
        } else {
            var client = try AdminClient(arguments)
            answer = try Self.ask(action, form, selection.isDryRun, &client, world)
        }
        if arguments.has("--json") {
            try world.terminal.out(answer.document)
        } else {
            try Self.show(action, answer, arguments, world)
        }
        // Whoever names single ones wants to know that they are not there.
        let namesSome = !selection.numbers.isEmpty || !selection.ids.isEmpty
        return namesSome && answer[action.done]?.integer == 0 ? .failure : .ok
    }

    // MARK: What is asked for

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

    private static func work(_ action: LetterAction, _ selection: LetterSelection, _ folder: String) async throws -> JSONValue {
        let answer = try await StoppedNode(directory: folder, configuration: nil).work(action, selection)
        guard case .done(let outcome) = answer else { throw CommandFailure(.failure, answer.refusal?.detail ?? "") }
        guard let value = JSONValue(outcome.document.bytes) else { throw CommandFailure(.internalError, "an answer that is no JSON") }
        return value
    }

    /// A node works some seconds at most for one request: it is asked until nothing is left of what there was at first.
    private static func ask(
        _ action: LetterAction, _ form: [(name: String, value: String)], _ isDryRun: Bool, _ client: inout AdminClient, _ world: World
    ) throws -> JSONValue {
        let (method, target) =
            action == .replay ? ("POST", "/admin/v1/deadletters/replay") : ("DELETE", "/admin/v1/deadletters")
        var form = form
        var all: JSONValue?
        defer { world.terminal.progress("") }
        while true {
            let answer = try client.send(method, target, form: form)
            all = all.map { Self.sum($0, answer, action) } ?? answer
            guard !isDryRun, answer["more"]?.isTrue ?? false, case .number(let time)? = answer["as_of"] else { break }
            form = form.filter { $0.name != "as_of" } + [("as_of", time)]
            world.terminal.progress("\(Shown.count(all?[action.done]?.integer ?? 0)) \(action.done)")
        }
        return all ?? .null
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
                // What is kept was counted the first time.
                guard name == "letters" else { continue }
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

    private static func show(_ action: LetterAction, _ answer: JSONValue, _ arguments: ParsedArguments, _ world: World) throws {
        let count = answer[action.done]?.integer ?? 0
        let terminal = world.terminal
        for kept in answer["kept"]?.items ?? [] {
            let name = TextTable.printable(kept["delivery"]?.text ?? "?")
            terminal.message(
                "\(name): \(Self.letters(kept["count"]?.integer ?? 0)) stay: " + TextTable.printable(kept["reason"]?.text ?? ""))
        }
        guard count > 0 else { return terminal.message("no dead letter is meant by that") }
        let isDryRun = answer["dry_run"]?.isTrue ?? false
        var sentence = "\(Self.letters(count)) \(isDryRun ? "would be" : count == 1 ? "is" : "are") \(action.done)"
        if action == .replay, !isDryRun {
            let place = arguments.has("--dir") ? "delivered when the node runs" : "delivered from there"
            sentence += ": set aside behind what waits of the topic, and \(place); \(arguments.command("setaside ls")) shows what waits"
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
