import ForebayCore
import ForebayKafka

/// What a ``DeliveryState`` wants done: the engine takes it at its turns, each kind where its order asks for it.
struct DeliveryActions {
    /// For logs: what changed that an operator may want to know.
    enum Note: Equatable {
        case backsOff(topic: String, KafkaFailure)
        case released(topic: String)
        case suspects(topic: String, count: Int, code: KafkaErrorCode)
        case unknownError(topic: String, code: KafkaErrorCode)
        /// The broker refuses the time of acceptance, which is this node's own, as ahead of its clock.
        case timeRefused(topic: String, reason: String)
        /// The broker refuses it as too old, and is given that of delivery.
        case timeReplaced(topic: String)
        case timeTaken(topic: String)
    }

    /// An event refused for good, until its dead letter is durable.
    struct PendingDeadLetter {
        let flight: UInt64
        let code: KafkaErrorCode
        let reason: String
    }

    /// Events of one unit that leave for the set-aside log, in their order.
    struct SetAsideGroup {
        let topic: Int
        let place: Int?
        var flights: [UInt64]
        var request: SetAsideState.AppendRequest
    }

    /// A unit that the drain lets go of.
    struct Refusal: Equatable {
        let key: SetAsideKey
        let failure: KafkaFailure
        /// Events were refused; the cluster knows the topic all the same.
        let byDelivery: Bool
        /// Of a whole topic: those of its partitions that are units of their own go on.
        var sparesPartitions = false
    }

    /// In the drain: what is done of a unit that it lets go of.
    struct DoneUnit {
        let number: UInt64
        let pass: UInt32
        /// Positions.
        let settled: [UInt64]
        /// On their way into another log.
        let appending: [(token: UInt64, position: UInt64)]
    }

    /// In the drain: a topic that the cluster knows.
    struct Found {
        let topic: String
        /// Its partitions that have no leader.
        let leaderless: Set<Int32>
        let partitionCount: Int
    }

    /// To be written as dead letters; so many of the first are being written.
    var deadLetters: [PendingDeadLetter] = []
    var lettersInWriting = 0
    /// On their way into the set-aside log, by unit.
    var settingAside: [SetAsideGroup] = []
    /// Reports of what was settled otherwise before, or the end of the producer that held it.
    var lateReports: [(token: UInt64, isDelivered: Bool)] = []
    /// In the drain: units that can't be delivered now, what its producers hold of them, and topics that the cluster knows.
    var refusals: [Refusal] = []
    var unreported: [(token: UInt64, offset: Offset)] = []
    /// Those that will not be dead letters now: their units are let go of.
    var releasedLetters: [UInt64] = []
    var found: [Found] = []
    var notes: [Note] = []
    /// Topics that were forgotten, or that the cluster doesn't know: what is open for them is to be closed before anything is sent.
    var closedTopics: [Int] = []
    /// Topics with deliveries that were not counted yet.
    var deliveredTopics: [Int] = []
    /// When events that were delivered had been accepted, in ms since 1970: a run for those that follow each other.
    var deliveries: [(acceptedAt: Int64, count: UInt64)] = []

    @inline(__always)
    mutating func delivered(acceptedAt: Int64) {
        if let last = self.deliveries.indices.last, self.deliveries[last].acceptedAt == acceptedAt {
            self.deliveries[last].count += 1
        } else {
            self.deliveries.append((acceptedAt, 1))
        }
    }

    mutating func note(suspectOf topic: String, _ code: KafkaErrorCode) {
        if case .suspects(topic, let count, code)? = self.notes.last {
            self.notes[self.notes.count - 1] = .suspects(topic: topic, count: count + 1, code: code)
        } else {
            self.notes.append(.suspects(topic: topic, count: 1, code: code))
        }
    }

    mutating func noteOnce(_ note: Note) {
        if !self.notes.contains(note) { self.notes.append(note) }
    }
}
