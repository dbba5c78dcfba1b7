import CRDKafka

/// A topic that a producer has open: what that producer alone can read. Valid until it or the producer is closed.
package struct KafkaTopic: RawRepresentable, Equatable, Sendable {
    package let rawValue: UInt

    package init(rawValue: UInt) {
        self.rawValue = rawValue
    }
}

/// One event as it goes out: views that must live during the call, the value until its report.
///
/// Laid out as librdkafka's shim takes it, so that it is written once.
package struct KafkaRecord {
    var raw: forebay_record

    /// - Parameters:
    ///   - timestamp: milliseconds since 1970. librdkafka takes 0 for "now" and has no other word for that, so 0 goes out as 1: the
    ///     nearest that it can send.
    ///   - value: none: a tombstone.
    ///   - id: goes out as header `forebay-id`.
    ///   - headers: encoded as `RecordLayout` says.
    ///   - token: comes back in the report.
    @inline(__always)
    package init(
        partition: Int32, timestamp: Int64, key: UnsafeRawBufferPointer?, value: UnsafeRawBufferPointer?, id: UnsafeRawBufferPointer,
        headers: UnsafeRawBufferPointer, token: UInt64
    ) {
        self.raw = forebay_record(
            key: key?.nonNullBase, key_length: key?.count ?? 0, value: value?.nonNullBase, value_length: value?.count ?? 0,
            id: id.nonNullBase, id_length: id.count, headers: headers.baseAddress, headers_length: headers.count,
            timestamp: timestamp == 0 ? 1 : timestamp, token: token, partition: partition)
    }

    package var partition: Int32 { self.raw.partition }
    package var timestamp: Int64 { self.raw.timestamp }
    package var key: UnsafeRawBufferPointer? { self.raw.key.map { UnsafeRawBufferPointer(start: $0, count: self.raw.key_length) } }
    package var value: UnsafeRawBufferPointer? { self.raw.value.map { UnsafeRawBufferPointer(start: $0, count: self.raw.value_length) } }
    package var id: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: self.raw.id, count: self.raw.id_length) }
    package var headers: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: self.raw.headers, count: self.raw.headers_length) }
    package var token: UInt64 { self.raw.token }
}

extension UnsafeRawBufferPointer {
    /// An empty key or value is not a missing one, so it needs an address too.
    @inline(__always)
    fileprivate var nonNullBase: UnsafeRawPointer { self.baseAddress ?? UnsafeRawPointer(bitPattern: 1)! }
}
