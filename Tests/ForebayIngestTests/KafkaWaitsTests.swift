import ForebayCore
import Synchronization
import Testing

@testable import ForebayHTTP
@testable import ForebayIngest

// Compared with true and false: what is asked alone, `#expect` copies, and this can't be copied.
@Suite("Waits for Kafka")
struct KafkaWaitsTests {
    private static func wait(_ sequence: UInt32) -> KafkaWait {
        KafkaWait(id: MadeRequests.id(sequence), positions: [], targets: [], deadline: 0)
    }

    @Test("a wait is found until it is forgotten, and only itself is forgotten") func holds() {
        var waits = KafkaWaits(DeliveryWaiters(limit: 10))
        let (first, second) = (Self.wait(1), Self.wait(2))
        #expect(waits.isEmpty == true)
        waits.begin(first)
        waits.begin(second)
        #expect(waits.find(first.id) === first && waits.holds(second) && waits.all.count == 2)
        #expect(waits.holds(Self.wait(1)) == false)
        waits.forget(first)
        #expect(waits.find(first.id) == nil && !waits.holds(first) && waits.holds(second))
        waits.forget(second)
        #expect(waits.isEmpty && waits.all.isEmpty)
    }

    @Test("who is forgotten is expected by no delivery any more, also when it is forgotten twice") func tickets() {
        let waiters = DeliveryWaiters(limit: 10)
        var waits = KafkaWaits(waiters)
        let wait = Self.wait(1)
        waits.begin(wait)
        let ticket = waiters.expect(sequences: [5, 6]) { _ in }
        wait.ticket.withLock { $0 = ticket }
        #expect(!waiters.isEmpty)
        waits.forget(wait)
        #expect(waiters.isEmpty && wait.ticket.withLock { $0 == nil })
        waits.forget(wait)
        #expect(waits.isEmpty == true)
    }
}
