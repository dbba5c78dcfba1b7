import ForebayTestKit
import Testing

@testable import ForebayCore

/// An element with a weight, and a name to know it by.
struct Load: Weighted, Equatable {
    let name: Int
    let weight: Int
    init(_ name: Int, weight: Int = 1) {
        self.name = name
        self.weight = weight
    }
}

extension Link where Element == Load {
    /// What waits now, taken.
    func drainedNames() -> [Int] { self.takeWaiting(upTo: .max).map(\.name) }
}

@Suite("Link", .timeLimit(.minutes(1)))
struct LinkTests {
    @Test("what waits never exceeds the bound in bytes")
    func bound() {
        let link = Link<Load>(name: "test", bound: 10)
        #expect(link.offer(Load(1, weight: 4)) == .accepted)
        #expect(link.offer(Load(2, weight: 6)) == .accepted)
        #expect(link.offer(Load(3, weight: 1)) == .full)
        #expect(link.depth == (2, 10))
        #expect(link.drainedNames() == [1, 2])
        #expect(link.depth == (0, 0))
    }

    @Test("an element larger than the whole bound is let through alone")
    func oversized() async throws {
        let link = Link<Load>(name: "test", bound: 10)
        #expect(link.offer(Load(1, weight: 100)) == .accepted)
        #expect(link.offer(Load(2, weight: 0)) == .full)
        #expect(link.drainedNames() == [1])
        #expect(link.offer(Load(3)) == .accepted)
        let sender = Task { try await link.send(Load(4, weight: 100)) }
        await link.senders(1)
        #expect(link.takeWaiting(upTo: 1).map(\.name) == [3])
        try await sender.value
        #expect(link.drainedNames() == [4])
    }

    @Test("a sender waits while the link is full, and goes on when there is room")
    func sendWaits() async throws {
        let link = Link<Load>(name: "test", bound: 2)
        try await link.send(Load(1))
        try await link.send(Load(2))
        let sent = Happenings<Void>()
        let sender = Task {
            try await link.send(Load(3))
            sent.add(())
        }
        await link.senders(1)
        #expect(sent.count == 0)
        #expect(link.depth.bytes == 2)
        #expect(link.takeWaiting(upTo: 1).map(\.name) == [1])
        try await sender.value
        #expect(link.drainedNames() == [2, 3])
    }

    @Test("a cancelled sender's element is not queued, and those behind it are")
    func cancelledSender() async throws {
        let link = Link<Load>(name: "test", bound: 1)
        try await link.send(Load(1))
        let second = Task { try await link.send(Load(2)) }
        await link.senders(1)
        let third = Task { try await link.send(Load(3)) }
        await link.senders(2)

        second.cancel()

        await #expect(throws: CancellationError.self) { try await second.value }
        #expect(link.takeWaiting(upTo: 1).map(\.name) == [1])
        try await third.value
        #expect(link.drainedNames() == [3])
    }

    @Test("a sender behind a large one that gives up is let in at once if it fits")
    func admittedAfterCancellation() async throws {
        let link = Link<Load>(name: "test", bound: 10)
        try await link.send(Load(1, weight: 8))
        let large = Task { try await link.send(Load(2, weight: 5)) }
        await link.senders(1)
        let small = Task { try await link.send(Load(3, weight: 2)) }
        await link.senders(2)

        large.cancel()

        try await small.value
        #expect(link.drainedNames() == [1, 3])
    }

    @Test("a sender that is cancelled before it sends queues nothing, though there is room")
    func alreadyCancelledSender() async {
        let link = Link<Load>(name: "test", bound: 10)
        let sender = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            try await link.send(Load(1))
        }
        await #expect(throws: CancellationError.self) { try await sender.value }
        #expect(link.depth.count == 0)
    }

    @Test("a cancelled consumer loses nothing; the link stays open and gives a fresh stream")
    func cancelledConsumer() async throws {
        let link = Link<Load>(name: "test", bound: 10)
        let consumer = Task { await link.stream().first { _ in true } }
        await link.consumer()
        consumer.cancel()
        #expect(await consumer.value == nil)

        try await link.send(Load(1))
        #expect(link.offer(Load(2)) == .accepted)

        var stream = link.stream().makeAsyncIterator()
        #expect(await stream.next()?.name == 1)
        #expect(await stream.next()?.name == 2)
    }

    @Test("a consumer that is cancelled already takes nothing")
    func alreadyCancelledConsumer() async throws {
        let link = Link<Load>(name: "test", bound: 10)
        try await link.send(Load(1))
        let consumer = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            var stream = link.stream().makeAsyncIterator()
            return await stream.next()
        }
        #expect(await consumer.value == nil)
        #expect(link.drainedNames() == [1])
    }

    @Test("consumers cancelled at any moment: every element is seen once, in order", arguments: 0..<4)
    func cancellationRaces(seed: UInt64) async throws {
        let link = Link<Load>(name: "test", bound: 3)
        let total = 2000
        let sender = Task {
            for name in 0..<total { try await link.send(Load(name)) }
            link.finish()
        }
        var generator = SplitMix(seed: seed)
        let seen = Happenings<Int>()
        while seen.count < total {
            let consumer = Task {
                for await load in link.stream() { seen.add(load.name) }
            }
            for _ in 0..<Int.random(in: 0..<40, using: &generator) { await Task.yield() }
            consumer.cancel()
            await consumer.value
        }
        try await sender.value
        #expect(seen.all == Array(0..<total))
    }

    @Test("an element handed to a waiting consumer does not count as waiting")
    func handedOver() async throws {
        let link = Link<Load>(name: "test", bound: 1)
        let consumer = Task {
            var stream = link.stream().makeAsyncIterator()
            return await stream.next()
        }
        await link.consumer()
        #expect(link.offer(Load(1)) == .accepted)
        #expect(link.offer(Load(2)) == .accepted)
        #expect(await consumer.value?.name == 1)
    }

    @Test("an element that was taken is let go of")
    func releases() throws {
        final class Held: Sendable {}
        struct Holding: Weighted {
            let held: Held
            var weight: Int { 1 }
        }
        let link = Link<Holding>(name: "test", bound: 10)
        weak var held: Held?
        do {
            let made = Held()
            held = made
            #expect(link.offer(Holding(held: made)) == .accepted)
            #expect(link.offer(Holding(held: Held())) == .accepted)
        }
        #expect(held != nil)
        _ = link.takeWaiting(upTo: 1)
        #expect(held == nil, "the link still holds what it gave away, and with it an ack that nobody can drop")
    }
}

extension Link {
    /// Until `count` senders wait.
    func senders(_ count: Int) async { #expect(await eventually { self.waiting.senders == count }) }
    /// Until the consumer waits.
    func consumer() async { #expect(await eventually { self.waiting.hasConsumer }) }
}
