import CRDKafka
import ForebayCore

/// A client that runs: its pointers, the thread for its calls that wait, and what its brokers say of quotas.
///
/// What librdkafka was given the address of, and what holds the values of its events, lives until the client is gone; then the thread ends.
struct KafkaClient {
    let handle: KafkaClientHandle
    private let thread: KafkaThread
    private let throttle = KafkaThrottle()

    /// Starts the client and its threads; connects in the background.
    ///
    /// - Throws: ``KafkaFailure``; nothing is left behind.
    init(starting configuration: consuming KafkaConfHandle) throws(KafkaFailure) {
        configuration.enableEvents(RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_STATS | RD_KAFKA_EVENT_LOG)
        configuration.watch(self.throttle)
        self.thread = try KafkaThread(name: "kafka-wait")
        do throws(KafkaFailure) {
            self.handle = try KafkaClientHandle(starting: configuration)
        } catch {
            self.thread.end()
            throw error
        }
    }

    /// Calls it on the thread, behind what was given before. Not once it was told to end.
    func run(_ body: @escaping @Sendable () -> Void) { self.thread.run(body) }

    /// What a broker said of a quota while the queue was polled, once.
    func takeThrottle() -> (milliseconds: Int, broker: String)? { self.throttle.take() }

    /// Gives up what is queued or in flight, without reports. Once, when all events and topics are gone; the rest happens on the thread.
    ///
    /// - Parameter payloads: what holds the values not reported yet.
    func end(keeping payloads: [Batch]) {
        let (handle, throttle) = (self.handle, self.throttle)
        self.thread.run {
            handle.destroy()
            withExtendedLifetime((payloads, throttle)) {}
        }
        self.thread.end()
    }
}
