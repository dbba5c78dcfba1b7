import ForebayCore
import ForebayHTTP
import ForebayNet
import Synchronization

/// One request that waits until the target cluster has settled its events.
///
///     gathered --numbered--> expected --durable--> waiting --settled-----------> 200
///         |                     `------settled, then durable-------------------> 200
///         `--too many wait, or its time is over: as soon as it is durable------> 202
final class KafkaWait: @unchecked Sendable {  // Safe because: the loop's alone, except what never changes and the locked ticket.
    let id: RequestID
    let positions: [Gathering.Position]
    let targets: [(target: TopicTarget, count: Int)]
    /// In the loop's milliseconds.
    let deadline: UInt64
    /// Taken on the commit thread, given back on the loop. None: too many wait, or not numbered yet.
    let ticket = Mutex<DeliveryWaiters.Ticket?>(nil)

    var settlements: [Settlement]?
    var timer: Timer?
    /// Its 202, kept from the moment it is durable.
    var durable: DurableAnswer?

    struct DurableAnswer {
        let request: PendingRequest
        let group: PendingGroup
        let receipt: DurableReceipt
    }

    init(id: RequestID, positions: [Gathering.Position], targets: [(target: TopicTarget, count: Int)], deadline: UInt64) {
        self.id = id
        self.positions = positions
        self.targets = targets
        self.deadline = deadline
    }
}
