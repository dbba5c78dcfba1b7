/// What a builder is told of one event. The pointers need to live during the call only.
package struct EventFields {
    package var topic: UnsafeRawBufferPointer
    package var key: UnsafeRawBufferPointer?
    /// None: a tombstone.
    package var value: UnsafeRawBufferPointer?
    /// The producer's own id, at most 255 bytes; empty: derived.
    package var id = UnsafeRawBufferPointer(start: nil, count: 0)
    /// Milliseconds since 1970.
    package var timestamp: Int64
    package var partition: Int32?
    /// Encoded as ``RecordLayout`` says.
    package var headers = UnsafeRawBufferPointer(start: nil, count: 0)

    package init(topic: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer?, timestamp: Int64) {
        self.topic = topic
        self.value = value
        self.timestamp = timestamp
    }

    /// The size of the record that ``BatchBuilder/append(_:)`` will write.
    package var recordSize: Int {
        RecordLayout.fixed + (self.key == nil ? 0 : 4) + (self.partition == nil ? 0 : 4) + (self.headers.isEmpty ? 0 : 4)
            + self.topic.count + self.id.count + (self.key?.count ?? 0) + self.headers.count + (self.value?.count ?? 0)
    }
}
