import ConfigurationWorld
import Testing

@testable import ForebayConfig

/// What is wrong, said exactly. Line 6 is the first line of each text here.
@Suite struct ConfigurationProblemTests {
    @Test(arguments: [
        // Unknown keys.
        ("limits: { boddy: 1MiB }", ["f:6:11 limits.boddy: unknown key; did you mean \"body\"?"]),
        ("limitz: {}", ["f:6:1 limitz: unknown key; did you mean \"limits\"?"]),
        ("shutdown: { zzz: 1 }", ["f:6:13 shutdown.zzz: unknown key; known here: timeout"]),
        ("topics: { orders: { keys: $.a } }", ["f:6:21 topics.orders.keys: unknown key; did you mean \"key\"?"]),
        // Wrong types and values.
        ("limits: { body: 8MB }", ["f:6:17 limits.body: expected a size such as 8MiB (units KiB, MiB, GiB, TiB), found \"8MB\""]),
        ("limits: { body: [1] }", ["f:6:17 limits.body: expected a size such as 8MiB (units KiB, MiB, GiB, TiB), found a list"]),
        ("limits: { body: { a: 1 } }", ["f:6:17 limits.body: expected a size such as 8MiB (units KiB, MiB, GiB, TiB), found a map"]),
        ("limits: { body: -1 }", ["f:6:17 limits.body: expected a size such as 8MiB (units KiB, MiB, GiB, TiB), found \"-1\""]),
        ("limits: { body: 1 }", ["f:6:17 limits.body: must be within 1KiB to 1GiB, found \"1\""]),
        (
            "limits: { body: 99999999999999999999TiB }",
            [
                "f:6:17 limits.body: expected a size such as 8MiB (units KiB, MiB, GiB, TiB), found \"99999999999999999999TiB\""
            ]
        ),
        (
            "limits: { request_timeout: 30 }",
            [
                "f:6:28 limits.request_timeout: expected a duration such as 30s (units ms, s, m, h, d), found \"30\""
            ]
        ),
        ("limits: { events_per_request: many }", ["f:6:31 limits.events_per_request: expected a whole number, found \"many\""]),
        ("limits:\n  body:\n  event: 1KiB", ["f:7:8 limits.body: has no value; expected a size such as 8MiB (units KiB, MiB, GiB, TiB)"]),
        ("limits: 5", ["f:6:9 limits: expected a map, found \"5\""]),
        ("log: { level: warn }", ["f:6:15 log.level: expected one of debug, info, warning, error, found \"warn\""]),
        ("log: { format: jsn }", ["f:6:16 log.format: expected one of auto, text, json, found \"jsn\"; did you mean \"json\"?"]),
        (
            "listeners: { ingest: { address: \":8080\" } }",
            [
                "f:6:33 listeners.ingest.address: expected an address such as 127.0.0.1:8080 or [::1]:8080, found \":8080\""
            ]
        ),
        (
            "listeners: { admin: { address: \"127.0.0.1:8080\" } }",
            [
                "f:6:32 listeners.admin.address: 127.0.0.1:8080 is the address of both listeners, ingest and admin"
            ]
        ),
        (
            "listeners: { health: { address: \"127.0.0.1:8081\" } }",
            ["f:6:33 listeners.health.address: 127.0.0.1:8081 is the address of both listeners, admin and health"]
        ),
        (
            "listeners: { admin: { names: [\"a.b:8081\"] } }",
            ["f:6:31 listeners.admin.names: expected a list of host names, without ports, found \"a.b:8081\""]
        ),
        ("listeners: { ingest: { probes: yes } }", ["f:6:32 listeners.ingest.probes: expected one of true, false, found \"yes\""]),
        (
            "topics: { a: { rename: __consumer_offsets } }",
            ["f:6:24 topics.a.rename: \"__consumer_offsets\" is one of Kafka's own topics (its name begins with __)"]
        ),
        ("node: { name: \"a\\0b\" }", ["f:6:15 node.name: contains a NUL character"]),
        // Given twice.
        ("limits: { body: 1MiB }\nlimits: { body: 2MiB }", ["f:7:1: \"limits\" is given twice; the first is at 6:1"]),
        ("topics: { a: { key: $.b, key: $.c } }", ["f:6:26: \"key\" is given twice; the first is at 6:16"]),
        // Not yet.
        ("modes: [ingest]", ["f:6:1 modes: not supported yet: Which stages this process runs"]),
        ("auth: { ingest: none }", ["f:6:1 auth: not supported yet: Who may send what"]),
        ("listeners: { ingest: { tls: {} } }", ["f:6:24 listeners.ingest.tls: not supported yet: TLS for producers"]),
        ("buffer: { backend: kafka }", ["f:6:20 buffer.backend: \"kafka\" is not supported yet; expected spool"]),
        ("buffer: { kafka: { cluster: front } }", ["f:6:11 buffer.kafka: not supported yet: A fronting Kafka cluster as the buffer"]),
        (
            "buffer: { spool: { sync: \"interval:10ms\" } }",
            [
                "f:6:26 buffer.spool.sync: \"interval\" is not supported yet; expected always"
            ]
        ),
        ("topics: { a: { dedup: 24h } }", ["f:6:16 topics.a.dedup: not supported yet: Storing an event id once within a window"]),
        // Sizes that must fit each other.
        (
            "buffer: { spool: { max_size: 1GiB, segment: 256MiB } }",
            [
                "f:6:45 buffer.spool.segment: 256MiB is more than an eighth of buffer.spool.max_size (1GiB); at most 128MiB"
            ]
        ),
        ("limits: { event: 16MiB }", ["f:6:18 limits.event: 16MiB is more than limits.body (8MiB, the default)"]),
        ("limits: { body: 512KiB }", ["f:6:17 limits.body: 512KiB is less than limits.event (960KiB, the default); lower that too"]),
        ("limits: { in_flight: 4MiB, body: 5MiB }", ["f:6:34 limits.body: 5MiB is more than limits.in_flight (4MiB)"]),
        ("topics: { a: { max_event: 1MiB } }", ["f:6:27 topics.a.max_event: 1MiB is more than limits.event (960KiB, the default)"]),
        (
            "delivery: { window: 1MiB, partition_window: 2MiB }",
            [
                "f:6:45 delivery.partition_window: 2MiB is more than delivery.window (1MiB)"
            ]
        ),
        // Topics.
        ("topics: { \"a b\": {} }", ["f:6:11 topics.a b: not a topic's name (letters, digits, '.', '_', '-', at most 249)"]),
        (
            "topics: { a: { key: order_id } }",
            ["f:6:21 topics.a.key: expected a path such as $.order_id or $.customer.id, found \"order_id\""]
        ),
        (
            "topics: { a: { key: \"$.items[0]\" } }",
            [
                "f:6:21 topics.a.key: expected a path such as $.order_id or $.customer.id, found \"$.items[0]\""
            ]
        ),
        (
            "topics: { a: { rename: .. } }",
            [
                "f:6:24 topics.a.rename: expected a topic's name (letters, digits, '.', '_', '-', at most 249), found \"..\""
            ]
        ),
    ])
    func oneProblem(_ text: String, _ expected: [String]) {
        #expect(problems(text) == expected)
    }

    @Test(arguments: [
        (
            "",
            [
                "f:1:1 version: missing; expected a whole number",
                "f:1:1 routes: missing; no route, no topic. For all: routes: { default: { topics: [\"*\"], forward: { to: CLUSTER } } }",
            ]
        ),
        (
            "version: 2\nclusters: { m: { properties: { bootstrap.servers: k } } }\nroutes: { r: { topics: [a], forward: { to: m } } }",
            [
                "f:1:10 version: must be 1, found \"2\""
            ]
        ),
        (
            "version: 1\nclusters: { main: {} }\nroutes: { r: { topics: [a], forward: { to: mian } } }",
            [
                "f:2:13 clusters.main: bootstrap.servers is missing; give it under properties",
                "f:3:44 routes.r.forward.to: no cluster is called \"mian\"; did you mean \"main\"?",
            ]
        ),
        (
            "version: 1\nroutes: { r: { topics: [a], forward: { to: main } } }",
            [
                "f:2:44 routes.r.forward.to: no cluster is called \"main\"; there are none"
            ]
        ),
        (
            "version: 1\nclusters: { m: { bootstrap.servers: k } }\nroutes:\n  r:\n  s: { topics: a }\n",
            [
                "f:2:13 clusters.m: bootstrap.servers is missing; give it under properties",
                "f:2:18 clusters.m.bootstrap.servers: unknown key; properties of librdkafka stand under properties, producer or consumer",
                "f:4:3 routes.r.topics: missing; expected a list of topics, prefixes such as \"payments.*\", or \"*\"",
                "f:4:3 routes.r.forward.to: missing; expected a name from clusters",
                "f:5:3 routes.s.forward.to: missing; expected a name from clusters",
                "f:5:16 routes.s.topics: expected a list of topics, prefixes such as \"payments.*\", or \"*\", found \"a\"",
            ]
        ),
        ("[1]", ["f:1:1: expected a map, found a list"]),
    ])
    func wholeFiles(_ text: String, _ expected: [String]) {
        #expect(ConfigurationWorld(files: ["f": text]).problems(["f"]) == expected)
    }

    @Test func allProblemsAreReportedInOrder() {
        let found = problems("limits: { body: x, even: 1, header: y }\nlog: { level: z }\nauth: {}")
        #expect(found.map { $0.prefix { $0 != " " } } == ["f:6:17", "f:6:20", "f:6:37", "f:7:15", "f:8:1"])
    }

    @Test func aSyntaxErrorIsNotBuriedUnderWhatItHides() {
        let found = ConfigurationWorld(files: ["f": "version: 1\nlimits: {\n"]).problems(["f"])
        #expect(found.count == 1)
        #expect(found.first?.hasPrefix("f:3:1: did not find expected") == true)
    }

    @Test func aFileThatIsNotThere() {
        #expect(ConfigurationWorld().problems(["none.yaml"]) == ["cannot read none.yaml: No such file or directory"])
    }

    @Test func theVersionIsSaid() {
        #expect(problems("", set: ["version=2"]).last == "--set version: must be 1, found \"2\"")
    }

    @Test func aReserveThatHoldsNoEvent() throws {
        func warnings(_ size: String, event: String = "960KiB") throws -> [String] {
            let text = minimal + "\nlimits: { event: \(event) }\nbuffer: { spool: { max_size: \(size) } }\n"
            return try ConfigurationWorld(files: ["f": text]).load(["f"]).warnings.map(\.description)
        }
        #expect(
            try warnings("19MiB").map { $0.drop { $0 != " " } } == [
                " buffer.spool.max_size: 5 % of it is kept for dead letters and what is set aside; that is less than one event may take "
                    + "(limits.event, 960KiB), so one that Kafka refuses could hold its route up on a full disk; make it at least 20MiB, or "
                    + "limits.event smaller"
            ])
        #expect(try warnings("20MiB").isEmpty)
        #expect(try warnings("19MiB", event: "256KiB").isEmpty)
        #expect(try warnings("1MiB", event: "1KiB").count == 2, "not even an event's surroundings, nor the largest request")
    }

    @Test func aRequestThatNeverFits() throws {
        func warnings(_ size: String, _ limits: String = "") throws -> [String] {
            let text = minimal + "\nlimits: { event: 1KiB\(limits) }\nbuffer: { spool: { max_size: \(size) } }\n"
            return try ConfigurationWorld(files: ["f": text]).load(["f"]).warnings.map(\.description)
        }
        #expect(try warnings("9MiB").isEmpty)
        let tooSmall = try warnings("8MiB")
        #expect(tooSmall.count == 1 && tooSmall[0].contains(" buffer.spool.max_size: a request of limits.body (8MiB) never fits into"))
        #expect(try warnings("8MiB", ", body: 7MiB").isEmpty)
        let tooLarge = try warnings("24MiB", ", body: 32MiB")
        #expect(tooLarge.count == 1 && tooLarge[0].contains(" limits.body: a request of limits.body (32MiB) never fits into"))
    }

    @Test func dataFoldersThatCanNotBeMeant() throws {
        for (path, isWrong) in [("/", true), ("//", true), ("/.", true), ("~", true), ("~/data", true), ("/data", false), ("./~x", false)] {
            let problems = ConfigurationWorld(files: ["f": minimal + "\nnode: { data_dir: '\(path)' }\n"]).problems(["f"])
            #expect(problems.isEmpty != isWrong, "\(path): \(problems)")
            if isWrong { #expect(problems.count == 1 && problems[0].contains("node.data_dir")) }
        }
    }

    @Test func requestsThatWaitForKafkaLeaveConnections() throws {
        func warnings(_ limits: String) throws -> [String] {
            try ConfigurationWorld(files: ["f": minimal + "\nlimits: { \(limits) }\n"]).load(["f"]).warnings.map(\.description)
        }
        #expect(try warnings("event: 960KiB").isEmpty, "the defaults")
        let both = try warnings("awaiting_kafka: 4096")
        #expect(both.count == 1 && both[0].contains(" limits.awaiting_kafka: ") && both[0].contains("(4096)"))
        #expect(try warnings("awaiting_kafka: 4095").isEmpty)
        let address = try warnings("connections_per_address: 100")
        #expect(address.count == 1 && address[0].contains(" limits.connections_per_address: "))
        #expect(try warnings("connections_per_address: 100, awaiting_kafka: 99").isEmpty)
        #expect(try warnings("connections_per_address: 0").isEmpty && warnings("awaiting_kafka: 0").isEmpty)
    }

    @Test func aByteOrderMarkIsPassedOver() throws {
        let loaded = try ConfigurationWorld(files: ["f": "\u{FEFF}" + minimal]).load(["f"])
        #expect(loaded.configuration.routes.count == 1)
        // Places are counted behind it.
        #expect(ConfigurationWorld(files: ["f": "\u{FEFF}version: 9"]).problems(["f"]).contains("f:1:10 version: must be 1, found \"9\""))
        // Only the first one, and only there.
        #expect(!ConfigurationWorld(files: ["f": "\u{FEFF}\u{FEFF}" + minimal]).problems(["f"]).isEmpty)
    }
}
