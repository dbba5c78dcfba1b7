import CRDKafka

/// An error's number: the broker's own (above 0), or librdkafka's (below). Known ones have the protocol's names.
package struct KafkaErrorCode: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    package let rawValue: Int32

    package init(rawValue: Int32) {
        self.rawValue = rawValue
    }

    init(_ raw: rd_kafka_resp_err_t) {
        self.rawValue = raw.rawValue
    }

    var raw: rd_kafka_resp_err_t { rd_kafka_resp_err_t(rawValue: self.rawValue) }

    package var isError: Bool { self.rawValue != 0 }

    /// It came from a broker, which may also say that all is well or that it does not know what is wrong; otherwise it is the client's own.
    package var isOfBroker: Bool { self.rawValue > RD_KAFKA_RESP_ERR__END.rawValue }

    /// `MSG_SIZE_TOO_LARGE`; librdkafka's own begin with an underscore. Stable: what dead letters and metrics show.
    package var description: String { String(cString: rd_kafka_err2name(self.raw)) }

    /// One line for people.
    package var text: String { String(cString: rd_kafka_err2str(self.raw)) }

    /// Every code that this librdkafka knows.
    package static var all: [KafkaErrorCode] {
        var table: UnsafePointer<rd_kafka_err_desc>?
        var count = 0
        rd_kafka_get_err_descs(&table, &count)
        return UnsafeBufferPointer(start: table, count: count).compactMap { $0.desc == nil ? nil : KafkaErrorCode($0.code) }
    }

    /// The code of a name, as ``description`` gives it.
    package init?(name: String) {
        guard let code = Self.names[name] else { return nil }
        self = code
    }

    private static let names = Dictionary(Self.all.map { ($0.description, $0) }) { first, _ in first }

    package static let none = KafkaErrorCode(rawValue: 0)
    package static let messageTooLarge = KafkaErrorCode(RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE)
    package static let batchTooLarge = KafkaErrorCode(RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE)
    package static let unknownTopicOrPartition = KafkaErrorCode(RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
    package static let unknownTopic = KafkaErrorCode(RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC)
    package static let unknownPartition = KafkaErrorCode(RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION)
    package static let leaderNotAvailable = KafkaErrorCode(RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE)
    package static let topicAuthorizationFailed = KafkaErrorCode(RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED)
    package static let clusterAuthorizationFailed = KafkaErrorCode(RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED)
    package static let invalidTimestamp = KafkaErrorCode(RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP)
    package static let invalidRecord = KafkaErrorCode(RD_KAFKA_RESP_ERR_INVALID_RECORD)
    package static let notLeader = KafkaErrorCode(RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION)
    package static let notEnoughReplicas = KafkaErrorCode(RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS)
    package static let outOfOrderSequence = KafkaErrorCode(RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER)
    package static let unknownServerError = KafkaErrorCode(RD_KAFKA_RESP_ERR_UNKNOWN)
    package static let queueFull = KafkaErrorCode(RD_KAFKA_RESP_ERR__QUEUE_FULL)
    package static let fatal = KafkaErrorCode(RD_KAFKA_RESP_ERR__FATAL)
    package static let gaplessGuarantee = KafkaErrorCode(RD_KAFKA_RESP_ERR__GAPLESS_GUARANTEE)
    package static let destroyed = KafkaErrorCode(RD_KAFKA_RESP_ERR__DESTROY)
    package static let invalidArgument = KafkaErrorCode(RD_KAFKA_RESP_ERR__INVALID_ARG)
    package static let purgedInQueue = KafkaErrorCode(RD_KAFKA_RESP_ERR__PURGE_QUEUE)
    package static let purgedInFlight = KafkaErrorCode(RD_KAFKA_RESP_ERR__PURGE_INFLIGHT)
    package static let transport = KafkaErrorCode(RD_KAFKA_RESP_ERR__TRANSPORT)
    package static let timedOut = KafkaErrorCode(RD_KAFKA_RESP_ERR__TIMED_OUT)
    package static let allBrokersDown = KafkaErrorCode(RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
    package static let authentication = KafkaErrorCode(RD_KAFKA_RESP_ERR__AUTHENTICATION)
    package static let saslAuthenticationFailed = KafkaErrorCode(RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED)
    package static let criticalSystemResource = KafkaErrorCode(RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE)
    package static let throttled = KafkaErrorCode(RD_KAFKA_RESP_ERR_THROTTLING_QUOTA_EXCEEDED)
    package static let ssl = KafkaErrorCode(RD_KAFKA_RESP_ERR__SSL)
    package static let resolve = KafkaErrorCode(RD_KAFKA_RESP_ERR__RESOLVE)
    package static let invalidTopic = KafkaErrorCode(RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION)
}

/// An error as a broker or librdkafka told it.
package struct KafkaFailure: Error, Sendable, Equatable, CustomStringConvertible {
    package let code: KafkaErrorCode
    /// librdkafka's own words; they often name the broker.
    package let reason: String

    package init(_ code: KafkaErrorCode, reason: String? = nil) {
        self.code = code
        self.reason = reason ?? code.text
    }

    package var description: String { "\(self.reason) [\(self.code)]" }
}
