import Synchronization
import Testing

@testable import ForebayIngest

@Suite("The clock in a turn")
struct TurnClockTests {
    @Test("is asked once in a turn, and whenever something is to be stamped") func asked() {
        let now = Mutex<Int64>(1_790_000_000_000)
        var clock = TurnClock {
            now.withLock { now in
                defer { now += 1 }
                return now
            }
        }
        #expect([7, 7, 8, 8, 7].map { clock.milliseconds(in: $0) - 1_790_000_000_000 } == [0, 0, 1, 1, 2])
        #expect(clock.acceptedAt == 1_790_000_000_003)
        now.withLock { $0 = 1000 }
        #expect(clock.acceptedAt == nil)
        #expect(clock.milliseconds(in: 7) == 1_790_000_000_002)
    }
}
