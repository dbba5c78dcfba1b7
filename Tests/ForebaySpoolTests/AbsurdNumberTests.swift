import ForebayCore
import Foundation
import Testing

@testable import ForebaySpool

/// Numbers that no log comes to, with a sound checksum: whatever they mean, a start ends, the log goes on, and nothing that waits is passed.
@Suite("Spool: numbers from the disk that can't be")
struct AbsurdNumberTests {
    private static let numbers: [UInt64] = [0, 1, 1 << 54, 1 << 55, 1 << 56, 1 << 62, 1 << 63 - 1, 1 << 63, .max - 1, .max]
    /// Generation, value, ordinal, owner, flags.
    private static let fields = [(8, 8), (32, 8), (40, 8), (48, 8), (56, 4)]

    private func put(_ number: UInt64, _ field: (place: Int, width: Int), in path: String, slots: [Int]) throws {
        var bytes = try Data(contentsOf: URL(filePath: path))
        for slot in slots {
            for byte in 0..<field.width { bytes[slot + field.place + byte] = UInt8(truncatingIfNeeded: number >> UInt64(8 * byte)) }
            bytes.withUnsafeMutableBytes { buffer in
                buffer.baseAddress!.put(SpoolFormat.crc(UnsafeRawBufferPointer(buffer).part(slot + 8, 56)), at: slot + 4)
            }
        }
        try bytes.write(to: URL(filePath: path))
    }

    private func spool() async throws -> SpoolFixture {
        let fixture = SpoolFixture(segmentSize: 64 << 10)
        let spool = try fixture.open()
        for name in ["a", "b"] { _ = try await spool.cursor("forward/\(name)", route: RouteID(name: name)) }
        for number in 0..<6 {
            let value = "\(number)" + String(repeating: "n", count: 20_000)
            _ = try await spool.commit([submission([(number % 2 == 0 ? routeA : routeB, [value])])])
        }
        await spool.close()
        return fixture
    }

    @Test("in the mark and in cursors", arguments: ["mark", "cursors/forward.a"], numbers)
    func slots(file: String, number: UInt64) async throws {
        let pristine = try await self.spool()
        for field in Self.fields {
            for slots in [[0], [4096], [0, 4096]] {
                let fixture = try pristine.crashed()
                try self.put(number, field, in: fixture.directory + "/" + file, slots: slots)
                let what = "\(number) at \(field.0) of \(file), slots \(slots)"
                for start in 0..<3 {
                    let spool = try fixture.open { $0.recentBytes = 0 }
                    let b = try await spool.cursor("forward/b", route: routeB), a = try await spool.cursor("forward/a", route: routeA)
                    _ = spool.lag(of: a)
                    #expect(try spool.events(route: routeB, from: b.sequence).map(\.0).prefix(3) == [1, 3, 5], "\(what), start \(start)")
                    // It goes on, and what is accepted is there at the next start.
                    let first = try await spool.commit([submission([(routeA, ["new \(start)"])])])[0].firstSequences[0]
                    #expect(first < SpoolFormat.highestSequence)
                    a.move(to: first + 1, settled: 1)
                    await spool.close()
                }
                let spool = try fixture.open { $0.recentBytes = 0 }
                let values = try spool.events(route: routeA).map(\.1).filter { $0.hasPrefix("new") }
                #expect(values == ["new 0", "new 1", "new 2"], "\(what)")
                await spool.close()
                _ = try SpoolInspection(directory: fixture.directory).verify()
                _ = try SpoolInspection(directory: fixture.directory).waiting()
            }
        }
    }

    @Test("in the table of units, slots and what is known of the unit", arguments: numbers)
    func units(number: UInt64) async throws {
        let pristine = SetAsideFixture(segmentSize: 64 << 10)
        var log = try pristine.open()
        try await log.append(new: [unit(1, "one"), unit(2, "two")], [aside(1, ["0", "1"]), aside(2, ["0", "1"])])
        await log.close()
        for field in Self.fields {
            for slots in [[0], [0, 4096]] {
                let fixture = try pristine.crashed()
                try self.put(number, field, in: fixture.tablePath, slots: slots)
                try await self.check(fixture, "\(number) at \(field.0), slots \(slots)")
            }
        }
        // Number, since, partition, partitions, lengths.
        for (place, width) in [(520, 8), (528, 8), (536, 4), (540, 4), (544, 2), (546, 2), (548, 2)] {
            let fixture = try pristine.crashed()
            try fixture.change(fixture.tablePath) { bytes in
                for slot in [0, 4096] {
                    for byte in 0..<width { bytes[slot + place + byte] = UInt8(truncatingIfNeeded: number >> UInt64(8 * byte)) }
                    bytes.withUnsafeMutableBytes { buffer in
                        let whole = UnsafeRawBufferPointer(buffer)
                        let texts = [544, 546, 548].map { Int(whole.number(slot + $0, as: UInt16.self)) }.reduce(0, +)
                        guard 552 + texts <= 4096 else { return }
                        buffer.baseAddress!.put(SpoolFormat.crc(whole.part(slot + 520, 32 + texts)), at: slot + 516)
                    }
                }
            }
            try await self.check(fixture, "\(number) at \(place)")
        }
        log = try pristine.open()
        await log.close()
    }

    private func check(_ fixture: SetAsideFixture, _ what: String) async throws {
        for start in 0..<2 {
            let log = try fixture.open()
            let next = log.nextNumber
            #expect(next < SpoolFormat.highestMark, "\(what)")
            for unit in log.units {
                #expect(unit.settled <= unit.end && SpoolFormat.isTime(unit.oldestAcceptedAt) && SpoolFormat.isTime(unit.since))
                #expect(unit.partitionCount >= 0)
            }
            #expect(log.unit(2).map { $0.settled } == 0, "\(what)")
            #expect(try log.scan([2: 0]).values(of: 2).count == 2 + start, "\(what)")
            try await log.append(new: [unit(next, "three")], [aside(next, ["new"]), aside(2, ["more"])])
            #expect(try log.scan([next: 0]).values(of: next) == ["new"], "\(what)")
            log.settle(next, through: 1, oldestAcceptedAt: nil)
            await log.close()
            _ = try SetAsideLog.list(directory: fixture.directory)
        }
    }

    @Test("in a footer", arguments: numbers)
    func footer(number: UInt64) async throws {
        let pristine = try await self.spool()
        let segments = try SpoolInspection(directory: pristine.directory).segments
        for change in 0..<5 {
            let fixture = try pristine.crashed()
            let path = SegmentFile.path(of: segments[1].number, in: fixture.segmentsFolder)
            let file = try SystemDisk().open(path, .write)
            let header = try #require(try? SegmentHeader.read(from: file).outcome.get())
            var footer = try #require(try SegmentFooter.read(from: file, size: segments[1].bytes, salt: header.salt))
            let position = footer.dataEnd
            switch change {
            case 0: footer.end = number
            case 1: footer.dataEnd = Int(clamping: number)
            case 2: footer.ordinals[routeA] = number
            case 3: footer.index = [SegmentFooter.IndexEntry(sequence: number, position: Int(clamping: number))]
            default: footer.index = [SegmentFooter.IndexEntry(sequence: 0, position: Int(clamping: number))]
            }
            var bytes = footer.encode(salt: header.salt)
            bytes.withUnsafeMutableBytes { buffer in
                let trailer = buffer.count - 16
                buffer.baseAddress!.put(UInt64(position), at: trailer)
                buffer.baseAddress!.put(SpoolFormat.crc(UnsafeRawBufferPointer(buffer).part(trailer, 12)), at: trailer + 12)
            }
            try file.write(bytes, at: position)
            let spool = try fixture.open { $0.recentBytes = 0 }
            let cursor = try await spool.cursor("forward/a", route: routeA)
            _ = try spool.events(route: routeA)
            _ = (spool.lag(of: cursor), spool.sequenceCount, spool.held(by: cursor), spool.damage)
            _ = try await spool.commit([submission([(routeA, ["more"])])])
            await spool.close()
            _ = try SpoolInspection(directory: fixture.directory).verify()
        }
    }

    @Test(
        "in the registry and the alarms, where every number is a word",
        arguments: ["18446744073709551615", "18446744073709551616", "-1", ""])
    func words(word: String) async throws {
        let pristine = try await self.spool()
        let id = try #require(try SpoolInspection(directory: pristine.directory).id)
        let head = "log \(id)\ngeneration "
        for (files, text) in [
            (CursorRegistry.files, "forebay-registry 3\n\(head)\(word)\n"), (CursorRegistry.files, "forebay-registry \(word)\n\(head)1\n"),
            (CursorRegistry.files, "forebay-registry 3\n\(head)9\nforgotten forward/x \(word)\n"),
            (AlarmFile.names, "forebay-alarms 1\n\(head)\(word)\n"),
            (AlarmFile.names, "forebay-alarms 1\n\(head)4\nlost \(word) 4 1 1 0 - 5 r\n"),
            (AlarmFile.names, "forebay-alarms 1\n\(head)4\nlost 1 \(word) 1 1 0 - 5 r\n"),
            (AlarmFile.names, "forebay-alarms 1\n\(head)4\nlost 1 4 \(word) 1 0 - 5 r\n"),
            (AlarmFile.names, "forebay-alarms 1\n\(head)4\nlost 1 4 1 \(word) \(word) \(word) \(word) r\n"),
            (AlarmFile.names, "forebay-alarms 1\n\(head)4\n\n"),
        ] {
            let fixture = try pristine.crashed()
            let whole = Array(text.utf8)
            let sealed = whole + Array("crc32c \(String(crc32c(whole), radix: 16))\n".utf8)
            for file in files { try Data(sealed).write(to: URL(filePath: fixture.directory + "/" + file)) }
            for _ in 0..<2 {
                let spool = try fixture.open()
                _ = try await spool.cursor("forward/a", route: routeA)
                #expect(try spool.events().count >= 6)
                _ = try await spool.commit([submission([(routeA, ["more"])])])
                await spool.close()
            }
        }
    }
}
