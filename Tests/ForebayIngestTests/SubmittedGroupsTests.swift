import ForebayCore
import ForebayNet
import ForebayTelemetry
import Synchronization
import Testing

@testable import ForebayIngest

// Compared with true and false: what is asked alone, `#expect` copies, and this can't be copied.
@Suite("Submitted groups", .timeLimit(.minutes(1)))
struct SubmittedGroupsTests {
    /// Which submissions were let go without an answer.
    private final class Lost: Sendable {
        private let numbers = Mutex<[Int]>([])
        var all: [Int] { self.numbers.withLock { $0 } }
        func add(_ number: Int) { self.numbers.withLock { $0.append(number) } }
    }

    /// A port with a buffer behind it.
    private final class World {
        let buffer: FakeBuffer
        let room = Wake()
        let counter = Counter()
        let made = MadeRequests()
        let lost = Lost()
        private let port: LinkPort<Submission>

        init(bound: Int = 1 << 20) {
            self.port = LinkPort(name: "test", bound: bound)
            self.buffer = FakeBuffer(self.port)
        }

        func groups() -> SubmittedGroups { SubmittedGroups(self.port, room: self.room, topics: self.made.topics, counted: self.counter) }

        func submission(_ number: Int) -> Submission {
            let lost = self.lost
            return Submission(batches: [], ack: AckToken { _ in lost.add(number) })
        }
    }

    private static func group() -> PendingGroup { PendingGroup(number: 1, expecting: 1) }

    @Test("what is held goes in order as soon as there is room, and is told apart from what went") func held() {
        let world = World()
        var groups = world.groups()
        world.buffer.disconnect()
        let made = (1...3).map { _ in Self.group() }
        for (number, group) in made.enumerated() { groups.submit(world.submission(number), of: group) }
        #expect(groups.isHolding && !groups.isEmpty && world.counter.value == 3)
        #expect(groups.offer() == nil && groups.isHolding)
        world.buffer.connect()
        for group in made { #expect(groups.offer()?.group === group) }
        #expect(groups.offer() == nil && !groups.isHolding)
        #expect(world.buffer.take().count == 3)
    }

    @Test("whoever takes out what is held lets go of it, and only then its requests are told") func takeHeld() {
        let world = World()
        var groups = world.groups()
        world.buffer.disconnect()
        for number in 1...2 { groups.submit(world.submission(number), of: Self.group()) }
        var unsent = groups.takeHeld()
        #expect(unsent.count == 2 && !groups.isHolding && world.lost.all.isEmpty)
        #expect(groups.isEmpty == false, "they are not settled yet")
        for (_, group) in unsent { groups.settle(group) }
        #expect(groups.isEmpty == true)
        unsent = []
        #expect(world.lost.all == [1, 2])
    }

    @Test("the buffer has a group until its deadline; the first one is watched") func late() {
        let world = World()
        var groups = world.groups()
        let made = (1...3).map { _ in Self.group() }
        for (number, group) in made.enumerated() {
            groups.submit(world.submission(number), of: group)
            _ = groups.offer()
            #expect(groups.commit(group, by: UInt64(100 + number)) == true, "nobody watches")
        }
        #expect(groups.deadline == 100 && groups.late(at: 99) == nil && groups.late(at: 100) === made[0])
        // One that came late is out, one in between too.
        groups.settle(made[0])
        groups.settle(made[1])
        #expect(groups.deadline == 102 && groups.late(at: 101) == nil && groups.late(at: .max) === made[2])
        groups.settle(made[2])
        #expect(groups.deadline == nil && groups.late(at: .max) == nil && groups.isEmpty)
        #expect(made.allSatisfy { $0.isSettled })
    }

    @Test("a group that was answered before the buffer said that it has it is not waited for") func settledBefore() {
        let world = World()
        var groups = world.groups()
        let group = Self.group()
        groups.submit(world.submission(1), of: group)
        _ = groups.offer()
        groups.settle(group)
        #expect(!groups.commit(group, by: 5) && groups.deadline == nil && groups.isEmpty)
    }

    @Test("one that is not submitted counts until it is settled") func skipped() {
        let world = World()
        var groups = world.groups()
        groups.skip()
        #expect(!groups.isEmpty && !groups.isHolding && world.counter.value == 0)
        groups.settle(Self.group())
        #expect(groups.isEmpty == true)
    }

    @Test("each wait has one timer, which is cancelled with it") func timers() async throws {
        let fired = Mutex(0)
        let loop = try EventLoop(label: "groups-test")
        try await loop.perform {
            func timer() -> Timer { loop.timer(after: 1) { fired.withLock { $0 += 1 } } }
            var groups = World().groups()
            #expect(groups.isWaitingForRoom == false)
            groups.waitForRoom(timer())
            #expect(groups.isWaitingForRoom == true)
            groups.stopWaitingForRoom()
            #expect(groups.isWaitingForRoom == false)
            groups.waitForRoom(timer())
            _ = groups.takeHeld()
            #expect(groups.isWaitingForRoom == false)
            groups.watch(timer())
            #expect(groups.commit(Self.group(), by: 5) == false, "somebody watches")
            groups.stopWatching()
            #expect(groups.commit(Self.group(), by: 6) == true)
            groups.watch(timer())
            groups.timerFired()
            #expect(groups.commit(Self.group(), by: 7) == true)
        }
        await withCheckedContinuation { later in
            loop.execute { loop.timer(after: 5) { later.resume() } }
        }
        #expect(fired.withLock { $0 } == 1, "of the one that was said to have fired")
        await loop.stop()
    }

    @Test("room in the port is heard") func room() {
        let world = World()
        let groups = world.groups()
        let heard = Mutex(0)
        groups.begin { heard.withLock { $0 += 1 } }
        world.room.call()
        #expect(heard.withLock { $0 } == 1)
    }

    @Test("topics are settled below the group's end, or let go") func topics() throws {
        let world = World()
        let groups = world.groups()
        let target = madeTarget("a")
        var group = Self.group()
        for (firsts, end) in [([40], 42), (nil, 42)] as [([UInt64]?, UInt64)] {
            defer { group = group.next(expecting: 1) }
            try world.made.add(["", ""], of: target, to: group)
            _ = world.made.close(group)
            #expect(target.use?.pending == 1)
            groups.settleTopics(of: group, firsts)
            #expect(target.use?.pending == 0 && target.use?.end == end)
        }
    }
}
