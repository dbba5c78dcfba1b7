/// `forebay status`: one screen that answers what is stuck, since when, why, and what to do.
enum StatusCommand {
    /// Units set aside that are told of one by one.
    private static let units = 3

    static func run(_ arguments: ParsedArguments, _ world: World) async throws -> ExitCode {
        var client = try AdminClient(arguments)
        let (bytes, status) = try client.get("/admin/v1/status")
        if arguments.has("--json") {
            let text = Terminal.harmless(json: String(decoding: bytes, as: UTF8.self))
            try world.terminal.out(text.hasSuffix("\n") ? text : text + "\n")
            return .ok
        }
        var aside: JSONValue?
        if (status["routes"]?.items ?? []).contains(where: { ($0["set_aside_events"]?.integer ?? 0) > 0 }) {
            // Without it the screen says how much is set aside, and where to read on.
            aside = try? client.get("/admin/v1/setaside?limit=\(Self.units)").value
        }
        let troubles = Trouble.all(of: status, setAside: aside, hint: { arguments.command($0) })
        try world.terminal.out(StatusScreen(status: status, troubles: troubles).text(world.terminal))
        return .ok
    }
}
