import ForebayTestKit
import Testing

@testable import ForebayRuntime

@Suite("Node: what it looks at", .timeLimit(.minutes(1)))
struct NodeWatchesTests {
    @Test("folders and clock are looked at from the beginning, and not once it has ended")
    func untilTheEnd() async {
        let (folders, clock) = (Happenings<Void>(), Happenings<Void>())
        let watches = NodeWatches(
            StorageWatch(
                StorageHealth(),
                storageFault: {
                    folders.add(())
                    return nil
                }, isFull: { false }),
            NodeClock(now: {
                clock.add(())
                return 1_800_000_000_000
            }))
        await folders.wait(forCount: 2)
        await clock.wait(forCount: 2)
        await watches.end()
        let seen = (folders.count, clock.count)
        #expect(await !eventually(within: .milliseconds(1100)) { folders.count > seen.0 || clock.count > seen.1 })
    }
}
