/// `forebay setaside ls`, of a running node or in the folder of one that is down.
enum SetAsideCommand {
    /// Units of a route, unless said otherwise; and the most that a node tells.
    static let limit = 1000
    static let bound = 5000

    static func list(_ arguments: ParsedArguments, _ world: World) async throws -> ExitCode {
        let limit = try arguments.limit(upTo: UInt64(Self.bound)) ?? UInt64(Self.limit)
        let folder = try arguments.folder(["forebay", "setaside"])
        let (route, count) = (arguments.value("--route"), Int(limit))
        let answer =
            try folder.map { try FolderSetAside(folder: $0).list(route: route, limit: count) }
            ?? NodeSetAside.list(arguments, route: route, limit: count)
        if arguments.has("--json") {
            try world.terminal.out(answer.document)
        } else {
            try Self.show(answer["routes"]?.items ?? [], world.terminal)
        }
        return .ok
    }

    private static func show(_ routes: [JSONValue], _ terminal: Terminal) throws {
        guard routes.contains(where: { !($0["units"]?.items ?? []).isEmpty }) else { return terminal.message("nothing is set aside") }
        try terminal.out(Self.table(routes).text { terminal.styled($0, .bold) })
        let advice = Self.advice(routes)
        if !advice.isEmpty { try terminal.out("\n" + advice.map { terminal.styled($0, .yellow) + "\n" }.joined()) }
        for route in routes {
            let (shown, all) = (route["units"]?.items?.count ?? 0, route["units_total"]?.integer ?? 0)
            guard shown < all else { continue }
            let name = TextTable.printable(route.delivery ?? "")
            terminal.message("\(Shown.count(shown)) of \(Shown.count(all)) units of route \(name) are shown; see --limit")
        }
    }

    private static func table(_ routes: [JSONValue]) -> TextTable {
        var table = TextTable(
            ("ROUTE", .left), ("UNIT", .left), ("STATE", .left), ("EVENTS", .right), ("SIZE", .right), ("OLDEST", .right), ("SINCE", .left),
            ("CODE", .left), ("REASON", .left))
        for route in routes {
            for unit in route["units"]?.items ?? [] {
                table.add(
                    route.delivery ?? "", unit["unit"]?.text ?? "", unit["state"]?.text ?? "",
                    unit["events"]?.integer.map(Shown.count) ?? "-", unit["bytes"]?.integer.map(Shown.bytes) ?? "-",
                    unit["oldest_event_age_seconds"]?.real.map(Shown.seconds) ?? "-", unit["since"]?.text ?? "", unit["code"]?.text ?? "",
                    unit["reason"]?.text ?? "")
            }
        }
        return table
    }

    /// What to do, each thing once, in the order of the table.
    private static func advice(_ routes: [JSONValue]) -> [String] {
        var told: Set<String> = []
        let all = routes.flatMap { $0["units"]?.items ?? [] }.compactMap { $0["advice"]?.text }
        return all.filter { told.insert($0).inserted }.map(TextTable.printable)
    }
}
