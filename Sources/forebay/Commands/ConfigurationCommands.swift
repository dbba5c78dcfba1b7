import ForebayConfig
import ForebayRuntime
import ForebayTelemetry

/// `run`, `demo`, `validate`, `config`: what begins with a configuration.
enum ConfigurationCommands {
    static let options = [
        CommandSpecification.Option(
            name: "--config", value: "FILE", isRepeated: true, help: "A configuration file; a later one wins. - is stdin"),
        CommandSpecification.Option(
            name: "--set", value: "PATH=VALUE", isRepeated: true,
            help: "One value, over all files and the environment: --set limits.body=16MiB"),
    ]

    static func run(_ arguments: ParsedArguments, _ world: World) async throws -> ExitCode {
        let loaded = try Self.load(arguments, world)
        return try await NodeCommands.run(loaded.configuration, warnings: loaded.warnings.map(\.description))
    }

    static func demo(_ arguments: ParsedArguments, _ world: World) async throws -> ExitCode {
        try await NodeCommands.demo(
            overrides: arguments.values("--set"), sendsTraffic: !arguments.has("--no-traffic"), tails: arguments.has("--tail"), world)
    }

    static func validate(_ arguments: ParsedArguments, _ world: World) async throws -> ExitCode {
        let loaded = try Self.load(arguments, world)
        let configuration = loaded.configuration
        let counts = [
            Self.counted(configuration.clusters.count, "cluster"), Self.counted(configuration.routes.count, "route"),
            Self.counted(configuration.topics.count, "topic"),
        ]
        try world.terminal.out("the configuration is valid: \(counts.joined(separator: ", "))\n")
        for warning in loaded.warnings { Self.warn(warning.description, world) }
        guard arguments.has("--connect") else {
            // This may be another machine than the node's, where nothing of it can be looked at; --connect says so.
            if let folder = try? DataFolder(configuration.node.dataDirectory) {
                let maxSize = configuration.buffer.spool.maxSize
                for problem in [folder.refusal, folder.shortage(ofMaxSize: maxSize)].compactMap({ $0 }) { Self.warn(problem, world) }
            }
            return .ok
        }
        // What fails is said below, once.
        LogSink.shared.configure(level: .error, format: .auto)
        let reached = try await NodeReach.ask(configuration)
        for one in reached {
            let mark =
                switch one.verdict {
                case .good: world.terminal.styled("ok     ", .green)
                case .warning: world.terminal.styled("warning", .yellow)
                case .failed: world.terminal.styled("failed ", .red)
                }
            try world.terminal.out("\(mark)  \(TextTable.printable("\(one.what): \(one.found)"))\n")
        }
        return reached.contains { $0.verdict == .failed } ? .unavailable : .ok
    }

    private static func warn(_ text: String, _ world: World) {
        world.terminal.message("\(world.terminal.errorStyled("warning:", .yellow)) \(text)")
    }

    static func initialize(_ arguments: ParsedArguments, _ world: World) async throws -> ExitCode {
        try world.terminal.out(ConfigurationTemplate.text)
        return .ok
    }

    static func print(_ arguments: ParsedArguments, _ world: World) async throws -> ExitCode {
        if arguments.has("--json"), arguments.has("--show-origin") {
            throw UsageError(message: "--json has no place for --show-origin", command: ["forebay", "config", "print"])
        }
        let settings = try Self.load(arguments, world).settings
        let printer = ConfigurationPrinter(isResolved: arguments.has("--resolved"), showsOrigin: arguments.has("--show-origin"))
        try world.terminal.out(arguments.has("--json") ? printer.json(settings) : printer.yaml(settings))
        return .ok
    }

    static func load(_ arguments: ParsedArguments, _ world: World) throws -> LoadedConfiguration {
        let files = arguments.values("--config")
        guard !files.isEmpty else {
            throw CommandFailure(.usage, "--config FILE is missing; 'forebay config init' writes one to start from")
        }
        return try ConfigurationLoader.load(
            ConfigurationSources(
                files: files, overrides: arguments.values("--set"), environment: world.environment, hostName: world.hostName,
                checkProperties: KafkaPropertyJudge.check))
    }

    private static func counted(_ number: Int, _ noun: String) -> String {
        "\(number) \(noun)\(number == 1 ? "" : "s")"
    }
}
