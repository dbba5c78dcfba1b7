import ForebayCore
import ForebayTestKit
import Foundation
import Glibc
import Synchronization
import Testing

@testable import ForebaySpool

/// What the writer says of the segment that it writes: how much fits, where groups begin; and when it wants the next one.
@Suite("Spool: the segment that is written", .timeLimit(.minutes(1)))
struct WriterRoomTests {
    @Test("each group takes its blocks of the room, and the footer's are kept free")
    func room() async throws {
        let fixture = SpoolFixture(segmentSize: 256 << 10)
        let spool = try fixture.open()
        #expect(spool.view.roomWithoutNewFile == 0)
        for count in 1...3 {
            try await spool.append("a", ["small"])
            #expect(spool.view.roomWithoutNewFile == (256 << 10) - 8192 - 4096 - count * 4096)
        }
        await spool.close()
    }

    @Test("a group that finds no room has no numbers: those that it would have had are told with the group that gets them")
    func numbers() async throws {
        let fixture = SpoolFixture(segmentSize: 256 << 10), disk = FaultDisk()
        let spool = try fixture.open(on: disk)
        try await spool.append("a", ["before"])
        let numbers = Happenings<String>()
        func submission(_ name: String) -> Submission {
            Submission(
                batches: [batch(routeA, [name]), batch(routeB, [name])],
                ack: AckToken(onNumbered: { numbers.add("\(name) \($0)") }) { _ in })
        }
        disk.fail { call, path in call == .write && path.contains("/segments/") ? ENOSPC : nil }
        let error = await #expect(throws: ForebayError.self) { _ = try await spool.commit([submission("one"), submission("two")]) }
        #expect(error?.code == .spoolFull && numbers.all.isEmpty)
        disk.fail(nil)
        for name in ["one", "two"] { _ = try await spool.commit([submission(name)]) }
        #expect(numbers.all == ["one [1, 2]", "two [3, 4]"])
        await spool.close()
    }

    @Test(
        "a disk that takes no new file, however many bytes it says are free, is full; it is tried again each second",
        arguments: [ENOSPC, EDQUOT])
    func noFile(reason: Int32) async throws {
        let fixture = SpoolFixture(segmentSize: 256 << 10), disk = FaultDisk()
        let spool = try fixture.open(on: disk, roomInterval: 10)
        let value = String(repeating: "w", count: 60_000)  // Four of them fit.
        for _ in 0..<4 { try await spool.append("a", [value]) }
        #expect(!spool.isFull)
        disk.fail { call, path in call == .open && (path.contains("/new-") || path.contains("/prepared-")) ? reason : nil }
        let looks = Happenings<Void>()
        for _ in 0..<2 {
            let error = await #expect(throws: ForebayError.self) { try await spool.append("a", [value]) }
            #expect(error?.code == .spoolFull && spool.isFull)
        }
        disk.fail { call, path in
            guard call == .open, path.contains("/new-") || path.contains("/prepared-") else { return nil }
            looks.add(())
            return reason
        }
        #expect(await eventually { spool.isFull && looks.count >= 4 })
        disk.fail(nil)
        #expect(await eventually { !spool.isFull })
        try await spool.append("a", [value])
        #expect(spool.segmentCount == 2 && !spool.isFull)
        let files = try FileManager.default.contentsOfDirectory(atPath: fixture.segmentsFolder)
        #expect(files.allSatisfy { $0.hasSuffix(".segment") }, "\(files)")
        await spool.close()
    }

    /// Everything that is there is settled by its route.
    private func settled(_ spool: Spool) async throws {
        let cursor = try await spool.forward("a")
        await spool.releasePassedSegments()
        cursor.move(to: spool.durableEnd, settled: spool.lag(of: cursor))
        await spool.syncCursors()
    }

    @Test(
        "the newest segment makes room, too, when all of it is settled: a lower max_size than it takes stops nothing",
        arguments: [false, true])
    func lowered(isWaiting: Bool) async throws {
        let fixture = SpoolFixture(segmentSize: 2 << 20)
        var spool = try fixture.open()
        try await spool.append("a", [String(repeating: "l", count: 900_000)])
        if !isWaiting { try await self.settled(spool) }
        await spool.close()
        let budget = try SpoolBudget(capacity: 640 << 10, directory: fixture.directory)
        spool = try fixture.open(roomInterval: 10, budget: budget) { $0.segmentSize = 64 << 10 }
        #expect(spool.isFull)
        if isWaiting {
            await spool.releasePassedSegments()
            #expect(await !eventually(within: .milliseconds(100)) { !spool.isFull }, "it is needed")
        }
        try await self.settled(spool)
        #expect(await eventually { !spool.isFull && budget.usedBytes < 200 << 10 })
        for _ in 0..<20 { try await spool.append("a", [String(repeating: "m", count: 10_000)]) }
        #expect(try spool.events(from: 1).count == 20 && spool.missing.isEmpty)
        await spool.close()
        spool = try fixture.open()
        #expect(try spool.damage == SpoolDamage() && spool.events(from: 1).count == 20)
        await spool.close()
    }

    @Test("the newest is not let go of before it is known that it has a successor")
    func successorKnown() async throws {
        let fixture = SpoolFixture(segmentSize: 2 << 20), disk = FaultDisk()
        var spool = try fixture.open()
        try await spool.append("a", [String(repeating: "l", count: 900_000)])
        try await self.settled(spool)
        await spool.close()
        let budget = try SpoolBudget(capacity: 640 << 10, directory: fixture.directory)
        spool = try fixture.open(on: disk, roomInterval: 10, budget: budget) { $0.segmentSize = 64 << 10 }
        disk.fail { call, path in call == .write && path.hasSuffix("/mark") ? ENOSPC : nil }
        await spool.releasePassedSegments()
        #expect(
            await eventually {
                _ = spool.isFull; return spool.segmentCount == 2
            })
        for _ in 0..<3 { await spool.syncCursors() }
        #expect(spool.segmentCount == 2)
        let crashed = try fixture.crashed().open()
        #expect(crashed.damage == SpoolDamage())
        await crashed.close()
        disk.fail(nil)
        #expect(await eventually { spool.segmentCount == 1 })
        await spool.close()
    }

    @Test("the same where others have filled the disk: the reserve gives the room for its successor")
    func filled() async throws {
        let fixture = SpoolFixture(segmentSize: 256 << 10), disk = FaultDisk()
        let budget = try SpoolBudget(capacity: 1 << 20, directory: fixture.directory, disk: disk, ballast: 128 << 10)
        let spool = try fixture.open(on: disk, roomInterval: 10, budget: budget)
        await spool.releasePassedSegments()
        let ballast = fixture.directory + "/ballast"
        #expect(await eventually { FileManager.default.fileExists(atPath: ballast) })
        try await spool.append("a", ["0"])
        disk.tell((free: 0, total: 1 << 40))
        let given = Mutex(false)
        disk.fail { call, path in
            if call == .remove, path == ballast { given.withLock { $0 = true } }
            return call == .write && path.hasSuffix("/new-2") && !given.withLock { $0 } ? ENOSPC : nil
        }
        for _ in 0..<4 { try await spool.append("a", [String(repeating: "f", count: 60_000)]) }
        await #expect(throws: ForebayError.self) { try await spool.append("a", [String(repeating: "n", count: 60_000)]) }
        #expect(spool.isFull)
        try await self.settled(spool)
        #expect(!given.withLock { $0 } && spool.segmentCount == 1)
        #expect(
            await eventually {
                _ = spool.isFull; return spool.start == 5 && spool.segmentCount == 1
            })
        #expect(given.withLock { $0 })
        disk.tell((free: 192 << 10, total: 1 << 40))
        try await spool.append("a", ["on it goes"])
        #expect(try spool.events(from: 5).map(\.1) == ["on it goes"])
        await spool.close()
    }

    @Test("where a group that was refused can't be taken back nothing is written over it: the next goes into the next segment")
    func notTakenBack() async throws {
        let fixture = SpoolFixture(segmentSize: 256 << 10), disk = FaultDisk()
        let spool = try fixture.open(on: disk, roomInterval: 10)
        try await spool.append("a", ["before"])
        disk.fail { call, path in (call == .write || call == .truncate) && path.contains("/segments/") ? ENOSPC : nil }
        await #expect(throws: ForebayError.self) { try await spool.append("a", ["refused"]) }
        disk.fail(nil)
        #expect(spool.view.roomWithoutNewFile == 0)
        #expect(await eventually { !spool.isFull })
        try await spool.append("a", ["after"])
        #expect(try spool.segmentCount == 2 && spool.events().map(\.1) == ["before", "after"])
        await spool.close()
    }

    @Test("readers know the places of groups in the segment that is written as those who come after a restart")
    func index() async throws {
        let fixture = SpoolFixture(segmentSize: 8 << 20)
        var spool = try fixture.open()
        for _ in 0..<6 { try await spool.append("a", [String(repeating: "i", count: 600_000)]) }
        let live = spool.view.read { $0.segments.map(\.index) }
        #expect(live.count == 1 && live[0].map(\.sequence) == [0, 2, 4])
        await spool.close()
        spool = try fixture.open()
        #expect(spool.view.read { $0.segments.map(\.index) } == live)
        await spool.close()
    }

    @Test("the next file is wanted when less than half of the room is left, and again when the one that was made could not be used")
    func wanted() async throws {
        let fixture = SpoolFixture(segmentSize: 256 << 10), disk = FaultDisk(), size = 256 << 10
        let spool = try fixture.open(preparesNext: true, on: disk)
        let value = String(repeating: "w", count: 60_000)  // Four of them fit.
        for _ in 0..<2 { try await spool.append("a", [value]) }
        #expect(await eventually { spool.view.roomWithoutNewFile > size }, "it is made ready")
        disk.fail { call, path in call == .rename && path.hasSuffix(".segment") ? EIO : nil }
        try await spool.append("a", ["goes on in this one"])
        #expect(spool.segmentCount == 1)
        disk.fail(nil)
        #expect(await eventually { spool.view.roomWithoutNewFile > size }, "and another one")
        try await spool.append("a", ["in the next"])
        #expect(spool.segmentCount == 2)
        await spool.close()
    }

    @Test("a file that is still made ready while the log closes is nobody's: it is removed, and its room given back")
    func closing() async throws {
        let fixture = SpoolFixture(segmentSize: 256 << 10), disk = FaultDisk()
        let budget = try SpoolBudget(capacity: 1 << 30, directory: fixture.directory, disk: disk)
        let spool = try fixture.open(preparesNext: true, on: disk, budget: budget)
        try await spool.append("a", ["x"])
        let made = Happenings<Void>(), closes = DispatchSemaphore(value: 0)
        disk.fail { call, path in
            // The segment is ended by a writer that takes nothing more.
            if call == .truncate, path.hasSuffix(".segment") || path.hasSuffix("/new-1") { closes.signal() }
            guard call == .sync, path.hasSuffix("/prepared-1"), made.count == 0 else { return nil }
            made.add(())
            closes.wait()
            return nil
        }
        await spool.releasePassedSegments()
        await made.wait(forCount: 1)
        await spool.close()
        #expect(await eventually { budget.usedBytes == spool.byteCount })
        #expect(try FileManager.default.contentsOfDirectory(atPath: fixture.segmentsFolder) == [RecoveryTableTests.name(1)])
    }

    @Test("it is asked for once a segment, and not before half of the room is taken, also where it can't be made")
    func askedOnce() async throws {
        let fixture = SpoolFixture(segmentSize: 256 << 10), disk = FaultDisk(), tried = Happenings<String>()
        let spool = try fixture.open(preparesNext: true, on: disk)
        disk.fail { call, path in
            guard call == .open, path.contains("/prepared-") else { return nil }
            tried.add(URL(filePath: path).lastPathComponent)
            return EMFILE
        }
        let value = String(repeating: "o", count: 60_000)  // Four of them fit.
        try await spool.append("a", [value])
        await spool.syncCursors()
        #expect(tried.count == 0)
        for value in [value, "0", "1", "2", "3"] {
            try await spool.append("a", [value])
            await spool.syncCursors()
        }
        #expect(await eventually { tried.count > 0 })
        #expect(Set(tried.all) == ["prepared-1"])
        for _ in 0..<4 { try await spool.append("a", [value]) }
        #expect(spool.segmentCount == 2)
        #expect(await eventually { Set(tried.all) == ["prepared-1", "prepared-2"] }, "of the next one")
        await spool.close()
    }
}
