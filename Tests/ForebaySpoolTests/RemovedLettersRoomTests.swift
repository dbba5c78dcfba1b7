import ForebayCore
import ForebayTestKit
import Foundation
import Glibc
import Synchronization
import Testing

@testable import ForebaySpool

/// Removing dead letters where the disk is full, or takes only a part of what is to be written.
@Suite("Dead letters: removed without room", .timeLimit(.minutes(1)))
struct RemovedLettersRoomTests {
    private static let isWriting: Set<FaultDisk.Call> = [.write, .sync, .truncate, .rename, .open]

    private func world(_ disk: FaultDisk, letters count: Int = 9) async throws -> (LettersWorld, DeadLetters) {
        let world = try LettersWorld(disk: disk)
        let letters = try world.open()
        for number in 0..<count { _ = try await letters.append([LettersWorld.letter(number, size: 9_000)]) }
        return (world, letters)
    }

    private func written(_ world: LettersWorld) throws -> [[Range<UInt64>]?] {
        let log = try #require(SpoolInspection(directory: world.directory).id)
        return try RemovedLettersFile.files.map { name in
            let bytes = try Data(contentsOf: URL(filePath: world.path(name)))
            return bytes.withUnsafeBytes { RemovedLettersFile(decoding: $0, of: log) }?.ranges
        }
    }

    @Test("no file can be made: it is written over what is there, also the first time; a kill in it leaves all, or none")
    func overwritten() async throws {
        for hasSome in [false, true] {
            let disk = FaultDisk()
            let (world, letters) = try await self.world(disk)
            if hasSome { try await letters.remove([8..<9]) }
            let crashes = Mutex<[String]>([])
            let directory = world.fixture.directory
            disk.fail { call, path in
                guard Self.isWriting.contains(call) else { return nil }
                let copy = NSTemporaryDirectory() + "forebay-spool-" + UUID().uuidString
                // Nobody else changes the folder meanwhile: a copy that fails would be seen below.
                try? SpoolFixture.copy(directory, to: copy)
                crashes.withLock { $0.append(copy) }
                return call == .open && path.hasSuffix(".new") ? ENOSPC : nil
            }
            try await letters.remove([1..<3, 5..<6])
            disk.fail(nil)
            let before = (0..<(hasSome ? 8 : 9) as Range<UInt64>).map { $0 }, after = before.filter { ![1, 2, 5].contains($0) }
            #expect(try await letters.numbers() == after)
            #expect(try self.written(world).allSatisfy { $0 == (hasSome ? [1..<3, 5..<6, 8..<9] : [1..<3, 5..<6]) })
            await letters.close()
            var seen: Set<[UInt64]> = []
            for copy in crashes.withLock({ $0 }) {
                let crashed = SpoolFixture(in: copy)
                let again = try LettersWorld(crashed).open()
                let left = try await again.numbers()
                seen.insert(left)
                #expect(again.damage == SpoolDamage())
                await again.close()
            }
            #expect(seen == [before, after])
        }
    }

    @Test("cut short in one file, the other counts, and it is not written over before the first is whole again")
    func torn() async throws {
        for copy in 0...1 {
            let disk = FaultDisk()
            let (world, letters) = try await self.world(disk)
            try await letters.remove([0..<2])
            await letters.close()
            try Data("torn".utf8).write(to: URL(filePath: world.path(RemovedLettersFile.files[copy])))
            let other = "/" + RemovedLettersFile.files[1 - copy]
            disk.fail { call, path in
                if call == .open, path.hasSuffix(".new") { return ENOSPC }
                return call == .write && path.hasSuffix("/" + RemovedLettersFile.files[copy]) ? ENOSPC : nil
            }
            let again = try world.open()
            #expect(try await again.numbers() == Array(2..<9))
            await #expect(throws: ForebayError.self) { try await again.remove([4..<5]) }
            #expect(try await again.numbers() == Array(2..<9))
            #expect(try self.written(world)[1 - copy] == [0..<2], "\(other)")
            disk.fail(nil)
            try await again.remove([4..<5])
            #expect(try self.written(world).allSatisfy { $0 == [0..<2, 4..<5] })
            await again.close()
        }
    }

    @Test("one file says it: it is done, whatever becomes of the other, which is written when it can be")
    func secondFails() async throws {
        for number in [ENOSPC, EIO, EACCES] {
            let disk = FaultDisk()
            let (world, letters) = try await self.world(disk)
            disk.fail { call, path in
                Self.isWriting.contains(call) && path.contains("/removed.copy") ? number : nil
            }
            try await letters.remove([1..<3])
            let left: [UInt64] = [0] + Array(3..<9)
            #expect(try await letters.numbers() == left)
            #expect(try self.written(world) == [[1..<3], []])
            let crashed = try world.crashed()
            let killed = try crashed.open()
            #expect(try await killed.numbers() == left, "the answer holds after a restart, too")
            await killed.close()
            try await letters.remove([3..<4])
            #expect(try await letters.numbers() == left.filter { $0 != 3 })
            disk.fail(nil)
            await letters.close()
            #expect(try self.written(world) == [[1..<4], [1..<4]])
        }
    }

    @Test("two files that differ, or one alone, hold up no start on a full disk; nor does that nothing was ever removed")
    func startWithoutRoom() async throws {
        for state in 0..<3 {
            let disk = FaultDisk()
            let (world, letters) = try await self.world(disk)
            try await letters.remove([1..<3])
            if state == 1 {
                disk.fail { call, path in call == .open && path.contains("/removed.copy") ? ENOSPC : nil }
                try await letters.remove([3..<4])
                let crashed = try world.crashed()
                disk.fail(nil)
                await letters.close()
                try await self.start(crashed.fixture, left: [0] + Array(4..<9))
                continue
            }
            await letters.close()
            for name in RemovedLettersFile.files.prefix(state == 0 ? 1 : 2) { try FileManager.default.removeItem(atPath: world.path(name)) }
            try await self.start(world.fixture, left: state == 0 ? [0] + Array(3..<9) : Array(0..<9))
        }
    }

    private func start(_ fixture: SpoolFixture, left: [UInt64]) async throws {
        let disk = FaultDisk()
        let world = try LettersWorld(fixture, disk: disk)
        disk.fail { call, path in
            guard path.contains("/removed") else { return nil }
            return call == .write || call == .open && path.hasSuffix(".new") ? ENOSPC : nil
        }
        let letters = try world.open()
        #expect(try await letters.numbers() == left && letters.damage == SpoolDamage())
        #expect(try await letters.append([LettersWorld.letter(9)]) == [9], "none of them hides a number that is given now")
        disk.fail(nil)
        await letters.close()
        let files = try self.written(world)
        #expect(files[0] != nil && files[0] == files[1], "written as soon as there is room")
    }

    @Test("a number is not given again while a file hides it: the append waits for room")
    func hiddenNumber() async throws {
        let disk = FaultDisk()
        let (world, letters) = try await self.world(disk, letters: 30)
        try await letters.remove([3..<5, 26..<30])
        await letters.close()
        for number in try world.segments().keys.sorted().suffix(2) {
            try FileManager.default.removeItem(atPath: SegmentFile.path(of: number, in: world.path("segments")))
        }
        try FileManager.default.removeItem(atPath: world.path("mark"))
        disk.fail { call, path in call == .write && path.contains("/removed") ? ENOSPC : nil }
        let again = try world.open()
        #expect(again.end < 26)
        await #expect { _ = try await again.append([LettersWorld.letter(1)]) } throws: { ($0 as? ForebayError)?.code == .spoolFull }
        disk.fail(nil)
        let numbers = try await again.append((0..<20).map { LettersWorld.letter($0) })
        #expect(numbers.contains(27))
        let crashed = try world.crashed()
        let killed = try crashed.open()
        #expect(try await killed.numbers().suffix(20) == numbers[...])
        await killed.close()
        await again.close()
    }
}
