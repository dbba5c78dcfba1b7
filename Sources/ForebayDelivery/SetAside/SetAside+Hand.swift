package import ForebayCore
import ForebayKafka
import ForebaySpool
import Synchronization

/// What an operator brings into what is set aside, while the route's two stages go on.
extension SetAside {
    /// An event that an operator appends.
    package struct AppendedEvent: Sendable {
        package let topic: String
        /// With its id written out (``RecordLayout``).
        package let record: [UInt8]

        package init(topic: String, record: [UInt8]) {
            self.topic = topic
            self.record = record
        }
    }

    /// The codes of units that were begun by hand.
    package static let replayed = "REPLAYED", moved = "MOVED"

    /// Dead letters are to be sent once more: they are set aside, each topic's behind what is set aside of it, and drained from there.
    /// Durable on return.
    ///
    /// - Throws: `spool_full`, `too_many_set_aside`: nothing is stored then.
    package func replay(_ events: [AppendedEvent]) async throws(ForebayError) {
        let now = self.time.wallMilliseconds
        var topics: [String] = []
        var groups: [String: BatchBuilder.Records] = [:]
        for event in events {
            if groups[event.topic] == nil { topics.append(event.topic) }
            groups[event.topic, default: []].append(event.record)
        }
        let batches = topics.compactMap { topic in
            BatchBuilder.batch(of: groups[topic]!, acceptedAt: now).map { (topic: topic, batch: $0) }
        }
        try await self.appendByHand(batches, code: Self.replayed, reason: "dead letters were replayed")
    }

    /// - Parameter turn: in which they come; none: behind all.
    func appendByHand(
        _ batches: [(topic: String, batch: Batch)], code: String, reason: String, turn: Int? = nil
    ) async throws(ForebayError) {
        try self.checkRoom(for: Set(batches.map(\.topic)))
        let requests = batches.map { topic, batch in
            var request = SetAsideState.AppendRequest(
                key: SetAsideKey(topic), partitionCount: 0, failure: KafkaFailure(.none, reason: reason), acceptedAt: batch.acceptedAt)
            (request.code, request.turn, request.count, request.bytes) = (code, turn, batch.count, batch.byteCount)
            return request
        }
        let numbers = self.beginAppend(requests, from: .hand).map(\.number)
        do throws(ForebayError) {
            let stored = try await self.append(zip(numbers, batches).map { (unit: $0, batch: $1.batch) })
            self.stored(stored, from: .hand, now: 0)  // To be tried at once: nothing has failed.
        } catch {
            let parts = zip(numbers, requests).map { (unit: $0, count: $1.count, bytes: $1.bytes) }
            self.change { state in
                for part in parts { state.appendByHandFailed(part.unit, count: part.count, bytes: part.bytes) }
            }
            throw error
        }
    }

    /// Units cost memory, and room in the log's table.
    private func checkRoom(for topics: Set<String>) throws(ForebayError) {
        let (count, limit) = self.state.withLock { state in
            (state.units.topics.union(topics).count, state.configuration.setAsideTopics)
        }
        guard count > limit else { return }
        throw ForebayError(
            .tooManySetAside, recovery: .retry,
            "more than \(limit) topics of the route would be set aside at once; wait until some are delivered, then go on")
    }
}

extension BatchBuilder {
    typealias Records = [[UInt8]]

    static func batch(of records: Records, acceptedAt: Int64) -> Batch? {
        var builder = BatchBuilder(initialCapacity: max(1024, records.reduce(0) { $0 + $1.count }))
        for record in records { record.withUnsafeBytes { builder.append(record: $0) } }
        return builder.finish(route: RouteID(rawValue: 0), acceptedAt: acceptedAt)
    }
}

extension ForebayError.Code {
    static let tooManySetAside: Self = "too_many_set_aside"
}
