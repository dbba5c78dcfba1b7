import CRDKafka

/// What a user can do about a failure, in words.
package struct KafkaAdvice: Sendable {
    private let isScram: Bool
    private let passwordFile: String?
    private let bootstrap: String
    /// ` in cluster backup`
    private let place: String
    private let version: Int32

    package init(properties: KafkaProperties) {
        self.init(properties: properties, version: rd_kafka_version())
    }

    /// - Parameter version: of librdkafka, `0x020601ff` for 2.6.1.
    package init(properties: KafkaProperties, version: Int32) {
        let mechanism = properties["sasl.mechanism"] ?? properties["sasl.mechanisms"] ?? ""
        self.isScram = mechanism.uppercased().hasPrefix("SCRAM")
        self.passwordFile = KafkaPassword(properties)?.file
        self.bootstrap = properties["bootstrap.servers"] ?? properties["metadata.broker.list"] ?? ""
        self.version = version
        self.place = properties.cluster.map { " in cluster \($0)" } ?? ""
    }

    /// - Parameter topic: the one that failed, where it is one.
    package func text(for failure: KafkaFailure, topic: String?) -> String? {
        let name = (topic.map { "'\($0)'" } ?? "the topic") + self.place
        switch failure.code.raw {
        case RD_KAFKA_RESP_ERR__AUTHENTICATION, RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED: return self.authentication
        case RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM, RD_KAFKA_RESP_ERR_ILLEGAL_SASL_STATE:
            return "set sasl.mechanisms to one that the brokers' listener offers"
        case RD_KAFKA_RESP_ERR__SSL:
            return
                "check ssl.ca.location (the CA that signed the brokers' certificates), the client's certificate and key (read at the start), and that the port is a TLS listener"
        case RD_KAFKA_RESP_ERR__RESOLVE: return "check the host names in bootstrap.servers and the brokers' advertised.listeners"
        case RD_KAFKA_RESP_ERR__TRANSPORT, RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
            return
                "check that Kafka runs and can be reached (\(self.bootstrap)), and that security.protocol fits the listener; events wait meanwhile"
        case RD_KAFKA_RESP_ERR__BAD_MSG:
            return
                "what answers at \(self.bootstrap) is no Kafka, or a TLS listener while security.protocol is without TLS: check the address and"
                + " security.protocol; no size has to be raised"
        case RD_KAFKA_RESP_ERR__TIMED_OUT: return "look after the broker that leads the partition of \(name); its events wait meanwhile"
        case RD_KAFKA_RESP_ERR_THROTTLING_QUOTA_EXCEEDED:
            return
                "raise the quota of this client's user or client.id (producer_byte_rate, request_percentage), or let it take its time; events wait"
        case RD_KAFKA_RESP_ERR__QUEUE_FULL:
            return
                "leave queue.buffering.max.kbytes out, or raise it above the size of the largest event, and restart; its events wait meanwhile"
        case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
            let usual = "create \(name), or grant Describe on it if it exists; its events wait meanwhile"
            guard let topic, topic.contains(where: { $0 == "." || $0 == "_" }) else { return usual }
            return usual + ". Kafka refuses a name that differs from an existing topic's in '.' and '_' alone"
        case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
            return "grant Write and Describe on \(name) to this client's principal; its events wait meanwhile"
        case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
            return "grant IdempotentWrite on the cluster to this client's principal (Kafka before 2.8 needs it), or Write on its topics"
        case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE: return "bring back the broker that led the partition, or elect another leader"
        case RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS: return "bring back brokers until min.insync.replicas of \(name) is met"
        case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE: return "raise max.message.bytes of \(name), or lower max_event for it"
        case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
            return
                "nothing, where no event is a dead letter: a batch was too large, and its events are not; grant DescribeConfigs on \(name) to "
                + "this client's principal, and batches are made to fit. For dead letters: raise max.message.bytes or segment.bytes of it"
        case RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP:
            return
                "\(name) takes no event older than its message.timestamp.before.max.ms, and none further ahead than its message.timestamp.after.max.ms: raise what was passed, or set the clocks of this node, the producers and the brokers"
        case RD_KAFKA_RESP_ERR_INVALID_RECORD: return "a compacted topic takes no event without a key"
        case RD_KAFKA_RESP_ERR_UNSUPPORTED_COMPRESSION_TYPE, RD_KAFKA_RESP_ERR__BAD_COMPRESSION: return "choose another compression.type"
        case RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION, RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE:
            return
                "the cluster offers no idempotent producer, which order and single delivery rest on: use Kafka 0.11 or later, or a service that has"
                + " it, and leave api.version.request and broker.version.fallback out; events wait meanwhile"
        case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION: return "Kafka takes no topic of this name"
        case RD_KAFKA_RESP_ERR_POLICY_VIOLATION: return "the cluster's policy refuses it; ask its operators"
        default: return nil
        }
    }

    private var authentication: String {
        let password = self.passwordFile.map { "the password in \($0) (read again at each refusal)" } ?? "sasl.password (read at the start)"
        let usual = "check sasl.username, \(password) and sasl.mechanisms"
        guard self.isScram, self.version < 0x0206_01ff else { return usual }
        let major = self.version >> 24, minor = self.version >> 16 & 0xff, patch = self.version >> 8 & 0xff
        return
            "librdkafka \(major).\(minor).\(patch) can't log in to Kafka 4 by SCRAM, even with the right password (it repeats a nonce, mended in "
            + "librdkafka 2.6.1): install librdkafka 2.6.1 or later, or use sasl.mechanisms PLAIN over TLS; with brokers before Kafka 4, \(usual)"
    }
}
