/// Commands that look at what could not be delivered, and mend it.
extension CommandTable {
    static let deadletters = CommandSpecification(
        name: "deadletters", summary: "Look at events that the brokers refused for good, send them once more, remove them",
        action: .group([
            CommandSpecification(
                name: "ls", summary: "List dead letters",
                options: Option.nodeOrFolder + [
                    Self.route,
                    Option(name: "--limit", value: "N", help: "At most so many for each route; default 100"),
                ],
                examples: [
                    Example(command: "forebay deadletters ls", comment: "of the node on this machine"),
                    Example(command: "forebay deadletters ls --dir \(Self.folder)", comment: "of a node that is down"),
                ],
                action: .run(DeadLettersCommand.list)),
            CommandSpecification(
                name: "show", summary: "Show one dead letter, its value included",
                arguments: [
                    Argument(name: "ROUTE[/STAGE]", help: "orders: of its main delivery; orders/mirror: of its mirror"),
                    Argument(name: "NUMBER", help: "Its number, as ls shows it"),
                ],
                options: Option.nodeOrFolder + [
                    Option(name: "--value", value: nil, help: "The value alone, byte for byte"),
                    Option(
                        name: "--envelope", value: nil,
                        help: "As it can be posted again: with key, headers, id, timestamp and partition, for POST /v1/events"),
                ],
                examples: [
                    Example(command: "forebay deadletters show orders 17", comment: "number 17 of the route orders"),
                    Example(
                        command: "forebay deadletters show orders 17 --envelope | curl --data-binary @- "
                            + "-H 'Content-Type: application/vnd.forebay.v1+json' http://127.0.0.1:8080/v1/events",
                        comment: "post it again"),
                ],
                action: .run(DeadLettersCommand.show)),
            CommandSpecification(
                name: "replay", summary: "Send dead letters once more, when what refused them is mended",
                details:
                    "Each is set aside behind what waits of its topic, and delivered from there with its id and the Kafka header "
                    + "forebay-replayed-at; only then it is no dead letter any more, so a crash repeats some and loses none. With --dir, --config says which routes "
                    + "there are. " + Self.which,
                arguments: Self.letters,
                options: Option.nodeOrFolder + ConfigurationCommands.options + Self.selection("replayed"),
                examples: [
                    Example(command: "forebay deadletters replay --code MSG_SIZE_TOO_LARGE --dry-run", comment: "what it would send"),
                    Example(command: "forebay deadletters replay orders 17 20-30", comment: "some of the route orders"),
                    Example(command: "forebay deadletters replay --topic orders --newer-than 2h", comment: "of one topic, since two hours"),
                    Example(
                        command: "forebay deadletters replay --all --dir \(Self.folder) --config /etc/forebay/forebay.yaml",
                        comment: "all, of a node that is down; sent when it runs"),
                ],
                action: .run(LetterCommands.replay)),
            CommandSpecification(
                name: "rm", summary: "Remove dead letters for good",
                details:
                    "What they take on disk is given back when all of a segment (4 MiB) are removed, and a newer one is there. "
                    + Self.which,
                arguments: Self.letters, options: Option.nodeOrFolder + Self.selection("removed"),
                examples: [
                    Example(command: "forebay deadletters rm --older-than 30d --dry-run", comment: "what it would remove"),
                    Example(command: "forebay deadletters rm orders 17", comment: "number 17 of the route orders"),
                    Example(command: "forebay deadletters rm orders --all", comment: "all of the main delivery of the route orders"),
                ],
                action: .run(LetterCommands.remove)),
        ]))

    /// Which delivery is meant, where a route alone is its main one.
    private static let route = Option(
        name: "--route", value: "ROUTE[/STAGE]",
        help: "orders: of its main delivery only; orders/mirror: of its mirror only; without: of all")

    private static let which =
        "Of several conditions all must hold. With --dir, run it as the service's user: root is refused there."

    private static let letters = [
        Argument(
            name: "ROUTE[/STAGE]", isOptional: true,
            help: "orders: of its main delivery only; orders/mirror: of its mirror only; without: of all"),
        Argument(name: "NUMBER", isOptional: true, isRepeated: true, help: "These numbers, as ls shows them, or ranges of them: 20-30"),
    ]

    /// - Parameter done: `replayed`.
    private static func selection(_ done: String) -> [Option] {
        [
            Option(name: "--id", value: "ID", isRepeated: true, help: "The event with this forebay-id"),
            Option(name: "--topic", value: "TOPIC", isRepeated: true, help: "Events of this topic"),
            Option(name: "--code", value: "CODE", isRepeated: true, help: "Those refused with this code"),
            Option(name: "--older-than", value: "AGE", help: "Those refused so long ago or longer: 30d"),
            Option(name: "--newer-than", value: "AGE", help: "Those refused no longer ago: 2h"),
            Option(name: "--all", value: nil, help: "All of them"),
            Option(name: "--dry-run", value: nil, help: "Only say what would be \(done)"),
        ]
    }

    static let setaside = CommandSpecification(
        name: "setaside", summary: "Look at events that can't be delivered now, remove them, move them to another topic",
        action: .group([
            CommandSpecification(
                name: "ls", summary: "List what is set aside, why, and what to do about it",
                details:
                    "A unit is a topic (orders), or one partition of it (orders/3). Its events are delivered by themselves, in order, when Kafka "
                    + "takes them. With --dir, what is waiting is known, and neither its size nor what to do.",
                options: Option.nodeOrFolder + [
                    Self.route,
                    Option(
                        name: "--limit", value: "N",
                        help: "At most so many units of each route, up to \(SetAsideCommand.bound); default \(SetAsideCommand.limit)"),
                ],
                examples: [
                    Example(command: "forebay setaside ls", comment: "of the node on this machine"),
                    Example(command: "forebay setaside ls --dir \(Self.folder)", comment: "of a node that is down"),
                ],
                action: .run(SetAsideCommand.list)),
            CommandSpecification(
                name: "rm", summary: "Remove what is set aside, for a topic that Kafka will never take",
                details:
                    "What stands in the log is removed; what comes to the topic from then on is set aside like before. What was being delivered "
                    + "just then may still arrive. With --dir, run it as the service's user: root is refused there.",
                arguments: [Self.unit], options: Option.nodeOrFolder + Self.mending("removed"),
                examples: [
                    Example(command: "forebay setaside rm orders.v1 --dry-run", comment: "what it would remove"),
                    Example(command: "forebay setaside rm orders/3", comment: "one partition, if it is a unit of its own"),
                    Example(
                        command: "forebay setaside rm --route orders --all --dir \(Self.folder)",
                        comment: "all of a route's main delivery, of a node that is down"),
                ],
                action: .run(MendCommands.remove)),
            CommandSpecification(
                name: "move", summary: "Move what is set aside to another topic",
                details:
                    "Its events stand behind what is set aside of that topic already, and before what comes to it from then on, in their order; "
                    + "each keeps its id, key, headers and times. They go to the cluster of their route. With --dir, run it as the service's "
                    + "user: root is refused there.",
                arguments: [Self.unit],
                options: Option.nodeOrFolder + [Option(name: "--to", value: "TOPIC", help: "The topic where they go")]
                    + Self.mending("moved"),
                examples: [
                    Example(command: "forebay setaside move orders.v1 --to orders_v1 --dry-run", comment: "what it would move"),
                    Example(command: "forebay setaside move orders.v1 --to orders_v1", comment: "and do it"),
                ],
                action: .run(MendCommands.move)),
        ]))

    private static let unit = Argument(
        name: "UNIT", isOptional: true, help: "A topic with all that is set aside of it, or one partition: orders, orders/3")

    /// - Parameter done: `removed`.
    private static func mending(_ done: String) -> [Option] {
        [
            Self.route,
            Option(name: "--all", value: nil, help: "All that is set aside of --route, in place of UNIT"),
            Option(name: "--dry-run", value: nil, help: "Only say what would be \(done)"),
        ]
    }
}
