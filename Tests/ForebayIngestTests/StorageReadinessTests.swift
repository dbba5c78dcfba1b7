import ForebayCore
import Synchronization
import Testing

@testable import ForebayIngest

@Suite("Storage watch")
struct StorageReadinessTests {
    /// What a test says of the disk and the clock, and what was told to the disk.
    private final class World: Sendable {
        struct State {
            var isFull = false
            var fault: String?
            var now: Int64 = 1_790_000_000_000
            var looks = 0
            var told: [String] = []
        }

        let state = Mutex(State())

        func watch() -> StorageReadiness {
            StorageReadiness(
                IngestStorage(
                    isFull: {
                        self.state.withLock {
                            $0.looks += 1
                            return $0.isFull
                        }
                    },
                    fault: { self.state.withLock { $0.fault } }, refused: { reason in self.state.withLock { $0.told.append(reason) } },
                    stored: { self.state.withLock { $0.told.append("stored") } }),
                clock: { self.state.withLock { $0.now } })
        }

        func set(_ change: (inout State) -> Void) { self.state.withLock { change(&$0) } }
    }

    @Test("a lost disk comes before a wrong clock, and that before a full disk") func order() {
        let world = World()
        var watch = world.watch()
        #expect(watch.refusal(now: 100) == nil)
        world.set { $0.isFull = true }
        #expect(watch.refusal(now: 200) == .spoolFull && watch.fault(.spoolFull) == nil)
        world.set { $0.now = 12_000 }
        #expect(watch.refusal(now: 300) == .clockNotSet && watch.fault(.clockNotSet) == ClockRule.fault(at: 12_000))
        world.set { $0.fault = "gone" }
        #expect(watch.refusal(now: 400) == .unavailable && watch.fault(.unavailable) == "gone")
    }

    @Test("looks every 50 ms at most") func interval() {
        let world = World()
        var watch = world.watch()
        #expect(watch.refusal(now: 1000) == nil)
        world.set { $0.isFull = true }
        #expect(watch.refusal(now: 1049) == nil && world.state.withLock { $0.looks } == 1)
        #expect(watch.refusal(now: 1050) == .spoolFull)
        world.set { $0.isFull = false }
        #expect(watch.refusal(now: 1099) == .spoolFull && watch.refusal(now: 1100) == nil)
        #expect(world.state.withLock { $0.looks } == 3)
    }

    @Test("a full disk refuses all; what is only too large for the rest concerns nobody else") func full() {
        let world = World()
        var watch = world.watch()
        let error = ForebayError(.spoolFull, recovery: .retry, "no room")
        #expect(watch.refused(error) == (.spoolFull, false))
        watch.stored()
        #expect(world.state.withLock { $0.told }.isEmpty)
        world.set { $0.isFull = true }
        #expect(watch.refused(error) == (.spoolFull, true))
        #expect(world.state.withLock { $0.told } == [error.description])
    }

    @Test("any other refusal is for all, and the storage hears once that it stores again") func storesAgain() {
        let world = World()
        var watch = world.watch()
        let error = ForebayError("disk_slow", recovery: .retry, "slow")
        watch.stored()
        #expect(watch.refused(error) == (.unavailable, true))
        #expect(watch.refused(error) == (.unavailable, true))
        watch.stored()
        watch.stored()
        #expect(world.state.withLock { $0.told } == [error.description, error.description, "stored"])
    }
}
