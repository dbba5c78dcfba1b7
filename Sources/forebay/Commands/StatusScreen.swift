/// The screen of `forebay status`: how the node is, what is wrong, and the numbers.
struct StatusScreen {
    /// Troubles that are shown; the tables below have the rest.
    private static let shownTroubles = 10

    let status: JSONValue
    let troubles: [Trouble]

    func text(_ terminal: Terminal) -> String {
        var parts = [self.head(terminal) + self.stuck(terminal)]
        let bold = { (line: String) in terminal.styled(line, .bold) }
        if let routes = self.routes { parts.append(routes.text(head: bold)) }
        if let buffer = self.status["buffer"] { parts.append(self.buffer(buffer).text(head: bold)) }
        if let stages = self.stages { parts.append(stages.text(head: bold)) }
        return parts.joined(separator: "\n")
    }

    private func head(_ terminal: Terminal) -> String {
        let isReady = self.status["ready"]?.isTrue ?? false
        let phase = TextTable.printable(self.status["phase"]?.text ?? "unknown")
        let state = isReady ? terminal.styled("ready", .green) : terminal.styled("not ready", .red)
        let uptime = Shown.seconds(self.status["uptime_seconds"]?.real ?? 0)
        let reason = self.status["reason"]?.text.map { " (\(TextTable.printable($0)))" } ?? ""
        let name = TextTable.printable(self.status["node"]?.text ?? "a node")
        return "\(name)  forebay \(TextTable.printable(self.status["version"]?.text ?? "?")), up \(uptime), \(phase), \(state)\(reason)\n"
    }

    private func stuck(_ terminal: Terminal) -> String {
        // While it starts, or ends, there is nothing to be known of most of it.
        guard !self.troubles.isEmpty else { return self.status["phase"]?.text == "running" ? "nothing is stuck\n" : "" }
        let now = self.status["started_at"]?.text.flatMap(Shown.milliseconds).map {
            Double($0) / 1000 + (self.status["uptime_seconds"]?.real ?? 0)
        }
        var text = ""
        for trouble in self.troubles.prefix(Self.shownTroubles) {
            text += "\n" + terminal.styled(TextTable.printable(trouble.what), trouble.isSevere ? .red : .yellow) + "\n"
            if let since = trouble.since {
                let ago = now.flatMap { now in Shown.milliseconds(of: since).map { now - Double($0) / 1000 } }
                // A clock that was ahead then, or is behind now.
                let time =
                    ago.map { $0 < -1 } ?? false
                    ? "a time that is still to come: the node's clock was set back" : TextTable.printable(since)
                text += "    since  \(time)" + (ago.map { $0 >= 0 ? " (\(Shown.seconds($0)) ago)" : "" } ?? "") + "\n"
            }
            if let why = trouble.why { text += "    why    \(TextTable.printable(why))\n" }
            if let remedy = trouble.remedy { text += "    do     \(TextTable.printable(remedy))\n" }
        }
        let more = self.troubles.count - Self.shownTroubles
        return more > 0 ? text + "\nand \(more) more: 'forebay status --json' has all that they are made of\n" : text
    }

    // MARK: Tables

    private var stages: TextTable? {
        guard let stages = self.status["stages"]?.items, !stages.isEmpty else { return nil }
        var table = TextTable(("STAGE", .left), ("STATE", .left), ("SINCE", .left), ("RESTARTS", .right), ("LAST ERROR", .left))
        for stage in stages {
            table.add(
                stage["name"]?.text ?? "", stage["state"]?.text ?? "", stage["since"]?.text ?? "", Self.count(stage["restarts"]),
                stage["last_error"]?.text ?? "")
        }
        return table
    }

    private func buffer(_ buffer: JSONValue) -> TextTable {
        var table = TextTable(
            ("BUFFER", .left), ("ACCEPTING", .left), ("FULL", .right), ("SIZE", .right), ("OF", .right), ("OLDEST", .right),
            ("EVENTS", .right), ("SEGMENTS", .right))
        let (first, end) = (buffer["first_sequence"]?.integer ?? 0, buffer["durable_sequence"]?.integer ?? 0)
        let events = end.subtractingReportingOverflow(first)
        table.add(
            buffer["name"]?.text ?? "", self.isAccepting(buffer) ? "yes" : "no", Shown.percent(buffer["fill"]?.real ?? 0),
            Shown.bytes(buffer["bytes"]?.integer ?? 0), Shown.bytes(buffer["capacity"]?.integer ?? 0),
            Self.age(buffer["oldest_event_age_seconds"]), events.overflow ? "-" : Shown.count(events.partialValue),
            Self.count(buffer["segments"]))
        return table
    }

    private func isAccepting(_ buffer: JSONValue) -> Bool {
        (buffer["accepting"]?.isTrue ?? false) && self.status["ready"] != .boolean(false)
    }

    private var routes: TextTable? {
        guard let routes = self.status["routes"]?.items, !routes.isEmpty else { return nil }
        var table = TextTable(
            ("ROUTE", .left), ("STAGE", .left), ("CLUSTER", .left), ("STATE", .left), ("BEHIND", .right), ("OLDEST", .right),
            ("IN FLIGHT", .right), ("ASIDE", .right), ("DEAD", .right), ("REQUIRED", .left), ("GIVEN UP", .right))
        table.hidden = routes.hiddenColumns
        for route in routes {
            table.add(
                route["route"]?.text ?? "", route["stage"]?.text ?? "", route["cluster"]?.text ?? "-", route["state"]?.text ?? "",
                Self.count(route["lag_events"]), Self.age(route["oldest_event_age_seconds"]), Self.count(route["in_flight_events"]),
                Self.count(route["set_aside_events"]), Self.count(route["dead_letters"]), route.required,
                Self.count(route["released_events"]))
        }
        return table
    }

    private static func count(_ value: JSONValue?) -> String { value?.integer.map(Shown.count) ?? "-" }
    private static func age(_ value: JSONValue?) -> String { value?.real.map(Shown.seconds) ?? "-" }
}
