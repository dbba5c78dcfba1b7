import ForebayCore
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Glibc
import Synchronization
import Testing

@testable import ForebaySpool

@Suite("Dead letters: removed", .timeLimit(.minutes(1)))
struct RemovedLettersTests {
    /// Letters of some 9 KiB, so that a segment has seven.
    private func fill(_ letters: DeadLetters, _ range: Range<Int>, size: Int = 9_000) async throws {
        for number in range { _ = try await letters.append([LettersWorld.letter(number, size: size)]) }
    }

    @Test("what is removed is in no list and no count, inside and outside the node, now and after a restart; numbers stay")
    func hidden() async throws {
        let world = try LettersWorld()
        var letters = try world.open()
        try await letters.remove([0..<9])  // There is no log yet.
        _ = try await letters.append((0..<20).map { LettersWorld.letter($0) })
        let before = letters.byteCount
        try await letters.remove([0..<2, 5..<6, 18..<400])
        let left = (2..<18 as Range<UInt64>).filter { $0 != 5 }
        for start in 0..<3 {
            #expect(try await letters.numbers() == left && letters.count == 15, "start \(start)")
            #expect(try DeadLetters.list(directory: world.directory, after: nil, limit: 99).map(\.sequence) == left)
            for after in [0, 1, 4, 5, 17, 18, 19, 99] as [UInt64] {
                let expected = left.filter { $0 > after }
                #expect(try await letters.list(after: after, limit: 99).map(\.sequence) == expected)
                #expect(try DeadLetters.list(directory: world.directory, after: after, limit: 99).map(\.sequence) == expected)
            }
            #expect(start > 0 || letters.byteCount > before, "the list of what was removed takes room, too")
            #expect(letters.damage == SpoolDamage())
            let folder = SideLogFolder(.deadLetters, of: "orders", in: world.fixture.directory)
            #expect(try folder.eventCount() == 15)
            await letters.close()
            letters = try world.open()
        }
        #expect(try await letters.append([LettersWorld.letter(20)]) == [20])
        #expect(try await letters.numbers() == left + [20] && letters.count == 16)
        try await letters.remove([0..<UInt64.max])
        #expect(try await letters.numbers() == [] && letters.count == 0)
        #expect(await letters.close(), "it holds nothing, so nobody will miss it")
        letters = try world.open()
        #expect(letters.count == 0)
        #expect(try await letters.append([LettersWorld.letter(21)]) == [21])
        #expect(try await letters.numbers() == [21])
        await letters.close()
    }

    @Test("the oldest go a file at a time, with what was removed of it before, and the newest file stays")
    func oldest() async throws {
        let world = try LettersWorld()
        let letters = try world.open()
        #expect(try await letters.removeOldest() == 0)
        try await self.fill(letters, 0..<24)
        try await letters.remove([2..<4])
        let files = try world.segments().count
        var gone: [UInt64] = []
        while case let count = try await letters.removeOldest(), count > 0 { gone.append(count) }
        #expect(gone.count == files - 1 && gone.count > 1 && gone[0] < 7, "\(gone)")
        #expect(try world.segments().values.count { $0 > 4096 } == 1 && letters.count == 22 - gone.reduce(0, +))
        #expect(try await letters.numbers() == Array((24 - letters.count)..<24))
        await letters.close()
    }

    @Test("removing at random, with appends and restarts between, as a set would have it", arguments: 0..<4 as Range<UInt64>)
    func model(seed: UInt64) async throws {
        var random = SplitMix(seed: seed)
        let world = try LettersWorld()
        var letters = try world.open()
        var (model, next) = (Set<UInt64>(), 0)
        for _ in 0..<60 {
            switch Int.random(in: 0..<8, using: &random) {
            case 0...2:
                let count = Int.random(in: 1...5, using: &random)
                let size = Bool.random(using: &random) ? 9_000 : 5
                _ = try await letters.append((next..<next + count).map { LettersWorld.letter($0, size: size) })
                model.formUnion((next..<next + count).map { UInt64($0) })
                next += count
            case 3:
                await letters.close()
                letters = try world.open()
            case 4: await letters.remove(all: model, whereNumberIs: { $0 % 3 == 1 }, from: &model)
            default:
                let first = UInt64.random(in: 0...UInt64(next), using: &random)
                let end = first + UInt64.random(in: 0...9, using: &random)
                try await letters.remove([first..<end])
                model = model.filter { !(first..<end).contains($0) }
            }
            #expect(letters.count == UInt64(model.count))
            #expect(try await letters.numbers() == model.sorted())
            let odd = try await letters.selected(limit: 3, bytes: 20_000) { $0.sequence % 2 == 1 }
            #expect(odd == model.filter { $0 % 2 == 1 }.sorted())
        }
        #expect(letters.damage == SpoolDamage())
        await letters.close()
        let problems = try SpoolInspection(directory: world.directory).verify().problems
        #expect(problems.isEmpty, "\(problems)")
    }

    @Test("a segment of which all is removed gives its room back: the oldest go, others are cut to their header, until the newest")
    func segmentsGo() async throws {
        let world = try LettersWorld()
        var letters = try world.open()
        try await self.fill(letters, 0..<40)
        let first = try world.segments()
        #expect(first.count >= 5)
        func segment(_ place: Int) throws -> Range<UInt64> {
            let found = try SpoolInspection(directory: world.directory).segments[place]
            return found.base..<found.end
        }
        let (oldest, second, fourth) = (try segment(0), try segment(1), try segment(3))
        let used = world.budget.usedBytes
        try await letters.remove([fourth])
        #expect(try world.segments()[4] == 12_288, "cut to its header: a number that is missing would be a loss")
        try await letters.remove([second])
        try await letters.remove([oldest.lowerBound..<oldest.upperBound - 1])
        #expect(try world.segments().count == first.count, "one letter holds its segment")
        try await letters.remove([oldest])
        #expect(try world.segments().keys.sorted().first == 3)
        let freed = try first.values.reduce(0, +) - world.segments().values.reduce(0, +)
        #expect(freed > 160_000 && world.budget.usedBytes <= used - freed + 1024, "the budget has it back")
        let gone = Set(Array(oldest) + Array(second) + Array(fourth))
        let left = (0..<40 as Range<UInt64>).filter { !gone.contains($0) }
        for start in 0..<3 {
            #expect(try await letters.numbers() == left && letters.count == UInt64(left.count), "start \(start)")
            #expect(try await letters.list(after: 0, limit: 2).map(\.sequence) == Array(left.prefix(2)))
            #expect(letters.damage == SpoolDamage(), "nothing is missed")
            let inspection = try SpoolInspection(directory: world.directory)
            #expect(try inspection.letterCount() == UInt64(left.count))
            await letters.close()
            #expect(try inspection.verify().problems.isEmpty)
            letters = try world.open()
        }
        try await letters.remove([0..<40])
        #expect(try world.segments().count == 1, "the newest stays until there is a newer one")
        #expect(try await letters.append([LettersWorld.letter(40)]) == [40])
        #expect(await eventually { (try? world.segments().count) == 1 })
        #expect(letters.damage == SpoolDamage() && letters.count == 1)
        await letters.close()
    }

    @Test("a kill at any call of a removal leaves all of it, or none; others are never hidden, and nothing is told of as lost")
    func killed() async throws {
        let disk = FaultDisk()
        let world = try LettersWorld(disk: disk)
        let letters = try world.open()
        try await self.fill(letters, 0..<24)
        try await letters.remove([22..<23])
        let crashes = Mutex<[String]>([])
        let directory = world.fixture.directory
        disk.fail { call, path in
            guard [.write, .sync, .truncate, .rename, .remove, .open, .syncFolder].contains(call) else { return nil }
            let copy = NSTemporaryDirectory() + "forebay-spool-" + UUID().uuidString
            // Nobody else changes the folder meanwhile: a copy that fails would be seen below.
            try? SpoolFixture.copy(directory, to: copy)
            crashes.withLock { $0.append(copy) }
            return nil
        }
        try await letters.remove([0..<9, 10..<12])
        disk.fail(nil)
        await letters.close()
        let (before, after) = ((0..<24 as Range<UInt64>).filter { $0 != 22 }, [9] + (12..<22).map { $0 } + [23] as [UInt64])
        var seen: Set<[UInt64]> = []
        let copies = crashes.withLock { $0 }
        #expect(copies.count > 12)
        for copy in copies {
            let crashed = SpoolFixture(in: copy)
            let again = try LettersWorld(crashed).open()
            let left = try await again.numbers()
            seen.insert(left)
            #expect(left == before || left == after, "\(left)")
            #expect(again.damage == SpoolDamage() && again.count == UInt64(left.count))
            await again.close()
        }
        #expect(seen.count == 2, "no kill came before it, or none behind it")
    }

    @Test("several removals at once: each counts")
    func together() async throws {
        let world = try LettersWorld()
        let letters = try world.open()
        _ = try await letters.append((0..<64).map { LettersWorld.letter($0) })
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<16 as Range<UInt64> { group.addTask { try await letters.remove([number * 4..<number * 4 + 3]) } }
            try await group.waitForAll()
        }
        #expect(try await letters.numbers() == (0..<16).map { $0 * 4 + 3 } && letters.count == 16)
        await letters.close()
    }

    @Test("where the disk takes nothing, nothing is removed, and it is said")
    func full() async throws {
        let disk = FaultDisk()
        let world = try LettersWorld(disk: disk)
        let letters = try world.open()
        _ = try await letters.append((0..<4).map { LettersWorld.letter($0) })
        disk.fail { call, path in call == .write && path.contains("/removed") ? ENOSPC : nil }
        await #expect(throws: ForebayError.self) { try await letters.remove([1..<3]) }
        #expect(try await letters.numbers() == [0, 1, 2, 3] && letters.count == 4)
        let crashed = try world.crashed()
        let killed = try crashed.open()
        #expect(try await killed.numbers() == [0, 1, 2, 3])
        await killed.close()
        disk.fail(nil)
        try await letters.remove([1..<3])
        #expect(try await letters.numbers() == [0, 3])
        await letters.close()
    }
}

extension DeadLetters {
    fileprivate func remove(
        all: Set<UInt64>, whereNumberIs matches: (UInt64) -> Bool, from model: inout Set<UInt64>
    ) async {
        let gone = all.filter(matches)
        // A test that can't remove sees it in what is listed.
        try? await self.remove(gone.sorted().map { $0..<$0 + 1 })
        model.subtract(gone)
    }
}
