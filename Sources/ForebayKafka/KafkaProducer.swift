import CRDKafka
package import ForebayCore
package import ForebayNet
package import ForebayTelemetry
import Glibc

/// One producer of librdkafka: queues events, and tells what became of each of them.
///
/// Used on one thread, the loop's; not `Sendable`. Nothing here waits: what could, runs on a thread of its own.
/// Values are not copied: their bytes must live until the event's report, or until the batches given to ``close(keeping:)`` are let go.
package final class KafkaProducer: KafkaProducing {
    /// How events are batched.
    package enum Kind: Sendable, Equatable {
        /// As the properties say.
        case bulk
        /// Batches of at most so many bytes, for topics with a small `max.message.bytes`.
        case small(batchSize: Int)
        /// Each event is a batch of its own, sent at once. The caller keeps one in flight per partition, so order needs no guarantee
        /// from librdkafka; one that is refused does no harm to the others.
        case single
    }

    let client: KafkaClient
    let log: KafkaClientLog
    let password: KafkaPassword?
    let statistics: KafkaStatisticsGauges?
    private var topics = KafkaTopics()
    var limitRequests = KafkaLimitRequests()
    var metadataAnswers = KafkaMetadataAnswers()
    var reports = KafkaReports()
    private var watch: Watch?
    private(set) var isClosed = false

    /// Starts the client and its threads; connects in the background.
    ///
    /// - Parameters:
    ///   - loop: whose thread this is.
    ///   - name: for logs and metrics: `forward/orders`.
    ///   - metrics: for the statistics of librdkafka; none for the side producers.
    ///   - wake: called on the loop when ``poll(_:)`` has something to tell.
    /// - Throws: ``ForebayError``: `producer_unavailable`, to be tried again.
    package init(
        on loop: EventLoop, name: String, kind: Kind = .bulk, properties: KafkaProperties, metrics: MetricsRegistry? = nil,
        wake: @escaping () -> Void
    ) throws(ForebayError) {
        self.log = KafkaClientLog(client: name, advice: KafkaAdvice(properties: properties))
        let properties = properties.withSecretsOfNow()
        self.password = KafkaPassword(properties)
        do {
            self.client = try KafkaClient(starting: properties.configure(Self.overrides(kind, hasStatistics: metrics != nil)))
        } catch let problem as ForebayConfigurationProblem {
            throw Self.cannotStart(name, problem.message)
        } catch {
            throw Self.cannotStart(name, (error as? KafkaFailure)?.reason ?? "\(error)")
        }
        self.statistics = metrics.map { KafkaStatisticsGauges(client: name, registry: $0) }
        do throws(ForebayError) {
            self.watch = try loop.watch(fd: self.client.handle.wakeup, wake)
        } catch {
            self.close(keeping: [])
            throw Self.cannotStart(name, error.description)
        }
    }

    /// The properties were found right before the node started, so it is for now: no descriptors or threads left, a certificate that is
    /// just being replaced.
    private static func cannotStart(_ name: String, _ reason: String) -> ForebayError {
        ForebayError(.producerUnavailable, recovery: .rewindAndRestart, "Kafka producer \(name) can't start now: \(reason)")
    }

    deinit { precondition(self.isClosed, "a producer must be closed: its threads would read freed events") }

    /// The library in use, `2.0.2`.
    package static var libraryVersion: String { String(cString: rd_kafka_version_str()) }

    /// Events given to ``send(_:to:)`` whose report was not polled yet.
    package var queueLength: Int { Int(rd_kafka_outq_len(self.client.handle.client)) }

    // MARK: Sending

    /// Takes a topic into use, from now on part of ``metadata(of:timeout:)``. librdkafka looks through all topics that it has for each that
    /// is opened, and keeps those with partitions until the client ends, closed ones too: they cost time and memory, and a question for
    /// all asks for them as well.
    package func open(topic name: String) -> KafkaTopic? {
        self.topics.open(name, of: self.client.handle.client)
    }

    package func close(topic: KafkaTopic) { self.topics.close(topic) }

    /// Queues one event. After an error it is not queued, and there will be no report.
    @inline(__always)
    package func send(_ record: inout KafkaRecord, to topic: KafkaTopic) -> KafkaErrorCode {
        withUnsafePointer(to: &record.raw) { KafkaErrorCode(forebay_send(self.client.handle.client, topic.raw, $0)) }
    }

    // MARK: Ending

    /// Ends the client: what is queued or in flight is given up, without reports. Returns at once; the rest happens on a thread.
    ///
    /// - Parameter payloads: what holds the values not reported yet; kept until librdkafka has let go of them.
    package func close(keeping payloads: [Batch] = []) {
        guard !self.isClosed else { return }
        self.isClosed = true
        self.watch?.cancel()
        self.watch = nil
        self.limitRequests.endAll()
        self.metadataAnswers.endAll()
        self.topics.closeAll()
        self.statistics?.clear()
        self.client.end(keeping: payloads)
    }

    private static func overrides(_ kind: Kind, hasStatistics: Bool) -> [(String, String)] {
        // With statistics librdkafka keeps histograms for each topic, some 80 KiB.
        let statistics = hasStatistics ? [] : [("statistics.interval.ms", "0")]
        return switch kind {
        case .bulk: statistics
        case .small(let batchSize): statistics + [("batch.size", String(batchSize))]
        case .single: statistics + [("batch.num.messages", "1"), ("linger.ms", "0"), ("enable.gapless.guarantee", "false")]
        }
    }
}
