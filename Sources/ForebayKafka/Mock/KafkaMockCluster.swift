import CRDKafka
package import ForebayCore

/// librdkafka's own mock of a Kafka cluster, in this process on loopback: for `demo` and for tests.
///
/// It keeps records in memory, and of each partition only the newest 5 MiB or 100,000. It knows no DescribeConfigs, no ACLs.
package final class KafkaMockCluster: @unchecked Sendable {  // Safe because: librdkafka hands every call to the cluster's own thread.
    private let client: OpaquePointer
    private let cluster: OpaquePointer

    /// - Throws: ``ForebayError`` when it can't listen.
    package init(brokers: Int32 = 1) throws(ForebayError) {
        let configuration = KafkaConfHandle()
        for (name, value) in [("client.id", "mock"), ("log_level", "0")] {
            precondition(configuration.set(name, value) == nil)
        }
        do throws(KafkaFailure) {
            self.client = try configuration.startProducer()
        } catch {
            throw ForebayError(.brokerUnavailable, recovery: .stop, "the embedded Kafka can't start", cause: error)
        }
        guard let cluster = rd_kafka_mock_cluster_new(self.client, brokers) else {
            rd_kafka_destroy(self.client)
            throw ForebayError(.brokerUnavailable, recovery: .stop, "the embedded Kafka can't listen on loopback")
        }
        self.cluster = cluster
    }

    deinit {
        rd_kafka_mock_cluster_destroy(self.cluster)
        rd_kafka_destroy(self.client)
    }

    /// For `bootstrap.servers`.
    package var bootstrap: String { String(cString: rd_kafka_mock_cluster_bootstraps(self.cluster)) }

    /// Topics that nobody created come to be with 4 partitions when they are first asked for.
    package func create(topic: String, partitions: Int32, replication: Int32 = 1) {
        rd_kafka_mock_topic_create(self.cluster, topic, partitions, replication)
    }

    // MARK: Faults

    /// The next produce requests are answered with these errors, one each.
    package func failProducing(with errors: [KafkaErrorCode]) {
        var codes = errors.map(\.raw)
        rd_kafka_mock_push_request_errors_array(self.cluster, 0, codes.count, &codes)
    }

    /// Metadata answers carry this error for the topic; `.none` mends it.
    package func failTopic(_ topic: String, with error: KafkaErrorCode) {
        rd_kafka_mock_topic_set_error(self.cluster, topic, error.raw)
    }

    package func setBroker(_ id: Int32, isUp: Bool) {
        if isUp { rd_kafka_mock_broker_set_up(self.cluster, id) } else { rd_kafka_mock_broker_set_down(self.cluster, id) }
    }

    package func setRoundTrip(_ milliseconds: Int32, broker: Int32) {
        rd_kafka_mock_broker_set_rtt(self.cluster, broker, milliseconds)
    }

    /// - Parameter broker: none: the partition has no leader.
    package func setLeader(of topic: String, _ partition: Int32, to broker: Int32?) {
        rd_kafka_mock_partition_set_leader(self.cluster, topic, partition, broker ?? -1)
    }
}
