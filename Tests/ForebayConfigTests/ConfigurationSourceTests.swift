import ConfigurationWorld
import ForebayIngest
import ForebayTelemetry
import Testing

@testable import ForebayConfig

/// Where values come from, and which wins.
@Suite struct ConfigurationSourceTests {
    @Test func defaultsAreTheContracts() throws {
        let configuration = try load("").configuration
        #expect(configuration.node == NodeConfiguration(name: "host-1", dataDirectory: "./forebay-data"))
        #expect(configuration.log == LogConfiguration(level: .info, format: .auto))
        #expect(configuration.listeners.ingest.address == ListenerAddress(host: "127.0.0.1", port: 8080))
        #expect(configuration.listeners.admin.address == ListenerAddress(host: "127.0.0.1", port: 8081))
        #expect(
            configuration.limits
                == LimitsConfiguration(
                    body: 8 << 20, event: 960 << 10, inFlight: 32 << 20, eventsPerRequest: 10_000, header: 16 << 10,
                    requestTimeoutMilliseconds: 30_000, idleTimeoutMilliseconds: 75_000, connections: 16_384, connectionsPerAddress: 4096,
                    awaitingKafka: 3072, timestamp: .near))
        #expect(!configuration.listeners.ingestProbes && configuration.listeners.adminNames.isEmpty)
        #expect(configuration.listeners.health == nil)
        #expect(configuration.buffer.spool == BufferConfiguration.Spool(segment: 128 << 20, maxSize: 50 << 30))
        #expect(
            configuration.delivery
                == DeliveryConfiguration(
                    window: 32 << 20, partitionWindow: 1 << 20, readAhead: 4 << 20, partitionPatienceMilliseconds: 10_000,
                    retryMilliseconds: 30_000))
        #expect(configuration.shutdown.timeoutMilliseconds == 25_000)
        #expect(
            configuration.routes == [
                RouteConfiguration(name: "default", topics: [.all], maxTopics: 10_000, forward: RouteConfiguration.Forward(to: "main"))
            ])
        #expect(configuration.clusters["main"]?.producerProperties == ["bootstrap.servers": "k1:9092"])
        #expect(configuration.topics.isEmpty)
    }

    @Test func theWholeContractReads() throws {
        let text = """
            version: 1
            node: { name: edge-1, data_dir: /var/lib/forebay }
            listeners:
              ingest: { address: "[::]:0", probes: true }
              admin: { address: localhost:8081, names: [forebay.internal, edge-1] }
              health: { address: "0.0.0.0:8082", metrics: true }
            log: { level: debug, format: json }
            limits: { body: 16MiB, event: 1048576, in_flight: 64MiB, events_per_request: 5, header: 8KiB, request_timeout: 1m, timestamp: any }
            clusters:
              main: { properties: { bootstrap.servers: "k1:9092,k2:9092", linger.ms: 5 }, producer: { linger.ms: "10" }, consumer: {} }
              backup: { producer: { metadata.broker.list: "b1:9092" } }
            buffer:
              backend: spool
              spool: { segment: 64MiB, max_size: 1TiB, sync: always, when_full: reject }
            routes:
              orders: { topics: [orders, "payments.*"], forward: { to: main }, max_topics: 7 }
              default: { topics: ["*"], forward: { to: backup } }
            topics:
              orders: { key: $.order_id, max_event: 256KiB, rename: orders.v2, value: json }
              payments.eu: { key: "$.größe.b-c" }
            shutdown: { timeout: 1500ms }
            """
        let configuration = try ConfigurationWorld(files: ["f": text]).load(["f"]).configuration
        #expect(configuration.listeners.ingest.address == ListenerAddress(host: "::", port: 0))
        #expect(configuration.listeners.admin.address == ListenerAddress(host: "127.0.0.1", port: 8081))
        #expect(configuration.clusters["main"]?.producerProperties == ["bootstrap.servers": "k1:9092,k2:9092", "linger.ms": "10"])
        #expect(configuration.routes.map(\.name) == ["orders", "default"])
        #expect(configuration.routes.map(\.maxTopics) == [7, 10_000])
        #expect(configuration.listeners.ingestProbes && configuration.listeners.adminNames == ["forebay.internal", "edge-1"])
        #expect(
            configuration.listeners.health
                == ListenersConfiguration.Health(address: ListenerAddress(host: "0.0.0.0", port: 8082), hasMetrics: true))
        #expect(configuration.limits.timestamp == .any)
        #expect(configuration.routes[0].topics == [.exact("orders"), .prefix("payments.")])
        #expect(
            configuration.topics == [
                "orders": TopicConfiguration(
                    name: "orders", key: "$.order_id", maxEvent: 256 << 10, target: "orders.v2", valueIsJSON: true),
                "payments.eu": TopicConfiguration(
                    name: "payments.eu", key: "$.größe.b-c", maxEvent: 1 << 20, target: "payments.eu", valueIsJSON: false),
            ])
        #expect(configuration.shutdown.timeoutMilliseconds == 1500)
    }

    @Test func jsonIsAccepted() throws {
        let text = """
            {"version": 1, "clusters": {"m": {"properties": {"bootstrap.servers": "k"}}},
             "routes": {"r": {"topics": ["a"], "forward": {"to": "m"}}}, "limits": {"events_per_request": 7}}
            """
        #expect(try ConfigurationWorld(files: ["f": text]).load(["f"]).configuration.limits.eventsPerRequest == 7)
    }

    @Test func strongerSourcesWin() throws {
        var world = ConfigurationWorld(files: [
            "base": minimal + "limits: { body: 1MiB, event: 100KiB, header: 1KiB, connections: 1 }\nnode: { name: base, data_dir: b }",
            "site":
                "limits: { event: 200KiB, header: 2KiB, connections: 2 }\nnode: { name: site }\nroutes: { default: { topics: [a, b] } }",
        ])
        world.environment = ["FOREBAY_LIMITS_HEADER": "3KiB", "FOREBAY_LIMITS_CONNECTIONS": "3", "HOME": "/"]
        world.overrides = ["limits.connections=4", "limits.connections=5"]
        let loaded = try world.load(["base", "site"])
        let limits = loaded.configuration.limits
        #expect([limits.body, limits.event, limits.header, limits.connections] == [1 << 20, 200 << 10, 3 << 10, 5])
        #expect(loaded.configuration.node == NodeConfiguration(name: "site", dataDirectory: "b"))
        #expect(loaded.configuration.routes[0].topics == [.exact("a"), .exact("b")], "a list is replaced, not joined")
        let origins = Dictionary(uniqueKeysWithValues: loaded.settings.map { ($0.path.description, $0.origin.description) })
        #expect(origins["limits.body"] == "base:6:17")
        #expect(origins["limits.event"] == "site:1:18")
        #expect(origins["limits.header"] == "FOREBAY_LIMITS_HEADER")
        #expect(origins["limits.connections"] == "--set")
        #expect(origins["limits.idle_timeout"] == "default")
    }

    @Test func theEnvironmentAloneIsEnoughButForTheVersion() throws {
        var world = ConfigurationWorld(files: ["f": "version: 1"])
        world.environment = [
            "FOREBAY_CLUSTERS_MAIN_PROPERTIES_BOOTSTRAP_SERVERS": "k:9092",
            "FOREBAY_CLUSTERS_MAIN_PRODUCER_SASL_PASSWORD": "pa${ss",
            "FOREBAY_ROUTES_DEFAULT_TOPICS": "orders, pay.*",
            "FOREBAY_ROUTES_DEFAULT_FORWARD_TO": "main",
            "FOREBAY_TOPICS_ORDERS_MAX_EVENT": "1KiB",
        ]
        let configuration = try world.load(["f"]).configuration
        #expect(configuration.clusters["main"]?.producerProperties == ["bootstrap.servers": "k:9092", "sasl.password": "pa${ss"])
        #expect(configuration.routes[0].topics == [.exact("orders"), .prefix("pay.")])
        #expect(configuration.topics["orders"]?.maxEvent == 1024)
    }

    @Test func namesInTheEnvironmentAreThoseOfTheFiles() throws {
        let text = "topics: { pay.eu-west: { key: $.a }, Orders: { key: $.a } }"
        let loaded = try load(text, environment: ["FOREBAY_TOPICS_PAY_EU_WEST_KEY": "$.b", "FOREBAY_TOPICS_ORDERS_KEY": "$.c"])
        #expect(loaded.configuration.topics.mapValues(\.key) == ["pay.eu-west": "$.b", "Orders": "$.c"])
        #expect(
            problems("topics: { a-b: {}, a.b: {} }", environment: ["FOREBAY_TOPICS_A_B_KEY": "$.b"]) == [
                "FOREBAY_TOPICS_A_B_KEY: means topics.a-b.key and topics.a.b.key; give it in a file or by --set".replacing(
                    "topics.a.b.key", with: "topics.\"a.b\".key")
            ])
    }

    @Test(arguments: [
        ("FOREBAY_LIMITS_BODDY", "1", "FOREBAY_LIMITS_BODDY: no key has this variable; did you mean \"FOREBAY_LIMITS_BODY\"?"),
        (
            "FOREBAY_LIMITS_BODY", "x",
            "FOREBAY_LIMITS_BODY limits.body: expected a size such as 8MiB (units KiB, MiB, GiB, TiB), found \"x\""
        ),
        ("FOREBAY_LIMITS", "x", "FOREBAY_LIMITS limits: is a section; give one of its keys"),
        ("FOREBAY_AUTH_INGEST", "none", "FOREBAY_AUTH_INGEST auth: not supported yet: Who may send what"),
        (
            "FOREBAY_ROUTES_DEFAULT_ARCHIVE_TO", "x",
            "FOREBAY_ROUTES_DEFAULT_ARCHIVE_TO routes.default.archive: not supported yet: A copy as Parquet files"
        ),
        (
            "FOREBAY_ROUTES_DEFAULT_TOPICS", "[a",
            "FOREBAY_ROUTES_DEFAULT_TOPICS routes.default.topics: expected a list such as a,b or [a, b], found \"[a\""
        ),
    ])
    func environmentProblems(_ variable: String, _ value: String, _ expected: String) {
        #expect(problems("", environment: [variable: value]) == [expected])
    }

    @Test(arguments: [
        "FOREBAY_SERVICE_HOST", "FOREBAY_SERVICE_PORT", "FOREBAY_SERVICE_PORT_HTTP", "FOREBAY_PORT", "FOREBAY_PORT_8080_TCP",
        "FOREBAY_PORT_8080_TCP_ADDR", "FOREBAY_ADMIN_SERVICE_HOST", "FOREBAY_ADMIN_PORT_8081_TCP_PROTO", "FOREBAY_VERSION",
    ])
    func variablesOfOthersAreLeftAlone(_ variable: String) {
        #expect(problems("", environment: [variable: "tcp://10.0.0.1:8080"]) == [])
    }

    @Test(arguments: [
        ("limits.body", "--set: expected path=value, found \"limits.body\""),
        ("limits.boddy=1MiB", "--set limits.boddy: unknown key; did you mean \"body\"?"),
        (
            "limits=1",
            "--set limits: is a section; give the path of a key, one of body, event, in_flight, events_per_request, header, request_timeout, idle_timeout, connections, connections_per_address, awaiting_kafka, timestamp"
        ),
        ("limits.body=x", "--set limits.body: expected a size such as 8MiB (units KiB, MiB, GiB, TiB), found \"x\""),
        ("topics.orders.keys=$.a", "--set topics.orders.keys: unknown key; did you mean \"key\"?"),
        ("auth.ingest=none", "--set auth: not supported yet: Who may send what"),
        (
            "clusters.main.properties.sasl.password=hunter2",
            "--set clusters.main.properties.sasl.password: a secret on the command line can be read by everyone on this machine; give sasl.password_file instead"
        ),
        (
            "clusters.main.consumer.group.id=x",
            "--set clusters.main.consumer.group.id: not supported yet: Properties for consumers; nothing consumes from Kafka"
        ),
    ])
    func overrideProblems(_ argument: String, _ expected: String) {
        #expect(problems("", set: [argument]) == [expected])
    }

    @Test func overridesReachEveryKindOfName() throws {
        let loaded = try load(
            "",
            set: [
                "clusters.eu.west.properties.bootstrap.servers=k:1", "routes.default.forward.to=eu.west", "topics.pay.eu.key=$.id",
                "topics.\"x.key\".key=$.b", "routes.default.topics=[\"*\", 'a,b.*'x]".replacing("'a,b.*'x", with: "\"pay.*\""),
                "node.name=a=b",
            ])
        let configuration = loaded.configuration
        #expect(configuration.clusters["eu.west"]?.properties == ["bootstrap.servers": "k:1"])
        #expect(configuration.routes[0].topics == [.all, .prefix("pay.")])
        #expect(configuration.topics.mapValues(\.key) == ["pay.eu": "$.id", "x.key": "$.b"])
        #expect(configuration.node.name == "a=b")
    }

    @Test func valuesAreInterpolatedInFilesOnly() throws {
        let text = "node: { name: \"${NAME}-${N:-7}-$${x}-$y\", data_dir: \"${file:/d}/x\" }\nlog: { level: \"${EMPTY:-debug}\" }"
        let environment = ["NAME": "n", "EMPTY": "", "FOREBAY_SHUTDOWN_TIMEOUT": "5s"]
        let node = try load(text, environment: environment, files: ["/d": "/data\n"]).configuration.node
        #expect(node == NodeConfiguration(name: "n-7-${x}-$y", dataDirectory: "/data/x"))
        #expect(try load("", set: ["node.name=${NAME}"]).configuration.node.name == "${NAME}")
    }

    @Test(arguments: [
        ("${NOPE}", "${NOPE} is not set; ${NOPE:-default} gives a value for that case"),
        ("a ${NOPE", "${ without }; write $${ for a literal ${"),
        ("${A B}", "cannot read \"${A B}\"; expected ${VAR}, ${VAR:-default} or ${file:path}"),
        ("${A:?x}", "cannot read \"${A:?x}\"; expected ${VAR}, ${VAR:-default} or ${file:path}"),
        ("${file:/none}", "cannot read /none: No such file or directory"),
    ])
    func interpolationProblems(_ text: String, _ expected: String) {
        #expect(problems("node: { name: \"\(text)\" }") == ["f:6:15 node.name: \(expected)"])
    }

    @Test func whatIsBroughtInCannotChangeTheStructure() throws {
        let name = try load("node: { name: \"${X}\" }", environment: ["X": "a }\nlimits: { body: 1GiB"]).configuration.node.name
        #expect(name == "a }\nlimits: { body: 1GiB")
    }

    @Test func secretsComeFromFiles() throws {
        let text = """
            version: 1
            clusters: { main: { properties: { bootstrap.servers: k, sasl.password_file: "${DIR}/pw" } } }
            routes: { a: { topics: [orders], forward: { to: main } } }
            """
        var world = ConfigurationWorld(files: ["f": text, "/run/pw": "s3cret\r\n", "/run/other": "0ther"], environment: ["DIR": "/run"])
        #expect(try world.load(["f"]).configuration.clusters["main"]?.properties["sasl.password"] == "s3cret")
        world.environment["FOREBAY_CLUSTERS_MAIN_PROPERTIES_SASL_PASSWORD_FILE"] = "/run/other"
        #expect(try world.load(["f"]).configuration.clusters["main"]?.properties["sasl.password"] == "0ther")
        world.overrides = ["clusters.main.properties.sasl.password_file=/run/pw"]
        #expect(try world.load(["f"]).configuration.clusters["main"]?.properties["sasl.password"] == "s3cret")
        #expect(try world.load(["f"]).configuration.clusters["main"]?.secretFiles == ["sasl.password": "/run/pw"])
        world.environment["FOREBAY_CLUSTERS_MAIN_PRODUCER_SASL_PASSWORD"] = "given"
        #expect(try world.load(["f"]).configuration.clusters["main"]?.secretFiles == [:], "the one that is in force is in no file")
        world.environment["FOREBAY_CLUSTERS_MAIN_PRODUCER_SASL_PASSWORD"] = nil
        world.overrides = ["clusters.main.properties.sasl.password_file=/run/none"]
        #expect(
            world.problems(["f"]) == ["--set clusters.main.properties.sasl.password_file: cannot read /run/none: No such file or directory"]
        )
        world.files["/run/none"] = "\n"
        #expect(world.problems(["f"]) == ["--set clusters.main.properties.sasl.password_file: /run/none is empty"])
    }

    @Test func aSecretGivenTwiceIsAnError() {
        let text = """
            version: 1
            clusters: { main: { properties: { bootstrap.servers: k, sasl.password: x, sasl.password_file: y } } }
            routes: { a: { topics: [orders], forward: { to: main } } }
            """
        #expect(
            ConfigurationWorld(files: ["f": text]).problems(["f"]) == [
                "f:2:75 clusters.main.properties.sasl.password_file: the secret is given twice, as sasl.password and as sasl.password_file"
            ])
    }
}
