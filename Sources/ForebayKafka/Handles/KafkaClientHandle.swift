import CRDKafka
import Glibc

/// A started client's pointers, for the threads that may use them. librdkafka's own calls are safe from any thread.
struct KafkaClientHandle: @unchecked Sendable {  // Safe because: two pointers that librdkafka guards, and a descriptor.
    let client: OpaquePointer
    /// The one queue that reports, errors, statistics and log lines come through.
    let events: OpaquePointer
    /// An eventfd, readable when the queue went from empty to not empty.
    let wakeup: CInt

    /// - Throws: ``KafkaFailure`` with librdkafka's words; nothing is left behind.
    init(starting configuration: consuming KafkaConfHandle) throws(KafkaFailure) {
        let wakeup = forebay_wakeup()
        guard wakeup >= 0 else {
            throw KafkaFailure(KafkaErrorCode(RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE), reason: String(cString: strerror(errno)))
        }
        do throws(KafkaFailure) {
            self.client = try configuration.startProducer()
        } catch {
            close(wakeup)
            throw error
        }
        self.wakeup = wakeup
        self.events = rd_kafka_queue_get_main(self.client)
        rd_kafka_set_log_queue(self.client, nil)
        var one: UInt64 = 1
        rd_kafka_queue_io_event_enable(self.events, wakeup, &one, MemoryLayout<UInt64>.size)
        // What was queued before that (a log line, say) wakes nobody, nor does what comes behind it.
        _ = write(wakeup, &one, MemoryLayout<UInt64>.size)
    }

    /// Waits for librdkafka's threads; on a thread that may wait. All events and topics must be gone.
    func destroy() {
        rd_kafka_queue_io_event_enable(self.events, -1, nil, 0)
        rd_kafka_purge(self.client, Int32(RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING))
        rd_kafka_queue_destroy(self.events)
        rd_kafka_destroy(self.client)
        close(self.wakeup)
    }
}
