import ForebayRuntime

/// `forebay routes ls|forget`, of a running node or in the folder of one that is down.
enum RoutesCommand {
    static func list(_ arguments: ParsedArguments, _ world: World) async throws -> ExitCode {
        let answer: JSONValue
        try Self.check(arguments, "ls")
        if let folder = try arguments.folder(["forebay", "routes", "ls"]) {
            answer = try FolderRoutes(folder: folder, arguments, world).list()
        } else {
            var client = try AdminClient(arguments)
            answer = try client.get("/admin/v1/routes").value
        }
        if arguments.has("--json") {
            try world.terminal.out(answer.document)
            return .ok
        }
        let routes = answer["routes"]?.items ?? []
        guard !routes.isEmpty else {
            world.terminal.message("no route holds anything")
            return .ok
        }
        try world.terminal.out(Self.table(routes).text { world.terminal.styled($0, .bold) })
        let removed = routes.filter { $0["state"]?.text == "removed" }.compactMap(\.delivery)
        if let first = removed.first {
            let advice =
                "removed routes hold their events until they are back, or are taken over by a route that names them under formerly; "
                + "\(arguments.command("routes forget \(first) --dry-run")) says what giving one up frees"
            try world.terminal.out("\n" + world.terminal.styled(TextTable.printable(advice), .yellow) + "\n")
        }
        return .ok
    }

    static func forget(_ arguments: ParsedArguments, _ world: World) async throws -> ExitCode {
        let isDryRun = arguments.has("--dry-run")
        let name = arguments.positional[0]
        // A route of an earlier version may have a slash in its name; a stage has none.
        let parts = name.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.allSatisfy({ !$0.isEmpty }), let last = parts.last else {
            throw UsageError(message: "ROUTE or ROUTE/STAGE, as ls shows them", command: ["forebay", "routes", "forget"])
        }
        let stage = parts.count > 1 ? String(last) : nil
        let route = stage == nil ? name : parts.dropLast().joined(separator: "/")
        let answer: JSONValue
        try Self.check(arguments, "forget")
        if let folder = try arguments.folder(["forebay", "routes", "forget"]) {
            guard arguments.has("--config") else {
                throw UsageError(
                    message: "with --dir, --config must say which routes there are: one that is configured is not given up",
                    command: ["forebay", "routes", "forget"])
            }
            if !isDryRun { try FolderOwner.check(folder) }
            answer = try await FolderRoutes(folder: folder, arguments, world).forget(route, stage: stage, isDryRun: isDryRun)
        } else {
            var client = try AdminClient(arguments)
            let path = ([route] + (stage.map { [$0] } ?? [])).map(AdminClient.escaped).joined(separator: "/")
            answer = try client.delete("/admin/v1/routes/\(path)" + (isDryRun ? "?dry_run=true" : ""))
        }
        if arguments.has("--json") {
            try world.terminal.out(answer.document)
        } else {
            for held in answer["forgotten"]?.items ?? [] { try world.terminal.out(Self.sentence(held, isDryRun) + "\n") }
        }
        return .ok
    }

    /// A node that runs knows its routes.
    private static func check(_ arguments: ParsedArguments, _ word: String) throws {
        guard arguments.has("--config"), !arguments.has("--dir") else { return }
        throw UsageError(message: "--config goes with --dir: a node that runs knows its routes", command: ["forebay", "routes", word])
    }

    private static func sentence(_ held: JSONValue, _ isDryRun: Bool) -> String {
        func count(_ name: String) -> String { Shown.count(held[name]?.integer ?? 0) }
        let name = TextTable.printable("\(held["route"]?.text ?? "?")/\(held["stage"]?.text ?? "?")")
        return "\(name): \(count("lag_events")) events of the backlog, \(count("set_aside_events")) set aside and "
            + "\(count("dead_letters")) dead letters \(isDryRun ? "would be" : "are") given up; "
            + "\(Shown.bytes(held["freed_bytes"]?.integer ?? 0)) \(isDryRun ? "would be" : "are") freed at once"
    }

    private static func table(_ routes: [JSONValue]) -> TextTable {
        var table = TextTable(
            ("ROUTE", .left), ("STAGE", .left), ("STATE", .left), ("BEHIND", .right), ("ASIDE", .right), ("DEAD", .right),
            ("IN SPOOL", .right), ("SET ASIDE", .right), ("DEAD LETTERS", .right), ("REQUIRED", .left), ("GIVEN UP", .right))
        table.hidden = routes.hiddenColumns
        for route in routes {
            func count(_ name: String) -> String { route[name]?.integer.map(Shown.count) ?? "-" }
            func bytes(_ name: String) -> String { route[name]?.integer.map(Shown.bytes) ?? "-" }
            table.add(
                route["route"]?.text ?? "", route["stage"]?.text ?? "", route["state"]?.text ?? "-", count("lag_events"),
                count("set_aside_events"), count("dead_letters"), bytes("spool_bytes"), bytes("set_aside_bytes"),
                bytes("dead_letter_bytes"), route.required, count("released_events"))
        }
        return table
    }
}
