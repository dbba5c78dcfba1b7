package import ForebayCore

/// Makes batches of events for tests and benchmarks.
package enum EventFactory {
    /// One event as a test writes it.
    package struct Sample: Sendable {
        package var topic: String
        package var key: String?
        package var value: String?
        package var id: String
        package var partition: Int32?
        package var timestamp: Int64
        package var headers: [(String, String?)]

        package init(
            _ topic: String, key: String? = nil, value: String?, id: String = "", partition: Int32? = nil,
            timestamp: Int64 = WallClock.milliseconds, headers: [(String, String?)] = []
        ) {
            self.topic = topic
            self.key = key
            self.value = value
            self.id = id
            self.partition = partition
            self.timestamp = timestamp
            self.headers = headers
        }
    }

    package static func batch(
        _ samples: [Sample], spool: SpoolID, origin: SpoolID? = nil, first: UInt64, route: String = "test",
        acceptedAt: Int64 = WallClock.milliseconds
    ) -> Batch {
        var builder = BatchBuilder()
        for sample in samples { self.append(sample, to: &builder) }
        let batch = builder.finish(route: RouteID(name: route), acceptedAt: acceptedAt)!
        return self.numbered(batch, spool: spool, origin: origin, first: first)
    }

    /// The same bytes at another place in a spool.
    package static func numbered(_ batch: Batch, spool: SpoolID, origin: SpoolID? = nil, first: UInt64) -> Batch {
        Batch(
            lane: .spool(spool), origin: origin ?? spool, first: first, count: batch.count, route: batch.route,
            acceptedAt: batch.acceptedAt, slab: batch.slab, range: batch.range)
    }

    private static func append(_ sample: Sample, to builder: inout BatchBuilder) {
        let topic = Array(sample.topic.utf8), key = sample.key.map { Array($0.utf8) }, value = sample.value.map { Array($0.utf8) }
        let id = Array(sample.id.utf8), headers = self.encode(sample.headers)
        topic.withUnsafeBytes { topic in
            id.withUnsafeBytes { id in
                headers.withUnsafeBytes { headers in
                    (key ?? []).withUnsafeBytes { keyBytes in
                        (value ?? []).withUnsafeBytes { valueBytes in
                            var fields = EventFields(topic: topic, value: value == nil ? nil : valueBytes, timestamp: sample.timestamp)
                            fields.key = key == nil ? nil : keyBytes
                            fields.id = id
                            fields.headers = headers
                            fields.partition = sample.partition
                            builder.append(fields)
                        }
                    }
                }
            }
        }
    }

    private static func encode(_ headers: [(String, String?)]) -> [UInt8] {
        var bytes: [UInt8] = []
        for (name, value) in headers {
            withUnsafeBytes(of: UInt16(name.utf8.count).littleEndian) { bytes += $0 }
            bytes += name.utf8
            withUnsafeBytes(of: (value.map { UInt32($0.utf8.count) } ?? RecordLayout.nullLength).littleEndian) { bytes += $0 }
            bytes += (value ?? "").utf8
        }
        return bytes
    }
}
