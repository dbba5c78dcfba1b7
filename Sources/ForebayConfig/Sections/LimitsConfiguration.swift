package import ForebayIngest

/// What one node takes in. Sizes are bytes.
package struct LimitsConfiguration: Sendable, Equatable {
    package var body: Int
    package var event: Int
    package var inFlight: Int
    package var eventsPerRequest: Int
    package var header: Int
    package var requestTimeoutMilliseconds: Int
    package var idleTimeoutMilliseconds: Int
    package var connections: Int
    /// 0: no cap.
    package var connectionsPerAddress: Int
    package var awaitingKafka: Int
    package var timestamp: TimestampRule
}

extension LimitsConfiguration: ConfigurationPart {
    static let entries: [ConfigurationEntry] = [
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

    init(_ values: ConfigurationDecoder) {
        self.init(
            body: values.number("limits.body"), event: values.number("limits.event"), inFlight: values.number("limits.in_flight"),
            eventsPerRequest: values.number("limits.events_per_request"), header: values.number("limits.header"),
            requestTimeoutMilliseconds: values.number("limits.request_timeout"),
            idleTimeoutMilliseconds: values.number("limits.idle_timeout"), connections: values.number("limits.connections"),
            connectionsPerAddress: values.number("limits.connections_per_address"),
            awaitingKafka: values.number("limits.awaiting_kafka"), timestamp: values.choice("limits.timestamp"))
    }

    static func check(_ checks: inout ConfigurationChecks) {
        checks.atMost(["limits", "event"], ["limits", "body"])
        checks.atMost(["limits", "body"], ["limits", "in_flight"])
        Self.waiting(&checks)
    }

    /// Requests that wait for Kafka hold their connections: in an outage those of one address would leave none for its others.
    private static func waiting(_ checks: inout ConfigurationChecks) {
        let values = checks.values
        guard let waiting = values.setting("limits", "awaiting_kafka"), let most = values.number("limits", "awaiting_kafka"),
            let address = values.setting("limits", "connections_per_address"),
            let connections = values.number("limits", "connections_per_address"), connections > 0, most >= connections
        else { return }
        checks.warn(
            ConfigurationChecks.blamed(waiting, address),
            "limits.awaiting_kafka (\(most)) is not below limits.connections_per_address (\(connections)): while Kafka is away, requests with "
                + "ack=kafka can take all connections of their address, and its other requests get 503")
    }
}
