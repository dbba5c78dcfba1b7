import ForebayCore
import Testing

@testable import ForebayTestKit

@Suite("Jobs of a simulated process")
struct JobQueuesTests {
    private static let first = JobQueue(number: 1, thread: 10)
    private static let second = JobQueue(number: 2, thread: 20)

    /// All that can be run, in the order of a seed.
    private func order(_ jobs: JobQueues<Int>, besides waiting: [Int] = [], _ seed: UInt64) -> [Int] {
        var (jobs, chance, order) = (jobs, SplitMix(seed: seed), [Int]())
        while let job = jobs.pick(at: .max, besides: waiting, &chance) { order.append(job) }
        return order
    }

    /// Jobs 0 to 2 of the first queue, 10 to 12 of the second, and 20 and 21 of none.
    private func jobs() -> JobQueues<Int> {
        var (jobs, chance) = (JobQueues<Int>(), SplitMix(seed: 0))
        for number in 0..<3 {
            for (queue, base) in [(Self.first, 0), (Self.second, 10)] { jobs.push(base + number, on: queue, at: 0, &chance) }
            if number > 0 { jobs.push(19 + number, on: nil, at: 0, &chance) }
        }
        return jobs
    }

    @Test("each queue keeps its order, whatever the seed; queues, and jobs of none, come in any, and a seed's is always the same")
    func orders() {
        let jobs = self.jobs()
        var orders: Set<[Int]> = []
        for seed in 0..<100 as Range<UInt64> {
            let order = self.order(jobs, seed)
            #expect(order.filter { $0 < 10 } == [0, 1, 2] && order.filter { (10..<20).contains($0) } == [10, 11, 12])
            #expect(order.sorted() == [0, 1, 2, 10, 11, 12, 20, 21] && order == self.order(jobs, seed))
            orders.insert(order)
        }
        #expect(orders.count > 50 && orders.contains { $0[0] == 21 })
    }

    @Test("while a thread is in a call, nothing of its queues runs; with all of them in one, nothing is ready")
    func calls() {
        var jobs = self.jobs()
        #expect(self.order(jobs, besides: [Self.first.thread], 1).sorted() == [10, 11, 12, 20, 21])
        let threads = [Self.first.thread, Self.second.thread]
        #expect(self.order(jobs, besides: threads, 1).sorted() == [20, 21])
        var (own, chance) = (JobQueues<Int>(), SplitMix(seed: 1))
        own.push(1, on: Self.first, at: 0, &chance)
        #expect(own.pick(at: 0, besides: threads, &chance) == nil && own.pick(at: 0, besides: [], &chance) == 1)
        let isReady = jobs.hasReady(at: 0, besides: [])
        #expect(isReady)
    }

    @Test("now and then a queue waits, for up to 21 ms, and goes on by itself or when it is released")
    func holds() {
        var (jobs, chance) = (JobQueues<Int>(), SplitMix(seed: 4))
        for job in 0..<20_000 where jobs.heldUntil == nil { jobs.push(job, on: Self.first, at: 1_000, &chance) }
        guard let until = jobs.heldUntil else {
            Issue.record("never")
            return
        }
        #expect((1_001_000..<21_001_000).contains(until))
        jobs.push(-1, on: Self.second, at: 1_000, &chance)
        let isReady = jobs.hasReady(at: until - 1, besides: [])
        #expect(isReady, "the other one")
        #expect(jobs.pick(at: until - 1, besides: [], &chance) == -1)
        #expect(jobs.pick(at: until - 1, besides: [], &chance) == nil && !jobs.hasReady(at: until - 1, besides: []))
        var released = jobs
        released.release()
        #expect(released.heldUntil == nil && released.pick(at: 0, besides: [], &chance) == 0)
        #expect(jobs.hasReady(at: until, besides: []) && jobs.heldUntil == nil && jobs.pick(at: until, besides: [], &chance) == 0)
    }
}
