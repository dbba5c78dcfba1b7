import Testing

@testable import ForebayTestKit

@Suite("Locks on a simulated disk")
struct SimulatedLocksTests {
    @Test("one open file has a file's lock, until it gives it back or its process is gone")
    func locks() {
        var locks = SimulatedLocks()
        let epoch = locks.epoch
        #expect(locks.take(1, for: 10) && locks.take(1, for: 10) && !locks.take(1, for: 11) && locks.take(2, for: 11))
        locks.release(1, of: 11)
        let isOthers = locks.take(1, for: 11)
        #expect(!isOthers, "what it gave back was not its own")
        locks.release(1, of: 10)
        #expect(locks.take(1, for: 11) && locks.epoch == epoch)
        locks.processEnded()
        #expect(locks.take(1, for: 20) && locks.take(2, for: 20) && locks.epoch != epoch)
    }
}
