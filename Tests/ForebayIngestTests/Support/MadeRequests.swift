import ForebayCore
import ForebayTelemetry

@testable import ForebayHTTP
@testable import ForebayIngest

/// Requests without a server and a body around: their events go straight into a sink, and from there into a group.
final class MadeRequests {
    let topics = UnsettledTopics([.init(name: "r", topics: ["*"])])
    private let gathering = Gathering(routes: [RouteID(name: "r")], batch: 1 << 20)
    private var sink: EventSink
    private var sequence: UInt32 = 0

    init() {
        self.sink = EventSink(gathering: self.gathering, topics: self.topics, limit: 100, byteLimit: 1 << 20)
    }

    static func id(_ sequence: UInt32) -> RequestID { RequestID(slot: 0, generation: 1, sequence: sequence, traits: []) }

    /// - Parameters:
    ///   - ids: one for each event, empty where it is derived.
    ///   - wait: made of the request if it waits for Kafka.
    @discardableResult
    func add(_ ids: [String], of target: TopicTarget, to group: PendingGroup, bodyCount: Int = 1, wait: KafkaWait? = nil) throws
        -> RequestID
    {
        self.sequence += 1
        self.sink.begin(bodyCount: bodyCount, keepsPositions: false)
        for id in ids {
            try Array(id.utf8).withUnsafeBytes { id in
                var event = EventFields(topic: target.storedName, value: nil, timestamp: 0)
                event.id = id
                try self.sink.append(event, target)
            }
        }
        self.sink.commit()
        group.add(Self.id(self.sequence), self.sink, bodyCount: bodyCount, startedAt: 0, kafka: wait)
        return Self.id(self.sequence)
    }

    /// The batches of what was added, which the group knows from now on.
    func close(_ group: PendingGroup) -> [Batch] {
        let (batches, bases) = self.gathering.finish(acceptedAt: 1)
        group.close(BatchPlaces(counts: batches.map(\.count), bases: bases))
        return batches
    }
}
