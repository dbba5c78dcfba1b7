import ForebayCore
import ForebayHTTP
import ForebayNet
import Synchronization

/// The requests that wait for Kafka, until they are answered or need not wait any more.
struct KafkaWaits: ~Copyable {
    /// Told by the delivering stages.
    let waiters: DeliveryWaiters
    private var waits: [RequestID: KafkaWait] = [:]

    init(_ waiters: DeliveryWaiters) {
        self.waiters = waiters
    }

    var isEmpty: Bool { self.waits.isEmpty }
    var all: [KafkaWait] { Array(self.waits.values) }

    mutating func begin(_ wait: KafkaWait) {
        self.waits[wait.id] = wait
    }

    func find(_ id: RequestID) -> KafkaWait? { self.waits[id] }

    /// Whether it was not forgotten.
    func holds(_ wait: KafkaWait) -> Bool { self.waits[wait.id] === wait }

    /// It waits no more: no timer runs, and the delivering stages have nobody to tell.
    mutating func forget(_ wait: KafkaWait) {
        self.waits[wait.id] = nil
        wait.timer?.cancel()
        wait.timer = nil
        let ticket = wait.ticket.withLock { ticket in
            defer { ticket = nil }
            return ticket
        }
        if let ticket { self.waiters.forget(ticket) }
    }
}
