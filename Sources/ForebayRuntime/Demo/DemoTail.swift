package import ForebayCore
import ForebayKafka

/// Follows the embedded Kafka as a consumer would, on a thread of its own, because the client blocks.
package actor DemoTail {
    private let thread = ThreadExecutor(label: "fb-tail")
    private let consumer: KafkaTail

    package nonisolated var unownedExecutor: UnownedSerialExecutor { self.thread.asUnownedSerialExecutor() }

    /// - Parameter bootstrap: of the embedded Kafka.
    package init(bootstrap: String) throws(ForebayError) {
        self.consumer = try KafkaTail(bootstrap: bootstrap)
    }

    /// Tells of every record until the task is cancelled: where it stands, its key (or none), its value (or none: a tombstone).
    package func run(_ told: @Sendable (_ place: String, _ key: [UInt8]?, _ value: [UInt8]?) -> Void) async {
        while !Task.isCancelled {
            if let record = self.consumer.next(within: 200) {
                told("\(record.topic)/\(record.partition) @\(record.offset)", record.key, record.value)
            }
            await Task.yield()
        }
    }
}
