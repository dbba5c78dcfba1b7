import Testing

@testable import ForebayKafka

@Suite("Kafka properties")
struct KafkaPropertiesTests {
    private static func problems(_ client: [String: String] = [:], producer: [String: String] = [:]) -> [KafkaProperties.Problem] {
        KafkaProperties(client: client.merging(["bootstrap.servers": "127.0.0.1:1"]) { $1 }, producer: producer).validate()
    }

    @Test(
        "a secret is in no text; one of a few letters stays inside of words, which would tell it by what is missing",
        arguments: [
            ("hunter2", "user hunter2, xhunter2x", "user ***, x***x"),
            ("p", "security.protocol p, p: (p)", "security.protocol ***, ***: (***)"),
            ("p", "p", "***"), ("no", "nobody said no", "nobody said ***"), ("", "as it is", "as it is"), ("none", "", ""),
        ])
    func hides(secret: String, text: String, shown: String) {
        #expect(KafkaProperties.hiding(secret, in: text) == shown)
    }

    @Test(
        "what librdkafka knows passes through",
        arguments: [
            ["security.protocol": "sasl_ssl", "sasl.mechanism": "PLAIN", "sasl.username": "u", "sasl.password": "p"],
            ["compression.type": "zstd", "linger.ms": "50", "batch.size": "16384", "queue.buffering.max.kbytes": "1024"],
            ["client.id": "mine", "statistics.interval.ms": "0", "socket.timeout.ms": "60000", "debug": "msg"],
            ["max.in.flight": "1"], ["message.max.bytes": "5000000"],
        ])
    func passesThrough(properties: [String: String]) {
        #expect(Self.problems(properties).isEmpty)
        #expect(Self.problems(producer: properties).isEmpty)
    }

    @Test(
        "what the promise rests on is refused, by every name",
        arguments: [
            ("acks", "1"), ("acks", "0"), ("request.required.acks", "1"), ("enable.idempotence", "false"),
            ("enable.gapless.guarantee", "false"),
            ("message.timeout.ms", "300000"), ("delivery.timeout.ms", "1000"), ("retries", "3"), ("message.send.max.retries", "0"),
            ("transactional.id", "t"), ("partitioner", "consistent"), ("delivery.report.only.error", "true"),
            ("enable.auto.commit", "true"),
            ("enable.auto.offset.store", "true"), ("internal.termination.signal", "9"), ("topic.blacklist", "mm,x.*"),
            ("test.mock.num.brokers", "3"),
        ])
    func refused(name: String, value: String) throws {
        let inClient = Self.problems([name: value]), inProducer = Self.problems(producer: [name: value])
        #expect(inClient.map(\.name) == [name] && inClient[0].section == .properties)
        #expect(inProducer.map(\.name) == [name] && inProducer[0].section == .producer)
        #expect(try #require(inClient.first).message.hasPrefix("\(name) is Forebay's own: "))
    }

    @Test(
        "equal to our own value, in any spelling, is accepted",
        arguments: [
            ("acks", "all"), ("acks", "-1"), ("request.required.acks", "-1"), ("enable.idempotence", "true"),
            ("enable.gapless.guarantee", "true"),
            ("message.timeout.ms", "0"), ("delivery.timeout.ms", "0"), ("retries", "2147483647"), ("partitioner", "murmur2_random"),
            ("delivery.report.only.error", "false"), ("enable.auto.commit", "false"), ("internal.termination.signal", "0"),
            ("topic.blacklist", ""),
        ])
    func equalIsAccepted(name: String, value: String) {
        #expect(Self.problems([name: value]).isEmpty)
    }

    @Test("an unknown name is told in librdkafka's words")
    func unknownName() {
        #expect(Self.problems(["lingerms": "5"]).map(\.message) == ["no property of librdkafka has this name; did you mean \"linger.ms\"?"])
        #expect(Self.problems(["no.such.thing.at.all": "5"]).map(\.message) == ["no property of librdkafka has this name"])
        #expect(Self.problems(["dr_cb": "5"]).map(\.message) == ["is set by programs, not by configurations; remove it"])
    }

    @Test("a bad value is told with its property")
    func badValue() throws {
        let problem = try #require(Self.problems(producer: ["linger.ms": "soon"]).first)
        #expect(problem.name == "linger.ms" && problem.message == "expected a number from 0 to 900000 in milliseconds, found \"soon\"")
    }

    @Test(
        "librdkafka would read these as other values",
        arguments: [
            (
                "linger.ms", "900s",
                "expected a number from 0 to 900000 in milliseconds, found \"900s\"; librdkafka's properties take no units: write 900000"
            ),
            ("linger.ms", "1d", "expected a number from 0 to 900000 in milliseconds, found \"1d\"; librdkafka's properties take no units"),
            (
                "batch.size", "1MiB",
                "expected a number from 1 to 2147483647 in bytes, found \"1MiB\"; librdkafka's properties take no units: write 1048576"
            ),
            (
                "queue.buffering.max.kbytes", "64MiB",
                "expected a number from 1 to 2147483647 in kilobytes, found \"64MiB\"; librdkafka's properties take no units: write 65536"
            ),
            (
                "batch.size", "0x10",
                "expected a number from 1 to 2147483647 in bytes, found \"0x10\"; librdkafka's properties take no units"
            ),
            (
                "socket.timeout.ms", "010000",
                "expected a number from 10 to 300000 in milliseconds, found \"010000\"; librdkafka's properties take no units"
            ),
            (
                "socket.timeout.ms", "5.5",
                "expected a number from 10 to 300000 in milliseconds, found \"5.5\"; librdkafka's properties take no units"
            ),
            ("socket.timeout.ms", "5", "must be within 10 to 300000 in milliseconds, found \"5\""),
            ("linger.ms", "900000.5", "must be within 0 to 900000 in milliseconds, found \"900000.5\""),
            ("linger.ms", "-1", "must be within 0 to 900000 in milliseconds, found \"-1\""),
        ])
    func otherNumbers(name: String, value: String, message: String) {
        #expect(Self.problems([name: value]).map(\.message) == [message])
        #expect(Self.problems(producer: [name: value]).map(\.message) == [message])
    }

    @Test(
        "choices are told",
        arguments: [
            ("compression.type", "zstdd", "expected one of none, gzip, snappy, lz4, zstd, found \"zstdd\"; did you mean \"zstd\"?"),
            (
                "security.protocol", "sasl",
                "expected one of plaintext, ssl, sasl_plaintext, sasl_ssl, found \"sasl\"; did you mean \"ssl\"?"
            ),
            ("socket.keepalive.enable", "yes", "expected true or false, found \"yes\""),
        ])
    func choices(name: String, value: String, message: String) {
        #expect(Self.problems([name: value]).map(\.message) == [message])
    }

    @Test(
        "fractions where librdkafka has them, and signs",
        arguments: [("linger.ms", "0.5"), ("linger.ms", "0"), ("compression.level", "-1")])
    func numbersThatAreFine(name: String, value: String) {
        #expect(Self.problems(producer: [name: value]).isEmpty)
    }

    @Test("a secret is never in a message")
    func secretsStayOut() {
        let problems = Self.problems(["ssl.key.password": "hunter2", "ssl.key.pem": "hunter2-is-no-key", "security.protocol": "ssl"])
        #expect(!problems.isEmpty)
        #expect(!problems.contains { $0.message.contains("hunter2") })
        #expect(
            KafkaProperties.isSecret("sasl.password") && KafkaProperties.isSecret("ssl.key.pem") && !KafkaProperties.isSecret("linger.ms"))
    }

    @Test("files that can't be read, and contradictions, are found without a network")
    func together() {
        let missing = Self.problems(["security.protocol": "ssl", "ssl.ca.location": "/nowhere/ca.pem"])
        #expect(
            missing.map(\.name) == ["ssl.ca.location"] && missing[0].message == "cannot read /nowhere/ca.pem: No such file or directory")
        #expect(Self.problems(["security.protocol": "plaintext", "ssl.ca.location": "/nowhere/ca.pem"]).isEmpty, "nobody reads it")
        #expect(Self.problems(["security.protocol": "ssl", "ssl.ca.location": "probe"]).isEmpty)
        let contradiction = Self.problems(["max.in.flight": "50"])
        #expect(contradiction.count == 1 && contradiction[0].message.contains("max.in.flight"))
    }

    @Test(
        "one property under two of its names is refused at both, wherever they stand; over both maps by one name it is not",
        arguments: [
            ("metadata.broker.list", "bootstrap.servers"), ("linger.ms", "queue.buffering.max.ms"),
            ("compression.codec", "compression.type"),
            ("sasl.mechanism", "sasl.mechanisms"), ("max.in.flight", "max.in.flight.requests.per.connection"),
            ("acks", "request.required.acks"),
        ])
    func twoNames(one: String, other: String) {
        let values = ["linger.ms": "5", "compression.codec": "zstd", "sasl.mechanism": "PLAIN", "max.in.flight": "5", "acks": "all"]
        let value = values[one] ?? "127.0.0.1:1"
        let inOne = KafkaProperties(client: [one: value, other: value]).aliasProblems()
        #expect(inOne.map(\.name) == [one, other].sorted() && inOne.allSatisfy { $0.section == .properties })
        #expect(
            inOne.first { $0.name == one }?.message == "is the same property as \(other) under properties; give it under one of its names")
        let overBoth = KafkaProperties(client: [one: value], producer: [other: value]).validate()
        #expect(overBoth.map(\.name) == [one, other])
        #expect(overBoth.map(\.section) == [.properties, .producer])
        #expect(overBoth.first?.message.contains("\(other) under producer") == true)
        #expect(KafkaProperties(client: [one: value], producer: [one: value]).aliasProblems().isEmpty)
    }

    @Test("no brokers is a problem, by either name")
    func bootstrap() {
        for wrong in [
            "", ",", " ", "http://127.0.0.1:9092/", "k:0", "k:99999", "k:x", ":9092", "k:", "k:9092,http://l:1", "[::1]9092", "k:9092/x",
        ] {
            let problems = KafkaProperties(client: ["bootstrap.servers": wrong]).validate()
            #expect(problems.count == 1 && problems.first?.name == "bootstrap.servers", "\(wrong): \(problems)")
        }
        for right in ["k", "k:9092", "k:1, l:65535", "[::1]:9092", "SSL://k:9093", "SASL_SSL://k:9094,k2", "10.0.0.1:9092,"] {
            #expect(KafkaProperties(client: ["bootstrap.servers": right]).addressProblems().isEmpty, "\(right)")
        }
        #expect(KafkaProperties(client: [:]).validate().map(\.name) == ["bootstrap.servers"])
        #expect(KafkaProperties(client: ["metadata.broker.list": "127.0.0.1:1"]).validate().isEmpty)
    }
}

@Suite("Advice")
struct KafkaAdviceTests {
    private let scram = KafkaProperties(client: ["sasl.mechanism": "SCRAM-SHA-512"])

    @Test("advice for what is no Kafka at all, and for names that Kafka takes for others")
    func advice() throws {
        let advice = KafkaAdvice(properties: KafkaProperties(client: ["bootstrap.servers": "k:80"]))
        let noKafka = try #require(advice.text(for: KafkaFailure(KafkaErrorCode(name: "_BAD_MSG") ?? .none), topic: nil))
        #expect(noKafka.contains("k:80 is no Kafka") && noKafka.contains("TLS"))
        let collision = try #require(advice.text(for: KafkaFailure(.unknownTopicOrPartition), topic: "a_b"))
        #expect(collision.contains("create 'a_b'") && collision.contains("differs from an existing topic's"))
        #expect(advice.text(for: KafkaFailure(.unknownTopicOrPartition), topic: "ab")?.contains("differs") == false)
    }

    @Test("SASL without a mechanism, or with one that there is none of, is told as that")
    func mechanisms() {
        for given in [["sasl.username": "u", "sasl.password": "p"], ["sasl.password": "p"]] {
            let client = given.merging(["bootstrap.servers": "k:1", "security.protocol": "SASL_SSL"]) { $1 }
            let problems = KafkaProperties(client: client).validate()
            #expect(problems.count == 1 && problems[0].message.contains("set sasl.mechanisms"), "\(problems)")
            #expect(KafkaProperties(client: client.merging(["sasl.mechanism": "plain"]) { $1 }).saslProblems().isEmpty)
            let wrong = KafkaProperties(client: client.merging(["sasl.mechanisms": "SCRAM-SHA-999"]) { $1 }).saslProblems()
            #expect(wrong.map(\.name) == ["sasl.mechanisms"] && wrong[0].message.contains("SCRAM-SHA-512"))
        }
        #expect(KafkaProperties(client: ["security.protocol": "SASL_SSL"]).saslProblems().isEmpty, "Kerberos is meant")
        #expect(KafkaProperties(client: ["sasl.username": "u", "sasl.password": "p"]).saslProblems().isEmpty)
    }

    @Test("SCRAM refused with a librdkafka before 2.6.1: the cause and the cure are named")
    func scramOld() throws {
        let advice = KafkaAdvice(properties: self.scram, version: 0x0200_02ff)
        let text = try #require(advice.text(for: KafkaFailure(.authentication), topic: nil))
        #expect(text.contains("librdkafka 2.0.2 can't log in to Kafka 4 by SCRAM") && text.contains("2.6.1 or later"))
    }

    @Test("SCRAM refused with a newer one: it is the password", arguments: [0x0206_01ff, 0x020a_00ff] as [Int32])
    func scramNew(version: Int32) throws {
        let text = try #require(KafkaAdvice(properties: self.scram, version: version).text(for: KafkaFailure(.authentication), topic: nil))
        #expect(text == "check sasl.username, sasl.password (read at the start) and sasl.mechanisms")
    }

    @Test("PLAIN refused: it is the password")
    func plain() throws {
        let advice = KafkaAdvice(properties: KafkaProperties(client: ["sasl.mechanisms": "PLAIN"]), version: 0x0200_02ff)
        #expect(
            advice.text(for: KafkaFailure(.authentication), topic: nil)
                == "check sasl.username, sasl.password (read at the start) and sasl.mechanisms")
    }

    @Test("names the cluster, where there are several")
    func clusters() throws {
        let advice = KafkaAdvice(properties: KafkaProperties(client: [:], cluster: "backup"))
        #expect(
            advice.text(for: KafkaFailure(.unknownTopicOrPartition), topic: "orders")
                == "create 'orders' in cluster backup, or grant Describe on it if it exists; its events wait meanwhile")
        #expect(advice.text(for: KafkaFailure(.messageTooLarge), topic: nil)?.contains("of the topic in cluster backup") == true)
    }

    @Test("names the topic and what to do")
    func topics() throws {
        let advice = KafkaAdvice(properties: KafkaProperties(client: [:]))
        #expect(try #require(advice.text(for: KafkaFailure(.unknownTopicOrPartition), topic: "orders")).contains("create 'orders'"))
        #expect(try #require(advice.text(for: KafkaFailure(.topicAuthorizationFailed), topic: "orders")).contains("Write"))
    }
}

@Suite("Statistics")
struct KafkaStatisticsTests {
    @Test("reads what is kept, steps over the rest")
    func reads() throws {
        let json = """
            { "name": "p", "msg_cnt":12,"msg_size": 3456, "else":{"t":{"partitions":{"0":{"a":[1,2,{"b":"}"}]}}}},
              "brokers":{"127.0.0.1:1/bootstrap":{"nodeid":-1,"state":"DOWN","rtt":{"p99":7}},
                "127.0.0.1:9/1":{"name":"127.0.0.1:9/1","nodeid":1,"state":"UP","rtt":{"min":0,"p99":2500}, "req":{"Produce":3}}}, "eos": {} }
            """
        let statistics = try #require(KafkaStatistics(json: json))
        #expect(statistics.queuedMessages == 12 && statistics.queuedBytes == 3456)
        #expect(statistics.brokers.map(\.node) == ["1"] && statistics.brokers[0].isUp && statistics.brokers[0].roundTrip == 0.0025)
    }

    @Test(
        "numbers that no count or broker can have are none, and trap nowhere",
        arguments: ["1e400", "-1e400", "9223372036854775808", "1e300", "-9223372036854775809", "0.5", "-7", "1e"])
    func hostileNumbers(number: String) throws {
        let json = "{\"msg_cnt\":\(number),\"msg_size\":\(number),\"brokers\":{\"b\":{\"nodeid\":\(number),\"rtt\":{\"p99\":\(number)}}}}"
        let statistics = try #require(KafkaStatistics(json: json))
        #expect(statistics.queuedMessages <= 1 && statistics.queuedBytes <= 1)
        #expect(statistics.brokers.allSatisfy { $0.node == "0" })  // As what is no number is read.
    }

    @Test("topics stand last and are not read, so it does not matter that what has many is cut off")
    func cut() throws {
        let json = "{\"msg_cnt\":3,\"brokers\":{\"b\":{\"nodeid\":1,\"state\":\"UP\"}},\"topics\":{\"t\":{\"partitions\":{\"0"
        let statistics = try #require(KafkaStatistics(json: json))
        #expect(statistics.queuedMessages == 3 && statistics.brokers.map(\.node) == ["1"])
    }

    @Test(
        "ends on anything",
        arguments: ["", "{", "[]", "{\"brokers\":", "{\"brokers\":{\"x\"", "{\"msg_cnt\":{\"a\":1},}", "{{{{", "{\"a\":\"", "{,,,}"])
    func ends(json: String) {
        _ = KafkaStatistics(json: json)
    }
}
