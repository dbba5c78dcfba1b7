import ForebayCore
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Glibc
import Synchronization
import Testing

@testable import ForebaySpool

/// Where there is no room for new events: what a delivery gives up that is not required, and what not.
@Suite("Spool: giving way", .timeLimit(.minutes(1)))
struct YieldingTests {
    /// A delivery that gives way.
    private final class Holder: YieldingHolder {
        struct Gone: Sendable, Equatable {
            let end: UInt64
            let usedBytes: Int
            let settledUnread: UInt64
        }

        let cursor: SpoolCursor
        let age = Mutex<Double?>(nil)
        var oldestAge: Double? { self.age.withLock { $0 } }
        let gone = Happenings<Gone>()
        let asked = Happenings<Void>()
        private let budget: SpoolBudget
        private let says: Bool
        let ahead = Mutex<[Range<UInt64>]>([])

        /// - Parameter says: whether it says that it gave up something beside the spool, of which no file went.
        init(_ cursor: SpoolCursor, _ budget: SpoolBudget, says: Bool = false) {
            (self.cursor, self.budget, self.says) = (cursor, budget, says)
        }

        func giveUpBesideSpool() async -> Bool {
            self.asked.add(())
            return self.says
        }

        func settledUnread(below sequence: UInt64) -> (position: UInt64, ranges: [Range<UInt64>]) {
            (
                self.cursor.sequence,
                self.ahead.withLock { $0.map { $0.clamped(to: self.cursor.sequence..<sequence) } }.filter { !$0.isEmpty }
            )
        }

        func giveUp(below sequence: UInt64, ordinal: UInt64, settledUnread: (position: UInt64, events: UInt64)) {
            self.gone.add(Gone(end: sequence, usedBytes: self.budget.usedBytes, settledUnread: settledUnread.events))
            self.cursor.rest(at: sequence, ordinal: ordinal)
        }
    }

    /// A spool of two deliveries, of which one must have everything.
    private final class World {
        static let segment = 256 << 10
        static let capacity = 10 * World.segment

        let fixture = SpoolFixture(segmentSize: World.segment, capacity: World.capacity)
        let disk = FaultDisk()
        let budget: SpoolBudget
        let spool: Spool
        let main: SpoolCursor
        let holder: Holder

        init(prepares: Bool = false, says: Bool = false, free: Int? = nil) async throws {
            if let free { self.disk.tell((free: free, total: 1 << 40)) }
            self.budget = try SpoolBudget(capacity: World.capacity, directory: self.fixture.directory, disk: self.disk)
            self.spool = try self.fixture.open(
                preparesNext: prepares, on: self.disk, roomInterval: 5, cursorSyncInterval: 1, budget: self.budget)
            self.main = try await self.spool.forward("a")
            self.holder = Holder(
                try await self.spool.cursor("mirror/a", route: routeA, beginning: .end), self.budget, says: says)
            await self.spool.yields(self.holder)
            await self.spool.releasePassedSegments()
        }

        /// - Parameter isSettled: by who must have it.
        /// - Returns: whether it is accepted in time, by a producer that tries again.
        func append(isSettled: Bool = true, within limit: Duration = .seconds(10)) async -> Bool {
            await eventually(within: limit) {
                guard !self.spool.isFull, (try? await self.spool.append("a", [String(repeating: "y", count: 80_000)])) != nil else {
                    return false
                }
                if isSettled { self.main.move(to: self.spool.durableEnd, settled: self.spool.lag(of: self.main)) }
                return true
            }
        }
    }

    @Test("a segment at a time, only when the next one would not fit, whether its file is made ahead or not", arguments: [false, true])
    func oneByOne(prepares: Bool) async throws {
        let world = try await World(prepares: prepares)
        for number in 0..<90 {
            try #require(await world.append(), "event \(number)")
        }
        let gone = world.holder.gone.all
        #expect(gone.count > 15 && Set(gone.map(\.end)).count == gone.count)
        // 5 % is the reserve, which is not for new events.
        let limit = World.capacity / 20 * 19
        #expect(gone.allSatisfy { $0.usedBytes > limit - (prepares ? 2 : 1) * World.segment }, "\(gone)")
        // The keeper may still be giving up for the file that it makes ahead.
        let isCounted = await eventually {
            (try? world.spool.waiting(world.holder.cursor).count) == Int(world.spool.lag(of: world.holder.cursor))
        }
        #expect(isCounted)
        await world.spool.close()
    }

    @Test("nothing goes that who must have everything still has before it; once that is past it, all goes on")
    func needed() async throws {
        let world = try await World()
        while await world.append(isSettled: false, within: .milliseconds(200)) {}
        #expect(world.holder.gone.count == 0 && world.holder.asked.count > 0)
        world.main.move(to: world.spool.durableEnd, settled: world.spool.lag(of: world.main))
        for _ in 0..<10 { #expect(await world.append()) }
        #expect(world.holder.gone.count > 0)
        await world.spool.close()
    }

    @Test("what was given up beside the spool and made no room is not all given up: the spool's oldest goes")
    func besideSpool() async throws {
        let world = try await World(says: true)
        for _ in 0..<60 { #expect(await world.append()) }
        #expect(world.holder.gone.count > 5 && world.holder.asked.count < world.holder.gone.count * 3)
        await world.spool.close()
    }

    @Test("what side logs lack is made, too, while no new event comes; without anybody who gives way it is refused as before")
    func sideLog() async throws {
        let world = try await World()
        for _ in 0..<20 { #expect(await world.append()) }
        #expect(world.holder.gone.count == 0)
        let fixture = SpoolFixture(segmentSize: World.segment)
        let side = try fixture.open(budget: world.budget) { $0.kind = .deadLetters }
        for number in 0..<25 {
            let isStored = await eventually { (try? await side.append("a", [String(repeating: "z", count: 80_000)])) != nil }
            try #require(isStored, "event \(number)")
        }
        #expect(world.holder.gone.count > 3 && world.spool.lag(of: world.holder.cursor) < 20)
        await world.spool.close()
        let more = await eventually(within: .milliseconds(300)) {
            (try? await side.append("a", [String(repeating: "z", count: 2_400_000)])) != nil
        }
        #expect(!more)
        await side.close()
    }

    @Test(
        "what the disk refuses to a side log, whatever it says that it has, is made a file at a time, for who need not give way itself",
        arguments: [false, true])
    func sideLogRefused(givesWay: Bool) async throws {
        let world = try await World()
        for _ in 0..<20 { #expect(await world.append()) }
        let fixture = SpoolFixture(segmentSize: World.segment)
        let side = try fixture.open(on: world.disk, budget: world.budget) { ($0.kind, $0.givesWay) = (.deadLetters, givesWay) }
        let (folder, own, before) = (
            world.fixture.segmentsFolder, fixture.directory,
            try FileManager.default.contentsOfDirectory(atPath: world.fixture.segmentsFolder)
        )
        world.disk.fail { call, path in
            guard call == .write, path.hasPrefix(own) else { return nil }
            let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
            return names.count >= before.count ? ENOSPC : nil
        }
        let isStored = await eventually(within: givesWay ? .milliseconds(300) : .seconds(10)) {
            (try? await side.append("a", ["small"])) != nil
        }
        #expect(isStored == !givesWay && (givesWay ? 0...0 : 1...3).contains(world.holder.gone.count))
        world.disk.fail(nil)
        await world.spool.close()
        await side.close()
    }

    @Test("what makes no room is not given up on and on: a file system may keep it in snapshots")
    func futile() async throws {
        let world = try await World()
        for _ in 0..<24 { #expect(await world.append()) }
        world.disk.tell((free: 0, total: 1 << 40))
        while await world.append(within: .milliseconds(500)) {}
        #expect(await !world.append(within: .seconds(1)))
        #expect((1...3).contains(world.holder.gone.count), "\(world.holder.gone.all)")
        await world.spool.close()
    }

    @Test("what was settled before this start and is not read yet is known: of its own routes, in each segment that goes")
    func settledBefore() async throws {
        let world = try await World()
        // Two of each three are another's.
        for _ in 0..<10 {
            try await world.spool.append("b", ["x", "y"])
            #expect(await world.append())
        }
        world.holder.ahead.withLock { $0 = [1..<4, 5..<9, 14..<24] }
        for _ in 0..<50 { #expect(await world.append()) }
        let gone = world.holder.gone.all
        // 2, 5, 8, 14, 17, 20 and 23.
        #expect(gone.reduce(0) { $0 + $1.settledUnread } == 7 && gone.first?.end ?? 0 < 24)
        await world.spool.close()
    }

    @Test("who is behind furthest gives up first, and nobody else what it keeps beside the spool before that")
    func furthestBehind() async throws {
        let world = try await World()
        let other = Holder(try await world.spool.cursor("mirror/b", route: routeB, beginning: .end), world.budget, says: true)
        await world.spool.yields(other)
        other.age.withLock { $0 = 10 }
        world.holder.age.withLock { $0 = 1000 }
        for _ in 0..<60 {
            #expect(await world.append())
            other.cursor.move(to: world.spool.durableEnd, settled: 0)
        }
        #expect(world.holder.gone.count > 5 && other.asked.count == 0)
        world.holder.age.withLock { $0 = 1 }
        for _ in 0..<30 { #expect(await world.append()) }
        #expect(other.asked.count > 0)
        await world.spool.close()
    }

    @Test("others freed room on the disk since it was asked last: nothing is given up")
    func staleReading() async throws {
        let world = try await World(free: 5 * World.segment)
        for _ in 0..<6 { #expect(await world.append()) }
        world.disk.tell((free: 1 << 30, total: 1 << 40))
        for _ in 0..<15 { #expect(await world.append()) }
        #expect(world.holder.gone.count == 0)
        await world.spool.close()
    }

    @Test("a disk with free bytes that takes no file: room is made in files", arguments: [ENOSPC, EDQUOT])
    func noFile(reason: Int32) async throws {
        let world = try await World()
        let folder = world.fixture.segmentsFolder
        world.disk.fail { call, path in
            guard call == .open, path.contains("/new-") || path.contains("/prepared-") else { return nil }
            let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
            return names.count >= 5 ? reason : nil
        }
        for number in 0..<40 { #expect(await world.append(), "event \(number)") }
        #expect(world.holder.gone.count > 3 && world.budget.usedBytes < 6 * World.segment)
        world.disk.fail(nil)
        await world.spool.close()
    }

    @Test("the newest segment, too, where it is all that there is and leaves no room for another")
    func newest() async throws {
        let fixture = SpoolFixture(segmentSize: 2 << 20)
        var spool = try fixture.open()
        _ = try await spool.cursor("mirror/a", route: routeA, beginning: .end)
        try await spool.append("a", [String(repeating: "l", count: 900_000)])
        await spool.close()
        let budget = try SpoolBudget(capacity: 640 << 10, directory: fixture.directory)
        spool = try fixture.open(roomInterval: 10, cursorSyncInterval: 1, budget: budget) { $0.segmentSize = 64 << 10 }
        let main = try await spool.forward("a")
        let holder = Holder(try await spool.cursor("mirror/a", route: routeA, beginning: .end), budget)
        await spool.yields(holder)
        await spool.releasePassedSegments()
        #expect(await !eventually(within: .milliseconds(100)) { !spool.isFull } && holder.gone.count == 0, "it is needed")
        main.move(to: spool.durableEnd, settled: spool.lag(of: main))
        #expect(await eventually { !spool.isFull && budget.usedBytes < 200 << 10 })
        #expect(holder.gone.all.map(\.end) == [1])
        try await spool.append("a", ["next"])
        #expect(try spool.waiting(holder.cursor) == ["next"])
        await spool.close()
    }
}
