/// `forebay status`.
enum StatusCommand {
    static func run(_ arguments: ParsedArguments, _ world: World) async throws -> ExitCode {
        var client = try AdminClient(arguments)
        let (bytes, _) = try client.get("/admin/v1/status")
        try world.terminal.out(bytes: bytes)
        return .ok
    }
}
