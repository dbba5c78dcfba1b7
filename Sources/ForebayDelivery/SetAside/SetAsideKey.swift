package import ForebayCore

/// Names what is set aside together: a topic, or one partition of it.
package struct SetAsideKey: Hashable, Sendable, CustomStringConvertible {
    package let topic: String
    /// None: the whole topic.
    package let partition: Int32?

    package init(_ topic: String, _ partition: Int32? = nil) {
        self.topic = topic
        self.partition = partition
    }

    /// `orders`, `orders/3`.
    package var description: String { self.partition.map { "\(self.topic)/\($0)" } ?? self.topic }
}

/// Which of a delivery's two stages: each has a state, producers and a source of its own.
package enum DeliveryWay: UInt8, Hashable, Sendable {
    /// From the spool, everything that nothing is known against.
    case direct
    /// From the set-aside log, what can be delivered again.
    case aside
    /// No stage: what an operator brings into the set-aside log.
    case hand

    /// What the stage is called at the supervisor, and its Kafka client: `forward/orders`, `setaside/orders`.
    package func child(of name: DeliveryName) -> String { self == .direct ? name.cursor : "setaside/\(name)" }
}

/// How a stage treats what is, or is not, set aside.
enum SetAsideMode: Equatable, Sendable {
    /// Goes straight to Kafka.
    case none
    /// Newer events are appended behind the older ones.
    case aside
    /// The last of it is being delivered: newer events wait in memory for a moment, then go straight to Kafka.
    case closing
}

/// What a stage needs to know of one topic of which something is set aside.
struct SetAsideTopic: Equatable, Sendable {
    var whole = SetAsideMode.none
    /// Those that are units of their own.
    var partitions: [Int32: SetAsideMode] = [:]
    /// How many partitions the topic had when one was set aside; 0: not known, or none is. Keys keep their places until that is delivered.
    var partitionCount: Int32 = 0

    var isEmpty: Bool { self.whole == .none && self.partitions.isEmpty }
}
