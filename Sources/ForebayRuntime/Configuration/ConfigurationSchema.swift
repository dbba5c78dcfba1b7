import ForebayCore

/// Every key there is. To add one: a row here, a property in `ForebayConfiguration`, a line in `ConfigurationDecoder`; `dev/docs` writes
/// the example and the reference page anew.
package enum ConfigurationSchema {
    package static let entries: [ConfigurationEntry] = basics + intake + kafka + buffer + routing

    private static let (KiB, MiB, GiB, TiB) = (1 << 10, 1 << 20, 1 << 30, 1 << 40)
    private static let (second, hour) = (1000, 3_600_000)

    private static let basics: [ConfigurationEntry] = [
        .key(
            "version", .integer(1...1), .required, example: "1", takesEnvironment: false,
            "The version of this file's format. Always 1."),
        .section("node", "This node."),
        .key("node.name", .text, .computed("the host name"), example: "edge-1", "The node's name in logs, metrics and status."),
        .key(
            "node.data_dir", .path, .standard("./forebay-data"),
            "Folder of the spool, its cursors and the dead letters. It is made if missing, one process at a time may own it, and nobody else may "
                + "be allowed to write in it."),
        .notYet("modes", "Which stages this process runs."),
        .section("log", "Logs go to stderr. They never hold payloads or secrets."),
        .key("log.level", .choice(["debug", "info", "warning", "error"], notYet: []), .standard("info"), "The least that is logged."),
        .key(
            "log.format", .choice(["auto", "text", "json"], notYet: []), .standard("auto"),
            "text for people, json for machines; auto is text on a terminal and json otherwise."),
    ]

    private static let intake: [ConfigurationEntry] = [
        .section("listeners", "Where this node listens: a numeric address and a port, IPv6 in brackets."),
        .section("listeners.ingest", "For producers."),
        .key("listeners.ingest.address", .address, .standard("127.0.0.1:8080"), "Where events are posted."),
        .key(
            "listeners.ingest.probes", .choice(["true", "false"], notYet: []), .standard("false"),
            "true: /livez, /readyz and /startupz are answered here too, for load balancers that probe the port they send to."),
        .notYet("listeners.ingest.tls", "TLS for producers."),
        .section("listeners.admin", "For operators and their tools."),
        .key(
            "listeners.admin.address", .address, .standard("127.0.0.1:8081"),
            "Health, metrics and the admin API. It has no authentication yet, so keep it on an address that only operators reach."),
        .key(
            "listeners.admin.names", .hostNames, .optional("none"), example: "[\"forebay.internal\"]",
            "Names by which this listener is asked, beside addresses and localhost. A request whose Host is another name gets 403: a web page "
                + "could have been given that name."),
        .notYet("listeners.admin.tls", "TLS for operators."),
        .section("listeners.health", "For probes alone: /livez, /readyz and /startupz, on an address that they reach."),
        .key("listeners.health.address", .address, .optional("no such listener"), example: "0.0.0.0:8082", "Where probes are answered."),
        .key(
            "listeners.health.metrics", .choice(["true", "false"], notYet: []), .standard("false"),
            "true: /metrics is answered here too."),
        .notYet("auth", "Who may send what."),
        .section("limits", "What one node takes in. Beyond a limit the answer says which one, and nothing is stored."),
        .key("limits.body", .size(KiB...GiB), .standard("8MiB"), "The largest body of a request."),
        .key(
            "limits.event", .size(KiB...GiB), .standard("960KiB"),
            "The largest event, its key and headers included. Kafka's own default limit for a message is 1 MiB with its overhead."),
        .key(
            "limits.in_flight", .size(MiB...TiB), .standard("32MiB"),
            "The bodies of all requests together, until they are answered. Past it sockets are not read; after 1 s new requests get 503. "
                + "What one address sends and has not finished may take a quarter of it; past that its own connections take turns."
        ),
        .key("limits.events_per_request", .integer(1...1_000_000), .standard("10000"), "The most events in one request."),
        .key("limits.header", .size(KiB...MiB), .standard("16KiB"), "The largest request line and headers together."),
        .key(
            "limits.request_timeout", .duration(100...hour), .standard("30s"),
            "How long a client may take to send one request, and then the disk to store it."),
        .key(
            "limits.idle_timeout", .duration(second...hour), .standard("75s"),
            "How long a connection may stay open without a request. Keep it above that of a proxy in front."),
        .key(
            "limits.connections", .integer(1...1_000_000), .standard("16384"),
            "The most connections at a time. At the limit one on which nothing has come for 5 s makes room; where there is none, more wait "
                + "in the system's queue. The limit of open files is raised to fit; where the system allows fewer, a warning at the start says "
                + "how many connections are left, and limits.connections_per_address is cut in proportion."),
        .key(
            "limits.connections_per_address", .integer(0...1_000_000), .standard("4096"),
            "The most connections from one address; more get 503. 0 is no cap, for a node behind a proxy; then one address may also take "
                + "all of limits.in_flight."),
        .key(
            "limits.awaiting_kafka", .integer(0...1_000_000), .standard("3072"),
            "The most events whose requests wait for Kafka (ack=kafka) at a time; more get 202 instead, because they are durable. Keep it below "
                + "limits.connections_per_address: each request holds its connection, in an outage for as long as it waits."),
        .key(
            "limits.timestamp", .choice(["near", "any"], notYet: []), .standard("near"),
            "Which timestamps producers may give. near: 0, and from 2000 until a day from now, because what lies elsewhere is mostly in another "
                + "unit; any: whatever Kafka can have."),
    ]

    private static let kafka: [ConfigurationEntry] = [
        .names(
            "clusters", of: "<name>", example: "main", isNeeded: true,
            "The Kafka clusters, by names of your own. Every property of librdkafka passes through, except those that the delivery promise "
                + "rests on."
        ),
        .names(
            "clusters.<name>.properties", of: "<property>", example: "bootstrap.servers", isNeeded: true,
            "librdkafka's properties for every client of this cluster. Secrets (sasl.password, ssl.key.password …) may be given as "
                + "<property>_file with the path of a file that holds them."),
        .key(
            "clusters.<name>.properties.<property>", .property, .optional("librdkafka's default"), example: "127.0.0.1:9092",
            "A property as librdkafka's CONFIGURATION.md has it: numbers are plain, in the unit of the property, so linger.ms: 5 and never 5ms. "
                + "bootstrap.servers is needed, here or in producer."),
        .names(
            "clusters.<name>.producer", of: "<property>", example: "compression.type", isNeeded: false,
            "The same for producers only; it wins over properties."),
        .key(
            "clusters.<name>.producer.<property>", .property, .optional("librdkafka's default"), example: "zstd",
            "A property for producers, such as compression.type or linger.ms. queue.buffering.max.kbytes may not be below limits.event."),
        .names("clusters.<name>.consumer", of: "<property>", example: "", isNeeded: false, "The same for consumers only."),
        .notYet("clusters.<name>.consumer.<property>", "Properties for consumers; nothing consumes from Kafka."),
    ]

    private static let buffer: [ConfigurationEntry] = [
        .section("buffer", "Where events are kept, durably, from the answer until Kafka has them."),
        .key("buffer.backend", .choice(["spool"], notYet: ["kafka"]), .standard("spool"), "spool: a log on the local disk."),
        .section("buffer.spool", "The log on the local disk."),
        .key(
            "buffer.spool.segment", .size(64 * KiB...16 * GiB), .computed("128MiB, or an eighth of max_size where that is less"),
            example: "128MiB", "The size of one file. At most an eighth of max_size; disk space comes back a file at a time."),
        .key(
            "buffer.spool.max_size", .size(MiB...1024 * TiB), .standard("50GiB"),
            "The most that the spool may take, dead letters and what is set aside included. A disk that can't give so much is warned about, and "
                + "what it can give counts. Nothing that Kafka still has to get is ever deleted."),
        .key(
            "buffer.spool.sync", .choice(["always"], notYet: ["interval"]), .standard("always"),
            "always: no 2xx before the disk has confirmed the event. Requests that arrive together share one sync."),
        .key(
            "buffer.spool.when_full", .choice(["reject"], notYet: []), .standard("reject"),
            "reject: new events get 503 with Retry-After until there is room; nothing already accepted is dropped."),
        .notYet("buffer.kafka", "A fronting Kafka cluster as the buffer."),
    ]

    private static let routing: [ConfigurationEntry] = [
        .names(
            "routes", of: "<name>", example: "default", isNeeded: true,
            "Which topics go where, by names of your own. An exact topic beats the longest prefix, which beats \"*\"; two routes can't "
                + "have the same. A route's name (letters, digits, '_', '-', at most 64) stands in its cursor on disk, so a renamed route is a new "
                + "one, unless formerly says what it was called."),
        .key(
            "routes.<name>.topics", .topicPatterns, .required, example: "[\"*\"]",
            "Topics, prefixes such as \"payments.*\", or \"*\" for all the rest. A topic that no route takes is answered 404."),
        .key(
            "routes.<name>.max_topics", .integer(1...1_000_000), .standard("10000"),
            "The most topics that may have events which are neither delivered nor dead letters, on this node since its start, with those that are "
                + "set aside from before. An event for one more gets 429; nothing of its request is stored."),
        .section("routes.<name>.forward", "Delivery in order."),
        .key("routes.<name>.forward.to", .reference(to: "clusters"), .required, example: "main", "The cluster that gets the events."),
        .key(
            "routes.<name>.formerly", .routeNames, .optional("none"), example: "[purchases]",
            "Names that this route had before: it takes over what they left, their backlog, what is set aside and dead letters. Each name goes to "
                + "one route, and none of them may be a route still."),
        .notYet("routes.<name>.forward.fallback", "A second cluster for when the first is down."),
        .notYet("routes.<name>.forward.breaker", "When to turn to the fallback."),
        .notYet("routes.<name>.mirror", "A copy in a backup cluster."),
        .notYet("routes.<name>.archive", "A copy as Parquet files."),
        .names("topics", of: "<topic>", example: "orders", isNeeded: false, "What is special about a topic. Optional."),
        .key(
            "topics.<topic>.key", .keyPath, .optional("no key but the one that a producer gives"), example: "$.order_id",
            "Where the key stands in a JSON event. A key that the producer gives wins."),
        .key(
            "topics.<topic>.max_event", .size(KiB...GiB), .optional("limits.event"), example: "256KiB",
            "The largest event of this topic. At most limits.event."),
        .key(
            "topics.<topic>.rename", .topic, .optional("the same name"), example: "orders.v2",
            "What the topic is called in Kafka. Counts for events from their acceptance on: what waits already, set aside or in the spool, keeps the "
                + "name that it got."),
        .key(
            "topics.<topic>.value", .choice(["any", "json"], notYet: []), .standard("any"), example: "json",
            "json: every value must be JSON, also where a request has no Content-Type that says so; key is then found in it."),
        .notYet("topics.<topic>.dedup", "Storing an event id once within a window."),
        .section("delivery", "How far delivery may run ahead of Kafka's acknowledgements. More memory helps over long distances."),
        .key(
            "delivery.window", .size(MiB...GiB), .standard("32MiB"),
            "Events sent and not yet acknowledged, all routes together."),
        .key(
            "delivery.partition_window", .size(64 * KiB...GiB), .standard("1MiB"),
            "The same for one partition of a topic. At most delivery.window."),
        .key(
            "delivery.read_ahead", .size(256 * KiB...GiB), .standard("4MiB"),
            "Events read from the spool and not yet sent, for each route."),
        .section(
            "delivery.set_aside",
            "What can't be delivered now (a topic missing or forbidden, a partition that stands still) is kept on disk aside, in order, so that "
                + "it holds up nothing else. A topic's error sets it aside at once; a cluster that is away as a whole sets nothing aside."),
        .key(
            "delivery.set_aside.partition_after", .duration(500...hour), .standard("10s"),
            "A partition without leader or progress for so long is set aside."),
        .key(
            "delivery.set_aside.retry", .duration(100...hour), .standard("30s"),
            "The longest wait before what is set aside is tried again; it begins at 100 ms and doubles."),
        .section(
            "shutdown",
            "SIGTERM: finish what is in flight, sync, exit 0. A second signal exits at once; nothing durable is lost either way."),
        .key(
            "shutdown.timeout", .duration(100...hour), .standard("25s"),
            "The longest that this may take. Keep it below the supervisor's own patience (Kubernetes: 30 s)."),
    ]
}
