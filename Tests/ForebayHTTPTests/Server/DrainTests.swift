import Testing

@testable import ForebayHTTP

@Suite("Drain of a server")
struct DrainTests {
    @Test("who waits goes on when the last connection is gone, and it stays drained")
    func waits() async {
        let drain = Drain()
        #expect(!drain.hasBegun)
        drain.begin()
        await withCheckedContinuation { first in
            drain.wait(first)
            drain.complete()
        }
        await withCheckedContinuation { second in
            drain.wait(second)
            drain.complete()
            // Nobody waits any more.
            drain.complete()
        }
        #expect(drain.hasBegun)
    }
}
