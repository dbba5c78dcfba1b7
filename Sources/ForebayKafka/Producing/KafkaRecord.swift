/// A topic that a producer has open: what that producer alone can read. Valid until it or the producer is closed.
package struct KafkaTopic: RawRepresentable, Equatable, Sendable {
    package let rawValue: UInt

    package init(rawValue: UInt) {
        self.rawValue = rawValue
    }
}

/// One event as it goes out: views that must live during the call, the value until its report.
package struct KafkaRecord {
    package var partition: Int32
    /// Milliseconds since 1970. librdkafka takes 0 for "now" and has no other word for that, so 0 goes out as 1: the nearest that it can
    /// send.
    package var timestamp: Int64
    package var key: UnsafeRawBufferPointer?
    /// None: a tombstone.
    package var value: UnsafeRawBufferPointer?
    /// Goes out as header `forebay-id`.
    package var id: UnsafeRawBufferPointer
    /// Encoded as `RecordLayout` says.
    package var headers: UnsafeRawBufferPointer
    /// Comes back in the report.
    package var token: UInt64

    package init(
        partition: Int32, timestamp: Int64, key: UnsafeRawBufferPointer?, value: UnsafeRawBufferPointer?, id: UnsafeRawBufferPointer,
        headers: UnsafeRawBufferPointer, token: UInt64
    ) {
        self.partition = partition
        self.timestamp = timestamp
        self.key = key
        self.value = value
        self.id = id
        self.headers = headers
        self.token = token
    }
}
