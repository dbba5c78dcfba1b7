import Testing

@testable import ForebayTestKit

@Suite("A simulated producer's queue of a partition")
struct PartitionQueueTests {
    /// A queue with events of so many bytes, by tokens from 0 on.
    private func queue(_ sizes: [Int]) -> PartitionQueue {
        let queue = PartitionQueue(topic: "t", partition: 3, producer: 7)
        for (token, size) in sizes.enumerated() {
            queue.add(
                PartitionQueue.Message(
                    token: UInt64(token), key: nil, value: nil, id: "\(token)", headers: [], timestamp: 1, size: size))
        }
        return queue
    }

    @Test("batches take what waits in its order, so many events or bytes, one at least, and count their sequences on")
    func batches() throws {
        let queue = self.queue([10, 10, 100, 10, 10])
        let first = try #require(queue.takeBatch(of: 9, bytes: 25, client: 1))
        #expect(first.tokens == [0, 1] && first.base == 0 && first.producer == 7 && first.size == 20 + 61)
        #expect(first.records.allSatisfy { $0.topic == "t" && $0.partition == 3 && $0.producer == 1 })
        #expect(queue.takeBatch(of: 9, bytes: 25, client: 1)?.tokens == [2], "larger than a batch")
        let third = try #require(queue.takeBatch(of: 1, bytes: 25, client: 1))
        #expect(third.tokens == [3] && third.base == 3)
        queue.beginEpoch(as: 8)
        let fourth = try #require(queue.takeBatch(of: 1, bytes: 25, client: 1))
        #expect(fourth.tokens == [4] && fourth.base == 0 && fourth.producer == 8 && fourth.records[0].producer == 1)
        #expect(queue.takeBatch(of: 1, bytes: 25, client: 1) == nil && queue.isIdle)
    }

    @Test("what is to be sent again rests, and goes in the order of its sequences, to whoever leads then; nothing overtakes it unseen")
    func retries() throws {
        let queue = self.queue([1, 1, 1])
        queue.leader = 2
        let batches = try (0..<3).map { _ in try #require(queue.takeBatch(of: 1, bytes: 9, client: 1)) }
        for batch in batches { queue.sent(batch) }
        #expect(batches.map(queue.isFirst) == [true, false, false] && queue.inFlight.count == 3 && !queue.isIdle)
        for batch in [batches[1], batches[0]] {
            queue.landed(batch)
            queue.retry(batch, at: 50)
        }
        #expect(queue.leader == nil && queue.restsUntil == 50)
        #expect(!queue.isFirst(batches[2]), "the first in flight, but others are before it")
        #expect(queue.takeRetry() === batches[0] && queue.takeRetry() === batches[1] && queue.takeRetry() == nil)
        #expect(queue.isFirst(batches[2]))
        queue.landed(batches[2])
        #expect(queue.isIdle)
    }

    @Test("what is given up is what is not in flight")
    func givenUp() throws {
        let queue = self.queue([1, 1, 1])
        let (first, second) = (
            try #require(queue.takeBatch(of: 1, bytes: 9, client: 1)), try #require(queue.takeBatch(of: 1, bytes: 9, client: 1))
        )
        queue.sent(first)
        queue.retry(second, at: 0)
        let given = queue.giveUp()
        #expect(given.retries.map(\.tokens) == [[1]] && given.waiting.map(\.token) == [2])
        #expect(queue.inFlight.count == 1 && queue.giveUp().waiting.isEmpty && queue.takeRetry() == nil)
    }
}
