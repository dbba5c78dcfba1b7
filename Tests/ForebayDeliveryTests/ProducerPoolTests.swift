import Testing

@testable import ForebayDelivery

@Suite("Producer pool: lives of producers, by itself")
struct ProducerPoolTests {
    private static func open() -> ProducerPool {
        var pool = ProducerPool()
        for slot in ProducerSlot.allCases { pool.opened(slot) }
        return pool
    }

    @Test("producers are numbered over all slots; a new one has nothing against it")
    func opens() {
        var pool = Self.open()
        #expect(ProducerSlot.allCases.map { pool[$0].number } == [1, 2, 3])
        (pool[.main].isFull, pool[.main].hasRefused) = (true, true)
        pool[.main].wanted.append(4)
        pool.closed(.main, now: 10) { _ in 0 }
        pool.opened(.main)
        #expect(pool[.main].number == 4 && !pool[.main].isFull && !pool[.main].hasRefused && !pool[.main].wantsMetadata)
    }

    @Test("a failure is counted once, and what it delays is the next one's coming; refused records delay nothing")
    func fails() {
        var pool = Self.open()
        pool.failed(.main, now: 100, patience: 50)
        pool.failed(.main, now: 120, patience: 50)
        #expect(pool[.main].phase == .failing(until: 150) && pool[.main].failures == 1)
        pool.closed(.main, now: 200) { UInt64($0) * 30 }
        #expect(pool[.main].phase == .closed(until: 230))
        pool.failed(.main, now: 210, patience: 50)
        #expect(pool[.main].phase == .closed(until: 230), "it is closed already")
        pool[.small].hasRefused = true
        pool.failed(.small, now: 100, patience: 50)
        pool.closed(.small, now: 200) { UInt64($0) * 30 }
        #expect(pool[.small].phase == .closed(until: 200) && pool[.small].failures == 0)
    }

    @Test("one that holds too much is given up without a failure being counted; only what is open drains, is renewed or given up")
    func givesUp() {
        var pool = Self.open()
        pool.giveUp(.main, now: 5, patience: 10)
        pool.drain(.small, now: 5, patience: 10)
        pool.renew(.single, now: 5, patience: 10)
        let phases: [ProducerSlotState.Phase] = [.failing(until: 15), .draining(until: 15), .renewing(until: 15)]
        #expect(ProducerSlot.allCases.map { pool[$0].phase } == phases && pool[.main].failures == 0)
        for slot in ProducerSlot.allCases {
            pool.drain(slot, now: 9, patience: 10)
            pool.renew(slot, now: 9, patience: 10)
            pool.giveUp(slot, now: 9, patience: 10)
        }
        #expect(ProducerSlot.allCases.map { pool[$0].phase } == phases)
    }

    @Test("a renewal whose reports do not come in time is off; one whose reports came is closed")
    func renewals() {
        var pool = Self.open()
        for slot in ProducerSlot.allCases { pool.renew(slot, now: 0, patience: 10) }
        (pool[.main].outstanding, pool[.small].settledOutstanding) = (1, 1)
        #expect(pool.endVainRenewals(now: 9).isEmpty && pool.waitForTime)
        #expect(pool.endVainRenewals(now: 10) == [.main, .small] && pool[.main].isOpen && pool.toClose(now: 10) == [.single])
    }

    @Test("partitions that could not be sent to are handed out once")
    func stalled() {
        var pool = Self.open()
        pool[.main].stalled = [3, 1]
        #expect(pool.takeStalled(.main) == [3, 1] && pool.takeStalled(.main).isEmpty && pool.takeStalled(.small).isEmpty)
    }
}
