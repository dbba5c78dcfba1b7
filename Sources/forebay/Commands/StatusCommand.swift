/// `forebay status`: one screen that answers whether this node accepts, whether it delivers, and if not, why.
enum StatusCommand {
    static func run(_ arguments: ParsedArguments, _ world: World) async throws -> ExitCode {
        var client = try AdminClient(arguments)
        let (bytes, status) = try client.get("/admin/v1/status")
        if arguments.has("--json") {
            try world.terminal.out(bytes: bytes.last == 10 ? bytes : bytes + [10])
        } else {
            try world.terminal.out(Self.text(status, world.terminal))
        }
        return .ok
    }

    private static func text(_ status: JSONValue, _ terminal: Terminal) -> String {
        var parts = [Self.head(status, terminal)]
        let bold = { (line: String) in terminal.styled(line, .bold) }
        if let stages = Self.stages(status) { parts.append(stages.text(head: bold)) }
        if let buffer = status["buffer"] { parts.append(Self.buffer(buffer).text(head: bold)) }
        if let routes = Self.routes(status) { parts.append(routes.text(head: bold)) }
        let warnings = Self.warnings(status)
        if !warnings.isEmpty { parts.append(warnings.map { terminal.styled($0, .yellow) + "\n" }.joined()) }
        return parts.joined(separator: "\n")
    }

    private static func head(_ status: JSONValue, _ terminal: Terminal) -> String {
        let isReady = status["ready"]?.isTrue ?? false
        let phase = status["phase"]?.text ?? "unknown"
        let state = isReady ? terminal.styled("ready", .green) : terminal.styled("not ready", .red)
        let uptime = Shown.seconds(status["uptime_seconds"]?.real ?? 0)
        let reason = status["reason"]?.text.map { " (\(TextTable.printable($0)))" } ?? ""
        let name = TextTable.printable(status["node"]?.text ?? "a node")
        return "\(name)  forebay \(TextTable.printable(status["version"]?.text ?? "?")), up \(uptime), \(phase), \(state)\(reason)\n"
    }

    private static func stages(_ status: JSONValue) -> TextTable? {
        guard let stages = status["stages"]?.items, !stages.isEmpty else { return nil }
        var table = TextTable(("STAGE", .left), ("STATE", .left), ("SINCE", .left), ("RESTARTS", .right), ("LAST ERROR", .left))
        for stage in stages {
            table.add(
                stage["name"]?.text ?? "", stage["state"]?.text ?? "", stage["since"]?.text ?? "", Self.count(stage["restarts"]),
                stage["last_error"]?.text ?? "")
        }
        return table
    }

    private static func buffer(_ buffer: JSONValue) -> TextTable {
        var table = TextTable(
            ("BUFFER", .left), ("ACCEPTING", .left), ("FULL", .right), ("SIZE", .right), ("OF", .right), ("OLDEST", .right),
            ("EVENTS", .right), ("SEGMENTS", .right))
        let events = (buffer["durable_sequence"]?.integer ?? 0) - (buffer["first_sequence"]?.integer ?? 0)
        let percent = Int(((buffer["fill"]?.real ?? 0) * 100).rounded())
        table.add(
            buffer["name"]?.text ?? "", buffer["accepting"]?.isTrue ?? false ? "yes" : "no", "\(percent) %",
            Shown.bytes(buffer["bytes"]?.integer ?? 0), Shown.bytes(buffer["capacity"]?.integer ?? 0),
            Self.age(buffer["oldest_event_age_seconds"]), Shown.count(events), Self.count(buffer["segments"]))
        return table
    }

    private static func routes(_ status: JSONValue) -> TextTable? {
        guard let routes = status["routes"]?.items, !routes.isEmpty else { return nil }
        var table = TextTable(
            ("ROUTE", .left), ("STAGE", .left), ("CLUSTER", .left), ("STATE", .left), ("BEHIND", .right), ("OLDEST", .right),
            ("IN FLIGHT", .right), ("ASIDE", .right), ("DEAD", .right), ("LAST ERROR", .left))
        for route in routes {
            table.add(
                route["route"]?.text ?? "", route["stage"]?.text ?? "", route["cluster"]?.text ?? "", route["state"]?.text ?? "",
                Self.count(route["lag_events"]), Self.age(route["oldest_event_age_seconds"]), Self.count(route["in_flight_events"]),
                Self.count(route["set_aside_events"]), Self.count(route["dead_letters"]), route["last_error"]?.text ?? "")
        }
        return table
    }

    private static func warnings(_ status: JSONValue) -> [String] {
        var warnings: [String] = []
        if let message = status["culprit"]?["message"]?.text { warnings.append("filling up: \(message)") }
        for missing in status["buffer"]?["missing"]?.items ?? [] {
            let (first, end) = (missing["first"]?.integer ?? 0, missing["end"]?.integer ?? 0)
            warnings.append(
                "lost to damage: events \(first) to \(end - 1) in \(missing["file"]?.text ?? "?"), \(missing["reason"]?.text ?? "?")")
        }
        let total = { (name: String) in (status["routes"]?.items ?? []).reduce(0) { $0 + ($1[name]?.integer ?? 0) } }
        let (events, units) = (total("set_aside_events"), total("set_aside_units"))
        if events > 0 {
            warnings.append(
                "\(Shown.count(events)) events of \(Shown.count(units)) topics or partitions are set aside; 'forebay setaside ls' says why")
        }
        let dead = total("dead_letters")
        if dead > 0 { warnings.append("\(Shown.count(dead)) dead letters; 'forebay deadletters ls' lists them") }
        return warnings.map(TextTable.printable)
    }

    private static func count(_ value: JSONValue?) -> String { value?.integer.map(Shown.count) ?? "-" }
    private static func age(_ value: JSONValue?) -> String { value?.real.map(Shown.seconds) ?? "-" }
}
