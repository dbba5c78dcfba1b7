import ForebayConfig
import ForebayRuntime

/// Every command there is. Help and docs/reference/cli.md are made from it; `dev/docs` writes the page anew.
enum CommandTable {
    typealias Option = CommandSpecification.Option
    typealias Argument = CommandSpecification.Argument
    typealias Example = CommandSpecification.Example

    static let root: CommandSpecification = .init(
        name: "forebay",
        summary: "Forebay stands in front of Kafka: it takes events over HTTP, makes them durable, and delivers them in order",
        examples: [
            Example(command: "forebay demo", comment: "all in one process, with an embedded Kafka"),
            Example(command: "forebay config init > forebay.yaml", comment: "a commented configuration to start from"),
            Example(command: "forebay run --config forebay.yaml", comment: "the server"),
            Example(command: "forebay send orders '{\"id\":1}'", comment: "one event"),
        ],
        action: .group([run, demo, validate, config, send, status, alarms, targets, routes, deadletters, setaside, spool, bench, docs]))

    private static let run = CommandSpecification(
        name: "run", summary: "Run the server",
        details:
            "SIGTERM finishes what is in flight, syncs, and exits 0; a second one exits at once. "
            + "Where the disk hangs, it exits 70 soon after shutdown.timeout. "
            + "Nothing that was answered 2xx is lost either way.",
        options: ConfigurationCommands.options,
        examples: [
            Example(command: "forebay run --config forebay.yaml", comment: "with one file"),
            Example(
                command: "forebay run --config base.yaml --config site.yaml --set log.level=debug",
                comment: "with a file over another, and one value"),
        ],
        action: .run(ConfigurationCommands.run))

    private static let demo = CommandSpecification(
        name: "demo", summary: "Try it: everything in one process, nothing to set up",
        details:
            "Starts an embedded Kafka, a spool in a temporary folder and sample traffic, and prints the URLs and a first curl. "
            + "The embedded Kafka forgets old data; --tail shows what it has. Ctrl-C, or the end of the terminal, stops it and removes the folder.",
        options: [
            Option(name: "--no-traffic", value: nil, help: "Send no sample events"),
            Option(name: "--tail", value: nil, help: "Print every event that is in the embedded Kafka: place, key, value"),
            Option(
                name: "--set", value: "PATH=VALUE", isRepeated: true,
                help: "A configuration value: --set listeners.ingest.address=127.0.0.1:9080"),
        ],
        examples: [
            Example(command: "forebay demo", comment: "until Ctrl-C"),
            Example(command: "forebay demo --no-traffic --tail", comment: "and see your own events arrive in Kafka"),
        ],
        action: .run(ConfigurationCommands.demo))

    private static let validate = CommandSpecification(
        name: "validate", summary: "Check a configuration",
        details:
            "Reports everything that is wrong, each with its place, and exits 78. With --connect, exits 69 if something does not answer. "
            + "Nothing is made or changed, and a node that runs with this configuration is no obstacle.",
        options: ConfigurationCommands.options + [
            Option(name: "--connect", value: nil, help: "Also ask the clusters, topics, folders and addresses whether they are there")
        ],
        examples: [
            Example(command: "forebay validate --config forebay.yaml", comment: "without touching anything"),
            Example(command: "forebay validate --config forebay.yaml --connect", comment: "and ask the clusters"),
        ],
        action: .run(ConfigurationCommands.validate))

    private static let config = CommandSpecification(
        name: "config", summary: "Start or show a configuration",
        action: .group([
            CommandSpecification(
                name: "init", summary: "Write a commented configuration to stdout",
                examples: [Example(command: "forebay config init > forebay.yaml", comment: "then change clusters and routes")],
                action: .run(ConfigurationCommands.initialize)),
            CommandSpecification(
                name: "print", summary: "Show what files, environment and --set give together",
                details: "Secrets are shown as ***.",
                options: ConfigurationCommands.options + [
                    Option(name: "--resolved", value: nil, help: "Fill in the defaults and resolve ${…}"),
                    Option(name: "--show-origin", value: nil, help: "Say where each value came from"),
                    Option(name: "--json", value: nil, help: "As JSON"),
                ],
                examples: [
                    Example(
                        command: "forebay config print --config forebay.yaml --resolved --show-origin", comment: "what is in force, and why"
                    )
                ],
                action: .run(ConfigurationCommands.print)),
        ]))

    private static let send = CommandSpecification(
        name: "send", summary: "Send events to a topic",
        details:
            "Events are the values given, or the lines of a file or of stdin; blank lines are skipped. While the node is full, draining "
            + "or away, sending is repeated until --timeout; after a lost answer that may store an event twice. Ctrl-C says what was accepted.",
        arguments: [
            Argument(name: "TOPIC", help: "The topic"),
            Argument(name: "VALUE", isOptional: true, isRepeated: true, help: "An event's value; without one, lines are read"),
        ],
        options: [
            Option(name: "--url", value: "URL", help: "The node's ingest listener; default \(SendCommand.defaultURL)"),
            Option(name: "--key", value: "KEY", help: "The key of every event"),
            Option(name: "--file", value: "FILE", help: "Read from a file instead of stdin"),
            Option(name: "--ndjson", value: nil, help: "Each line is JSON: it is checked, and topics.<topic>.key gives it its key"),
            Option(name: "--whole", value: nil, help: "The whole input is one event"),
            Option(name: "--timeout", value: "DURATION", help: "How long to go on trying; default 30s"),
            Option(name: "--json", value: nil, help: "Print the result as JSON"),
        ],
        examples: [
            Example(command: "forebay send orders '{\"id\":1}' --key 1", comment: "one event"),
            Example(command: "forebay send orders --ndjson --file orders.ndjson", comment: "a file of JSON lines"),
            Example(command: "tail -F access.log | forebay send access", comment: "each line as it comes"),
        ],
        action: .run(SendCommand.run))

    private static let status = CommandSpecification(
        name: "status", summary: "Show what is stuck, since when, why, and what to do; and routes, buffer, stages",
        options: [
            Option(name: "--url", value: "URL", help: "The node's admin listener; default \(AdminClient.defaultURL)"),
            Option(name: "--json", value: nil, help: "The node's own answer"),
        ],
        examples: [
            Example(command: "forebay status", comment: "the node on this machine"),
            Example(command: "forebay status --json | jq .ready", comment: "for scripts"),
        ],
        action: .run(StatusCommand.run))

    private static let alarms = CommandSpecification(
        name: "alarms", summary: "Look at what the disk lost or damaged, and acknowledge it",
        details:
            "What may have taken events stays an alarm, over restarts too, until it is acknowledged. With --dir, only that is known.",
        action: .group([
            CommandSpecification(
                name: "ls", summary: "List what was lost or damaged and has not been acknowledged",
                options: Option.nodeOrFolder + [Self.log],
                examples: [
                    Example(command: "forebay alarms ls", comment: "of the node on this machine"),
                    Example(command: "forebay alarms ls --dir \(Self.folder)", comment: "of a node that is down"),
                ],
                action: .run(AlarmsCommand.list)),
            CommandSpecification(
                name: "acknowledge", summary: "Somebody has seen to it: it is no alarm any more",
                details:
                    "Prints what that was. What can't be removed just now goes by itself. With --dir, run it as the service's user: root is refused there.",
                options: Option.nodeOrFolder + [Self.log],
                examples: [
                    Example(command: "forebay alarms acknowledge", comment: "all, on the node on this machine"),
                    Example(command: "forebay alarms acknowledge --log setaside/orders", comment: "of one log"),
                ],
                action: .run(AlarmsCommand.acknowledge)),
        ]))

    private static let log = Option(
        name: "--log", value: "LOG", help: "Of one log only: spool, setaside/ROUTE, deadletters/ROUTE; a mirror's is setaside/ROUTE/mirror")

    private static let targets = Self.notYet("targets")

    private static let routes = CommandSpecification(
        name: "routes", summary: "Look at what each route holds on disk, and give up what a removed one left",
        action: .group([
            CommandSpecification(
                name: "ls", summary: "List the routes, those that are not configured any more, too",
                details:
                    "Of each: its backlog, what is set aside, dead letters, and the room they take; segments of the spool may be held by several "
                    + "routes. With --dir, which routes are removed is known only with --config.",
                options: Option.nodeOrFolder + ConfigurationCommands.options,
                examples: [
                    Example(command: "forebay routes ls", comment: "of the node on this machine"),
                    Example(
                        command: "forebay routes ls --dir \(Self.folder) --config /etc/forebay/forebay.yaml",
                        comment: "of a node that is down"),
                ],
                action: .run(RoutesCommand.list)),
            CommandSpecification(
                name: "forget", summary: "Give up what a removed route left: its backlog, what is set aside, dead letters",
                details:
                    "These events will not be delivered. A route that is configured is refused. What a kill cuts short is finished by the next "
                    + "call. With --dir, --config says which routes there are; run it as the service's user: root is refused there.",
                arguments: [Argument(name: "ROUTE[/STAGE]", help: "orders: all stages of the route; orders/mirror: that one only")],
                options: Option.nodeOrFolder + ConfigurationCommands.options + [
                    Option(name: "--dry-run", value: nil, help: "Only say what would be given up")
                ],
                examples: [
                    Example(command: "forebay routes forget old --dry-run", comment: "what it would give up"),
                    Example(command: "forebay routes forget old", comment: "on the node on this machine"),
                    Example(
                        command: "forebay routes forget old --dir \(Self.folder) --config /etc/forebay/forebay.yaml",
                        comment: "of a node that is down"),
                ],
                action: .run(RoutesCommand.forget)),
        ]))

    private static let spool = CommandSpecification(
        name: "spool", summary: "Inspect a spool's folder",
        details: "Works beside a running node: nothing is locked or changed. DIR is the spool's folder, or the data_dir that it is in.",
        action: .group([
            CommandSpecification(
                name: "ls", summary: "List segments and cursors", arguments: SpoolCommand.arguments,
                options: [Option(name: "--json", value: nil, help: "As JSON")],
                examples: [Example(command: "forebay spool ls \(Self.folder)", comment: "of a node's data_dir")],
                action: .run(SpoolCommand.list)),
            CommandSpecification(
                name: "verify", summary: "Check every byte",
                details:
                    "Exits 1 and names segment, offset and reason where acknowledged data is damaged, and where the next start would tell of "
                    + "anything lost or damaged. What a start told of stays until it is acknowledged. Of a data_dir: the spool and all side logs, and "
                    + "whether one of them is gone.",
                arguments: SpoolCommand.arguments,
                options: [Option(name: "--json", value: nil, help: "As JSON")],
                examples: [Example(command: "forebay spool verify \(Self.folder)", comment: "of a node's data_dir")],
                action: .run(SpoolCommand.verify)),
            CommandSpecification(
                name: "dump", summary: "Print events as JSON lines", arguments: SpoolCommand.arguments,
                options: [
                    Option(name: "--from", value: "SEQUENCE", help: "The first to print; default the oldest"),
                    Option(name: "--limit", value: "N", help: "At most so many"),
                ],
                examples: [Example(command: "forebay spool dump \(Self.folder) --limit 10 | jq .", comment: "the ten oldest events")],
                action: .run(SpoolCommand.dump)),
        ]))

    private static let bench = Self.notYet("bench")

    private static let docs: CommandSpecification = .init(
        name: "docs", summary: "Print a page of the reference as Markdown",
        arguments: [Argument(name: "PAGE", help: "cli or configuration")],
        isHidden: true,
        action: .run { arguments, world in
            switch arguments.positional[0] {
            case "cli": try world.terminal.out(HelpText.reference(Self.root))
            case "configuration": try world.terminal.out(ConfigurationReference.text)
            default: throw UsageError(message: "there are the pages cli and configuration", command: ["forebay", "docs"])
            }
            return .ok
        })

    /// Refused by name, and in no help.
    private static func notYet(_ name: String) -> CommandSpecification {
        CommandSpecification(name: name, summary: "", isHidden: true, action: .notYet)
    }

    /// Where the service unit has it.
    static let folder = "/var/lib/forebay/forebay-data"
}
