/// The properties that are not the user's to choose, and those whose defaults differ from librdkafka's.
package enum KafkaPropertyRules {
    struct Rule {
        /// By all its names.
        let names: [String]
        let value: String
        let reason: String

        /// Whether the user's value means the same as ours; librdkafka knows several spellings (`-1` and `all`).
        func allows(_ value: String) -> Bool {
            let theirs = KafkaConfHandle(), ours = KafkaConfHandle()
            guard theirs.set(self.names[0], value) == nil, ours.set(self.names[0], self.value) == nil else { return value == self.value }
            return theirs.get(self.names[0]) == ours.get(self.names[0])
        }
    }

    static let rules = [
        Rule(
            names: ["acks", "request.required.acks"], value: "all", reason: "an event counts as delivered when all in-sync replicas have it"
        ),
        Rule(names: ["enable.idempotence"], value: "true", reason: "without it a retry can store an event twice or out of order"),
        Rule(names: ["enable.gapless.guarantee"], value: "true", reason: "without it events can overtake one that was refused"),
        Rule(names: ["message.timeout.ms", "delivery.timeout.ms"], value: "0", reason: "events wait for Kafka as long as it takes"),
        Rule(names: ["message.send.max.retries", "retries"], value: "2147483647", reason: "events wait for Kafka as long as it takes"),
        Rule(names: ["transactional.id"], value: "", reason: "Forebay does not use transactions"),
        Rule(names: ["partitioner"], value: "murmur2_random", reason: "Forebay picks partitions itself, as Java's clients do"),
        Rule(names: ["topic.blacklist"], value: "", reason: "events of a topic that librdkafka ignores would wait for ever"),
        Rule(names: ["internal.termination.signal"], value: "0", reason: "librdkafka would send that signal to this process"),
        Rule(names: ["test.mock.num.brokers"], value: "0", reason: "events would go to a cluster in memory, and be lost with it"),
        Rule(names: ["delivery.report.only.error"], value: "false", reason: "an event is delivered only when its report says so"),
        Rule(
            names: ["enable.auto.commit", "auto.commit.enable"], value: "false",
            reason: "offsets are committed only when the events are settled"),
        Rule(names: ["enable.auto.offset.store"], value: "false", reason: "offsets are committed only when the events are settled"),
    ]

    private static let unset = [
        "transactional.id", "enable.auto.commit", "enable.auto.offset.store", "topic.blacklist", "internal.termination.signal",
        "test.mock.num.brokers",
    ]

    static func rule(for name: String) -> Rule? {
        self.rules.first { $0.names.contains(name) }
    }

    /// Set before the user's.
    package static let defaults: [(String, String)] = [
        ("client.id", "forebay"),
        ("linger.ms", "5"),
        ("batch.num.messages", "10000"),
        // A broker that froze is noticed after this, not after a minute; and it gives its own answer a little earlier.
        ("socket.timeout.ms", "10000"),
        ("request.timeout.ms", "9000"),
        ("socket.connection.setup.timeout.ms", "10000"),
        ("socket.keepalive.enable", "true"),
        ("socket.nagle.disable", "true"),
        ("reconnect.backoff.max.ms", "2000"),
        // Forward bounds what librdkafka holds, in bytes and by partition; librdkafka's own bounds must not bite first.
        ("queue.buffering.max.messages", "10000000"),
        ("queue.buffering.max.kbytes", "2097151"),
        // The broker knows the limit of its topics, and `limits.event` is checked at the edge.
        ("message.max.bytes", "100000000"),
        ("batch.size", "1000000"),
        ("statistics.interval.ms", "5000"),
    ]

    /// Set after the user's. Rules of consumers are not a producer's to set, and some values mean that a property is not set.
    static let fixed: [(String, String)] =
        rules.filter { !Self.unset.contains($0.names[0]) }.map { ($0.names[0], $0.value) }
        + [("log.queue", "true")]
}
