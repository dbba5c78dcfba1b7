import ForebayCore
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Testing

@testable import ForebaySpool

/// The files that say which dead letters were removed: damaged, gone, another log's, or of another history.
@Suite("Dead letters: the list of what was removed", .timeLimit(.minutes(1)))
struct RemovedLettersFileTests {
    private let directory = NSTemporaryDirectory() + "forebay-removed-" + UUID().uuidString
    private let log: SpoolID

    init() throws {
        var generator = SystemRandomNumberGenerator()
        self.log = SpoolID.random(using: &generator)
        try Folder(SystemDisk()).make(self.directory)
    }

    private func file(_ ranges: [Range<UInt64>], _ generation: UInt64 = 1) -> RemovedLettersFile {
        var file = RemovedLettersFile()
        (file.ranges, file.generation) = (ranges, generation)
        return file
    }

    private func write(_ file: RemovedLettersFile) throws {
        for copy in RemovedLettersFile.files.indices { try file.write(copy: copy, SystemDisk(), to: self.directory, log: self.log) }
    }

    private func path(_ copy: Int) -> URL { URL(filePath: "\(self.directory)/\(RemovedLettersFile.files[copy])") }

    @Test("it is read as it was written, by the same log alone; the newer copy counts")
    func roundTrip() throws {
        defer { try? FileManager.default.removeItem(atPath: self.directory) }  // A courtesy.
        let disk = SystemDisk()
        var found = try RemovedLettersFile.read(disk, of: self.directory, log: self.log)
        #expect(found.isWhole && !found.isLost && found.file.ranges.isEmpty)
        let file = self.file([0..<1, 5..<9, 1 << 40..<1 << 41], 7)
        try self.write(file)
        found = try RemovedLettersFile.read(disk, of: self.directory, log: self.log)
        #expect(found.isWhole && found.file == file && file.byteCount == 2 * (40 + 48))
        var generator = SystemRandomNumberGenerator()
        found = try RemovedLettersFile.read(disk, of: self.directory, log: SpoolID.random(using: &generator))
        #expect(found.isLost && found.file.ranges.isEmpty, "another log's")
        for newer in 0...1 {
            try self.write(file)
            let older = try Data(contentsOf: self.path(0))
            try self.write(self.file([0..<9], 8))
            try older.write(to: self.path(1 - newer))
            found = try RemovedLettersFile.read(disk, of: self.directory, log: self.log)
            #expect(!found.isWhole && found.file.ranges == [0..<9], "copy \(newer) is newer")
        }
    }

    @Test("damaged anywhere, cut or longer, a copy says nothing, and the other one does")
    func damaged() throws {
        defer { try? FileManager.default.removeItem(atPath: self.directory) }  // A courtesy.
        let file = self.file([3..<4, 9..<30])
        try self.write(file)
        let whole = try Data(contentsOf: self.path(0))
        var broken = whole.indices.map { place in
            var bytes = whole
            bytes[place] ^= 0x10
            return bytes
        }
        broken += whole.indices.map { whole.prefix($0) } + [whole + [0], whole + whole]
        for bytes in broken {
            for copy in 0...1 {
                try bytes.write(to: self.path(copy))
                var found = try RemovedLettersFile.read(SystemDisk(), of: self.directory, log: self.log)
                #expect(!found.isWhole && !found.isLost && found.file == file)
                try bytes.write(to: self.path(1 - copy))
                found = try RemovedLettersFile.read(SystemDisk(), of: self.directory, log: self.log)
                #expect(found.isLost && found.file.ranges.isEmpty)
                try whole.write(to: self.path(0))
                try whole.write(to: self.path(1))
            }
        }
    }

    @Test("ranges that overlap, touch, or lie below the log's start")
    func ranges() {
        var file = self.file([])
        file.add([5..<7, 9..<9, 1..<2], start: 0)
        #expect(file.ranges == [1..<2, 5..<7])
        file.add([7..<8, 2..<3, 6..<7], start: 0)
        #expect(file.ranges == [1..<3, 5..<8])
        #expect([0, 1, 3, 5, 7, 8, 99].map { file.next(from: $0) } == [0, 3, 3, 8, 8, 8, 99])
        #expect(file.count(in: 0..<99) == 5 && file.count(in: 2..<6) == 2 && file.count(in: 3..<5) == 0 && file.count(in: 8..<9) == 0)
        #expect(file.holds(5..<8) && !file.holds(4..<8) && !file.holds(5..<9) && file.holds(4..<4) && !file.holds(100..<101))
        file.add([20..<21], start: 3)
        #expect(file.ranges == [5..<8, 20..<21], "below the start nothing is: it is forgotten")
        file.add([2..<30], start: 25)
        #expect(file.ranges == [2..<30])
        #expect(file.next(from: .max) == .max)
    }

    @Test("too many pieces are refused, whole")
    func pieces() async throws {
        let world = try LettersWorld()
        let letters = try world.open()
        _ = try await letters.append((0..<8).map { LettersWorld.letter($0) })
        let parts = try #require(letters.parts)
        let many = (0...UInt64(RemovedLettersFile.rangeLimit)).map { $0 * 2..<$0 * 2 + 1 }
        #expect { try parts.removed.add(many, start: 0, end: .max - 1) } throws: { ($0 as? ForebayError)?.code == "too_many_pieces" }
        #expect(letters.count == 8)
        try parts.removed.add(Array(many.dropLast()), start: 0, end: .max - 1)
        #expect(try await letters.numbers() == [1, 3, 5, 7])
        await letters.close()
    }

    // MARK: At a start

    @Test("lost or damaged, what is on disk is seen again; nothing else is hidden, and only damage is an alarm")
    func lost() async throws {
        for (isGarbage, copies) in [(true, 2), (false, 2), (true, 1), (false, 1)] {
            let world = try LettersWorld()
            var letters = try world.open()
            _ = try await letters.append((0..<9).map { LettersWorld.letter($0) })
            try await letters.remove([2..<5])
            try await letters.remove([6..<7])
            await letters.close()
            for name in RemovedLettersFile.files.prefix(copies) {
                if isGarbage {
                    try Data("garbage".utf8).write(to: URL(filePath: world.path(name)))
                } else {
                    try FileManager.default.removeItem(atPath: world.path(name))
                }
            }
            let isTold = try !SpoolInspection(directory: world.directory).verify().problems.isEmpty
            letters = try world.open()
            let left: [UInt64] = copies == 2 ? Array(0..<9) : [0, 1, 5, 7, 8]
            #expect(try await letters.numbers() == left && letters.count == UInt64(left.count), "\(isGarbage) \(copies)")
            #expect(letters.damage.missing.isEmpty && letters.damage.alarms.count == (isGarbage && copies == 2 ? 1 : 0))
            #expect(isTold == (isGarbage && copies == 2), "verify tells what the start tells")
            try await letters.remove([8..<9])
            await letters.close()
            let whole = try RemovedLettersFile.read(SystemDisk(), of: world.directory, log: SpoolInspection(directory: world.directory).id!)
            #expect(whole.isWhole)
            letters = try world.open()
            #expect(try await letters.numbers() == Array(left.dropLast()))
            await letters.close()
        }
    }

    @Test("numbers that are given again, where nothing tells that they were given, are those of new letters: none of these is hidden")
    func givenAgain() async throws {
        let world = try LettersWorld()
        var letters = try world.open()
        for number in 0..<30 { _ = try await letters.append([LettersWorld.letter(number, size: 9_000)]) }
        try await letters.remove([3..<5, 26..<30])
        await letters.close()
        // The newest segments and the mark, both.
        let segments = try world.segments().keys.sorted()
        for number in segments.suffix(2) {
            try FileManager.default.removeItem(atPath: SegmentFile.path(of: number, in: world.path("segments")))
        }
        try FileManager.default.removeItem(atPath: world.path("mark"))
        letters = try world.open()
        let end = letters.end
        #expect(end < 26, "it does not know of them")
        let numbers = try await letters.append((0..<20).map { LettersWorld.letter($0) })
        #expect(numbers.contains(27))
        #expect(try await letters.numbers().suffix(20) == numbers[...])
        #expect(try await letters.numbers().contains(4) == false)
        await letters.close()
        letters = try world.open()
        #expect(try await letters.numbers().suffix(20) == numbers[...], "nor by the next start")
        await letters.close()
    }

    @Test("an older forebay, which knows nothing of it, sees what is on disk again, misses nothing, and does no harm")
    func older() async throws {
        let world = try LettersWorld()
        var letters = try world.open()
        for number in 0..<30 { _ = try await letters.append([LettersWorld.letter(number, size: 9_000)]) }
        let gone = try SpoolInspection(directory: world.directory).segments.prefix(2).map { $0.base..<$0.end }
        try await letters.remove(gone + [20..<21])
        await letters.close()
        // As it opens a log of dead letters: no list of what was removed, and nothing ever goes.
        let older = try world.opening()(world.directory)
        let reader = older.reader(route: nil, from: older.start)
        var seen: [UInt64] = []
        while !reader.isCaughtUp {
            for batch in try reader.read(upTo: 64 << 10) { batch.forEachEvent { _, sequence in seen.append(sequence) } }
        }
        #expect(seen == Array(gone[1].upperBound..<30))
        #expect(older.damage == SpoolDamage())
        _ = try await older.commit([submission([(routeA, ["new"])])])
        await older.close()
        letters = try world.open()
        #expect(try await letters.numbers() == (gone[1].upperBound..<31).filter { $0 != 20 } && letters.damage == SpoolDamage())
        await letters.close()
    }

    @Test("a route that takes over a former name's letters has what was removed with them; of one that has none left nothing stays")
    func formerly() async throws {
        for keepsSome in [true, false] {
            let world = try LettersWorld()
            let letters = try world.open()
            _ = try await letters.append((0..<9).map { LettersWorld.letter($0) })
            try await letters.remove([0..<(keepsSome ? 8 : 9)])
            await letters.close()
            let data = DataFolderLogs(routes: [.init(name: "bills", formerly: ["orders"])], directory: world.fixture.directory)
            let new = data.folder(.deadLetters, "bills")
            // It has some of its own: nothing of the other is to be in the way if that is empty.
            let own = try DeadLetters(route: "bills", directory: new.path, threads: world.fixture.threads, open: world.opening())
            _ = try await own.append([LettersWorld.letter(1)])
            await own.close()
            try data.prepare()
            #expect(try data.folder(.deadLetters, "orders").holdsLog == keepsSome)
            #expect(try new.eventCount() == 1)
        }
        let world = try LettersWorld()
        let letters = try world.open()
        _ = try await letters.append((0..<9).map { LettersWorld.letter($0) })
        try await letters.remove([1..<8])
        await letters.close()
        let data = DataFolderLogs(routes: [.init(name: "bills", formerly: ["orders"])], directory: world.fixture.directory)
        try data.prepare()
        let taken = try DeadLetters(
            route: "bills", directory: data.folder(.deadLetters, "bills").path, threads: world.fixture.threads, open: world.opening())
        #expect(try await taken.numbers() == [0, 8])
        await taken.close()
    }
}
