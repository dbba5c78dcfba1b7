import ForebayAdmin
import ForebayRuntime

/// `forebay setaside rm|move`, of a running node or in the folder of one that is down.
enum MendCommands {
    static func remove(_ arguments: ParsedArguments, _ world: World) async throws -> ExitCode {
        try await Self.run(.remove, "rm", arguments, world)
    }

    static func move(_ arguments: ParsedArguments, _ world: World) async throws -> ExitCode {
        guard let topic = arguments.value("--to") else {
            throw UsageError(message: "--to TOPIC is missing", command: ["forebay", "setaside", "move"])
        }
        return try await Self.run(.move(topic), "move", arguments, world)
    }

    private static func run(
        _ action: AsideSelection.Action, _ word: String, _ arguments: ParsedArguments, _ world: World
    ) async throws -> ExitCode {
        let command = ["forebay", "setaside", word]
        var form: [(name: String, value: String)] = []
        if let unit = arguments.positional.first { form.append(("unit", unit)) }
        if let route = arguments.value("--route") { form.append(("route", route)) }
        if arguments.has("--all") { form.append(("all", "true")) }
        if arguments.has("--dry-run") { form.append(("dry_run", "true")) }
        let selection: AsideSelection
        do throws(LetterSelection.Fault) {
            selection = try AsideSelection(form)
        } catch {
            throw UsageError(message: Self.message(error, form), command: command)
        }
        let answer: JSONValue
        if let folder = try arguments.folder(command) {
            // It says so if this is no folder of a node.
            _ = try RouteFolders(folder: folder, kind: "setaside")
            if !selection.isDryRun { try FolderOwner.check(folder) }
            answer = try JSONValue(of: await StoppedNode(directory: folder, configuration: nil).mend(action, selection))
        } else {
            var client = try AdminClient(arguments)
            if case .move(let topic) = action {
                answer = try client.send("POST", "/admin/v1/setaside/move", form: form + [("to", topic)])
            } else {
                answer = try client.send("DELETE", "/admin/v1/setaside", form: form)
            }
        }
        if arguments.has("--json") {
            try world.terminal.out(answer.document)
        } else {
            try Self.show(action, answer, world.terminal)
        }
        return .ok
    }

    private static func message(_ fault: LetterSelection.Fault, _ form: [(name: String, value: String)]) -> String {
        switch fault.parameter {
        case "unit" where !form.contains { $0.name == "unit" }: "say which: UNIT, or --route ROUTE --all for all of a route"
        case "unit": "UNIT takes \(fault.wanted)"
        case "all": "give UNIT or --all, not both"
        case "route" where !form.contains { $0.name == "route" }: "--all goes with --route ROUTE: one route at a time"
        case let name: "--\(name) takes \(fault.wanted)"
        }
    }

    private static func show(_ action: AsideSelection.Action, _ answer: JSONValue, _ terminal: Terminal) throws {
        let count = answer[action.done]?.integer ?? 0
        let isDryRun = answer["dry_run"]?.isTrue ?? false
        var sentence =
            "\(Shown.count(count)) event\(count == 1 ? "" : "s") \(isDryRun ? "would be" : count == 1 ? "is" : "are") \(action.done)"
        if case .move(let topic) = action {
            sentence += " to \(TextTable.printable(topic))"
        } else {
            sentence += isDryRun ? " for good" : ": they will not be delivered"
        }
        try terminal.out(sentence + "\n\n")
        var table = TextTable(("ROUTE", .left), ("UNIT", .left), ("CODE", .left), ("EVENTS", .right))
        for unit in answer["units"]?.items ?? [] {
            table.add(
                unit["delivery"]?.text ?? "", unit["unit"]?.text ?? "", unit["code"]?.text ?? "",
                unit["events"]?.integer.map(Shown.count) ?? "-")
        }
        try terminal.out(table.text { terminal.styled($0, .bold) })
        for name in (answer["undelivered"]?.items ?? []).compactMap(\.text).map(TextTable.printable) {
            terminal.message(
                "route \(name) is not configured: nobody delivers what \(isDryRun ? "would be" : "is") moved until it is configured again, or named "
                    + "under formerly of the route that took its place")
        }
    }
}
