package import ForebayCore
package import ForebayTelemetry

/// A producer: queues events, and tells what became of each of them. The process has ``KafkaProducer``; a simulation brings its own.
///
/// Used on one thread, its loop's; nothing here waits. Values are not copied: their bytes must live until the event's report, or until the
/// batches given to ``close(keeping:)`` are let go.
package protocol KafkaProducing: AnyObject {
    /// Takes a topic into use, from now on part of ``metadata(of:timeout:)``. Close it again when it is no longer needed.
    func open(topic name: String) -> KafkaTopic?

    func close(topic: KafkaTopic)

    /// Queues one event. After an error it is not queued, and there will be no report.
    ///
    /// - Parameter record: read only; `inout` so that it is not copied for each event.
    func send(_ record: inout KafkaRecord, to topic: KafkaTopic) -> KafkaErrorCode

    /// Tells everything that waits. Call it when woken.
    func poll(_ handle: (KafkaSignal) -> Void)

    /// Asks the cluster for one open topic, or for all of them; the producer learns the answer too. Creates topics where the brokers do so.
    ///
    /// - Parameter timeout: milliseconds.
    /// - Returns: a failure of `_TRANSPORT` when no broker can be reached, `_TIMED_OUT`, `_DESTROY` when the producer is closed first.
    nonisolated(nonsending) func metadata(of topic: KafkaTopic?, timeout: Int32) async -> Result<KafkaMetadata, KafkaFailure>

    /// Asks the cluster for every topic that this client may see. Creates none, and takes none into use.
    ///
    /// - Returns: as ``metadata(of:timeout:)``.
    nonisolated(nonsending) func metadataOfAllTopics(timeout: Int32) async -> Result<KafkaMetadata, KafkaFailure>

    /// Asks for `max.message.bytes` of topics. One answer for each, also when the producer is closed meanwhile.
    ///
    /// - Parameter broker: the one to ask, by its id; without one, whoever the cluster wants to be asked.
    nonisolated(nonsending) func limits(of topics: [String], by broker: Int32?) async -> [KafkaTopicLimit]

    /// Ends the producer: what is queued or in flight is given up, without reports. Returns at once.
    ///
    /// - Parameter payloads: what holds the values not reported yet; kept until the producer has let go of them.
    func close(keeping payloads: [Batch])
}

extension KafkaProducing {
    nonisolated(nonsending) package func limits(of topics: [String]) async -> [KafkaTopicLimit] {
        await self.limits(of: topics, by: nil)
    }
}

/// Where producers come from.
package protocol KafkaProducerSource: Sendable {
    /// Starts a producer; it connects in the background. On the loop that it lives on.
    ///
    /// - Parameters:
    ///   - name: for logs and metrics: `forward/orders`.
    ///   - metrics: for its statistics; none for the side producers.
    ///   - wake: called on the loop when ``KafkaProducing/poll(_:)`` has something to tell, and never from within a call.
    func open(
        name: String, kind: KafkaProducer.Kind, properties: KafkaProperties, metrics: MetricsRegistry?, wake: @escaping () -> Void
    ) throws(ForebayError) -> any KafkaProducing
}
