import Synchronization
import Testing

@testable import ForebayTestKit

@Suite("The real thread of a simulated process", .timeLimit(.minutes(1)))
struct HostThreadTests {
    @Test("it is another one, and who waits goes on when it is done")
    func runs() {
        let host = HostThread()
        let seen = Mutex<[Bool]>([])
        #expect(!host.isCurrent)
        #expect(host.run(within: 30) { seen.withLock { $0.append(host.isCurrent) } })
        #expect(seen.withLock { $0 } == [true] && !host.isCurrent)
    }

    @Test("standing still for ever is an end, too, and it lets go of nothing")
    func parks() {
        let host = HostThread()
        weak var held: SimulatedMachine?
        let hasReturned = Mutex(false)
        let isOver = host.run(within: 30) {
            let machine = SimulatedMachine()
            held = machine
            defer { hasReturned.withLock { $0 = withExtendedLifetime(machine) { true } } }
            host.park()
        }
        #expect(isOver && held != nil && !hasReturned.withLock { $0 })
    }

    @Test("who takes too long is not waited for, and callers from elsewhere are counted")
    func bounds() {
        let host = HostThread()
        let goOn = Mutex(false)
        let isOver = host.run(within: 0) {
            _ = host.admits()
            while !goOn.withLock({ $0 }) {}
        }
        #expect(!isOver && !host.admits() && !host.admits() && host.refused == 2)
        goOn.withLock { $0 = true }
    }
}
