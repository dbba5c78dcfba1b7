import ForebayRuntime

/// `forebay alarms ls|acknowledge`, of a running node or in the folder of one that is down.
enum AlarmsCommand {
    static func list(_ arguments: ParsedArguments, _ world: World) async throws -> ExitCode {
        let log = arguments.value("--log")
        let answer: JSONValue
        if let folder = try arguments.folder(["forebay", "alarms", "ls"]) {
            answer = try Self.node(folder) { try $0.alarms(log: log) }
        } else {
            var client = try AdminClient(arguments)
            answer = try client.get(Self.target(log)).value
        }
        return try Self.show(answer, "alarms", none: "nothing was lost or damaged that has not been acknowledged", arguments, world)
    }

    static func acknowledge(_ arguments: ParsedArguments, _ world: World) async throws -> ExitCode {
        let log = arguments.value("--log")
        let answer: JSONValue
        if let folder = try arguments.folder(["forebay", "alarms", "acknowledge"]) {
            try FolderOwner.check(folder)
            answer = try Self.node(folder) { try $0.acknowledgeAlarms(log: log) }
        } else {
            var client = try AdminClient(arguments)
            answer = try client.delete(Self.target(log))
        }
        return try Self.show(answer, "acknowledged", none: "there is nothing to acknowledge", arguments, world)
    }

    private static func target(_ log: String?) -> String {
        "/admin/v1/alarms" + (log.map { "?log=\(AdminClient.escaped($0))" } ?? "")
    }

    private static func node(_ folder: String, _ ask: (StoppedNode) throws -> [UInt8]) throws -> JSONValue {
        // It says so if this is no folder of a node.
        _ = try RouteFolders(folder: folder, kind: "setaside")
        return try JSONValue(answer: ask(StoppedNode(directory: folder, configuration: nil)))
    }

    private static func show(
        _ answer: JSONValue, _ name: String, none: String, _ arguments: ParsedArguments, _ world: World
    ) throws -> ExitCode {
        if arguments.has("--json") {
            try world.terminal.out(answer.document)
            return .ok
        }
        let alarms = answer[name]?.items ?? []
        guard !alarms.isEmpty else {
            world.terminal.message(none)
            return .ok
        }
        var table = TextTable(
            ("LOG", .left), ("LOST", .right), ("FROM", .right), ("TO", .right), ("TOPIC", .left), ("SINCE", .left), ("FILE", .left),
            ("WHAT", .left))
        for alarm in alarms {
            func number(_ name: String) -> String { alarm[name]?.integer.map { "\($0)" } ?? "-" }
            let last = alarm["lost_end"]?.integer.map { $0.subtractingReportingOverflow(1) }
            table.add(
                alarm["log"]?.text ?? "", alarm["lost_events"]?.integer.map(Shown.count) ?? "-", number("lost_first"),
                last.map { $0.overflow ? "-" : "\($0.partialValue)" } ?? "-", alarm["topic"]?.text ?? "-", alarm["noticed_at"]?.text ?? "",
                alarm["file"]?.text ?? "", alarm["what"]?.text ?? "")
        }
        try world.terminal.out(table.text { world.terminal.styled($0, .bold) })
        return .ok
    }
}
