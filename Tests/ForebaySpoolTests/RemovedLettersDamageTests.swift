import ForebayCore
import Foundation
import Testing

@testable import ForebaySpool

/// Removing dead letters beside readers, and of those that can't be read.
@Suite("Dead letters: removed beside readers, and damaged", .timeLimit(.minutes(1)))
struct RemovedLettersDamageTests {
    /// Letters of some 9 KiB, so that a segment has seven.
    private func fill(_ world: LettersWorld, _ count: Int) async throws {
        let letters = try world.open()
        for number in 0..<count { _ = try await letters.append([LettersWorld.letter(number, size: 9_000)]) }
        await letters.close()
    }

    @Test("what is removed while it is read is no loss, wherever the reader stands")
    func besideReaders() async throws {
        for (read, removed) in [(1, 0..<7), (3, 0..<21), (7, 0..<14), (10, 0..<28), (0, 0..<29)] as [(Int, Range<UInt64>)] {
            let world = try LettersWorld()
            try await self.fill(world, 30)
            let letters = try world.open()
            let spool = try #require(letters.parts).spool
            let reader = spool.reader(route: nil, from: spool.start)
            var seen: [UInt64] = []
            func go(_ steps: Int) throws {
                for _ in 0..<steps where !reader.isCaughtUp {
                    for batch in try reader.read(upTo: 1) { batch.forEachEvent { _, number in seen.append(number) } }
                }
            }
            while seen.count < read { try go(1) }
            try await letters.remove([removed])
            try go(100)
            #expect(letters.damage == SpoolDamage() && spool.witness.losses == 0, "\(read) \(removed)")
            #expect(seen.last == 29 && Set(seen).count == seen.count, "\(read) \(removed): \(seen)")
            await letters.close()
        }
    }

    @Test("a segment that is gone without having been let go of is missed all the same")
    func gone() async throws {
        let world = try LettersWorld()
        try await self.fill(world, 30)
        let letters = try world.open()
        let spool = try #require(letters.parts).spool
        let second = spool.view.read { $0.segments[1] }
        let reader = spool.reader(route: nil, from: 0)
        _ = try reader.read(upTo: 1)
        try await letters.remove([0..<second.base])
        spool.view.change { $0.segments.removeAll { $0.number == second.number } }
        while !reader.isCaughtUp { _ = try reader.read(upTo: 1 << 20) }
        #expect(letters.damage.missing.map(\.sequences) == [second.base..<second.end])
        await letters.close()
    }

    @Test("those that can't be read go with all, or by their numbers, and take no place in any count then")
    func unreadable() async throws {
        for damaged in [9..<10, 7..<14] as [Range<UInt64>] {
            let world = try LettersWorld()
            try await self.fill(world, 30)
            let number = try #require(SpoolInspection(directory: world.directory).segments.first { $0.base <= 9 && 9 < $0.end }?.number)
            let file = URL(filePath: SegmentFile.path(of: number, in: world.path("segments")))
            var bytes = try Data(contentsOf: file)
            for number in damaged {
                let place = try #require(bytes.range(of: Data("id-\(number)".utf8))?.lowerBound)
                bytes[place] ^= 0x55
            }
            try bytes.write(to: file)
            #expect(try DeadLetters.count(directory: world.directory) == 30)
            let cases: [([Range<UInt64>], UInt64)] = [
                ([0..<30], UInt64(damaged.count)), ([0..<5, 20..<30], 0), ([0..<10, 20..<30], 10 - damaged.lowerBound),
            ]
            for (places, count) in cases {
                var read = 0
                let unreadable = try DeadLetters.select(directory: world.directory, unreadableIn: places) { _ in
                    true
                } _: { _ in
                    read += 1
                }
                #expect(unreadable == count && read == 30 - damaged.count)
            }
            let letters = try world.open()
            #expect(try await letters.removeUnreadable([0..<30]) == 0, "nobody has met them")
            let readable = (0..<30 as Range<UInt64>).filter { !damaged.contains($0) }
            #expect(try await letters.numbers() == readable)
            #expect(letters.count == 30 && !letters.damage.missing.isEmpty)
            #expect(try await letters.removeUnreadable([0..<5, 20..<30]) == 0)
            try await letters.remove([0..<30].flatMap { range in range.filter { !damaged.contains($0) }.map { $0..<$0 + 1 } })
            #expect(letters.count == UInt64(damaged.count), "those are not removed by being passed")
            #expect(try await letters.removeUnreadable([0..<30], isDryRun: true) == UInt64(damaged.count))
            #expect(letters.count == UInt64(damaged.count), "only counted")
            #expect(try await letters.removeUnreadable([0..<8, 8..<30]) == UInt64(damaged.count))
            #expect(letters.count == 0 && !letters.damage.missing.isEmpty, "the alarm stays")
            #expect(try await letters.removeUnreadable([0..<30]) == 0)
            #expect(await letters.close(), "it holds nothing")
            let again = try world.open()
            #expect(again.count == 0)
            #expect(try await again.numbers() == [])
            await again.close()
        }
    }
}
