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

    package let name: String
    package let kind: Kind
    let handle: KafkaClientHandle
    let thread: KafkaThread
    let logger: Logger
    let advice: KafkaAdvice
    let password: KafkaPassword?
    let throttle = KafkaThrottle()
    var statistics: KafkaStatisticsGauges?
    var openTopics: Set<OpaquePointer> = []
    var limitRequests: [UInt: (topics: [String], waiting: UnsafeContinuation<[KafkaTopicLimit], Never>)] = [:]
    var lastLimitRequest: UInt = 0
    var metadataAnswers: [MetadataAnswer] = []
    var reports: [KafkaReport] = []
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
        self.name = name
        self.kind = kind
        self.logger = Logger(label: "kafka")
        self.advice = KafkaAdvice(properties: properties)
        let properties = properties.withSecretsOfNow()
        self.password = KafkaPassword(properties)
        do {
            let configuration = try properties.configure(Self.overrides(kind, hasStatistics: metrics != nil))
            configuration.enableEvents(
                RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_STATS | RD_KAFKA_EVENT_LOG)
            configuration.watch(self.throttle)
            self.thread = try KafkaThread(name: "kafka-wait")
            do {
                self.handle = try KafkaClientHandle(starting: configuration)
            } catch {
                self.thread.end()
                throw error
            }
        } catch let problem as ForebayConfigurationProblem {
            throw Self.cannotStart(name, problem.message)
        } catch {
            throw Self.cannotStart(name, (error as? KafkaFailure)?.reason ?? "\(error)")
        }
        self.statistics = metrics.map { KafkaStatisticsGauges(client: name, registry: $0) }
        self.reports.reserveCapacity(Self.reportsAtOnce)
        do throws(ForebayError) {
            self.watch = try loop.watch(fd: self.handle.wakeup, wake)
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
    package var queueLength: Int { Int(rd_kafka_outq_len(self.handle.client)) }

    // MARK: Sending

    /// Takes a topic into use, from now on part of ``metadata(of:timeout:)``. librdkafka looks through all topics that it has for each that
    /// is opened, and keeps those with partitions until the client ends, closed ones too: they cost time and memory, and a question for
    /// all asks for them as well.
    package func open(topic name: String) -> KafkaTopic? {
        guard let raw = rd_kafka_topic_new(self.handle.client, name, nil) else { return nil }
        self.openTopics.insert(raw)
        return KafkaTopic(raw)
    }

    package func close(topic: KafkaTopic) {
        guard self.openTopics.remove(topic.raw) != nil else { return }
        rd_kafka_topic_destroy(topic.raw)
    }

    /// Queues one event. After an error it is not queued, and there will be no report.
    @inline(__always)
    package func send(_ record: inout KafkaRecord, to topic: KafkaTopic) -> KafkaErrorCode {
        withUnsafePointer(to: &record.raw) { KafkaErrorCode(forebay_send(self.handle.client, topic.raw, $0)) }
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
        for (topics, waiting) in self.limitRequests.values {
            waiting.resume(returning: Self.untold(topics, .destroyed))
        }
        self.limitRequests = [:]
        for answer in self.metadataAnswers { answer.give(.failure(KafkaFailure(.destroyed))) }
        self.metadataAnswers = []
        for topic in self.openTopics { rd_kafka_topic_destroy(topic) }
        self.openTopics = []
        self.statistics?.clear()
        let (handle, throttle) = (self.handle, self.throttle)
        self.thread.run {
            handle.destroy()
            withExtendedLifetime((payloads, throttle)) {}
        }
        self.thread.end()
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

extension KafkaTopic {
    init(_ raw: OpaquePointer) { self.init(rawValue: UInt(bitPattern: raw)) }

    @inline(__always)
    var raw: OpaquePointer { OpaquePointer(bitPattern: self.rawValue).unsafelyUnwrapped }  // Made of one, above.
}
