import ForebayConfig
import ForebayRuntime

/// In the folder of a node that is down.
struct FolderRoutes {
    private let node: StoppedNode

    /// Without a configuration nobody knows which routes are removed.
    init(folder: String, _ arguments: ParsedArguments, _ world: World) throws {
        // It says so if this is no folder of a node.
        _ = try RouteFolders(folder: folder, kind: "setaside")
        let configuration = arguments.has("--config") ? try ConfigurationCommands.load(arguments, world).configuration : nil
        self.node = StoppedNode(directory: folder, configuration: configuration)
    }

    func list() throws -> JSONValue { try JSONValue(answer: self.node.routes()) }

    func forget(_ route: String, stage: String?, isDryRun: Bool) async throws -> JSONValue {
        switch try await self.node.forget(route, stage: stage, isDryRun: isDryRun) {
        case .document(let bytes): return try JSONValue(answer: bytes)
        case .refusal(let reason): throw CommandFailure(.failure, reason)
        }
    }
}
