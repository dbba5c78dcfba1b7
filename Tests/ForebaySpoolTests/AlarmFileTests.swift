import ForebayCore
import Foundation
import Testing

@testable import ForebaySpool

@Suite("Spool: the file of alarms")
struct AlarmFileTests {
    @Test("a file of alarms is read as its description has it, and not at all if it says anything else")
    func fileText() throws {
        let folder = NSTemporaryDirectory() + "forebay-alarms-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }  // A temporary folder.
        let file = AlarmFile(disk: SystemDisk(), directory: folder, log: spoolID("0123456789ABCDEF"), budget: nil)
        func read(_ lines: [String]) throws -> AlarmRecord? {
            for name in AlarmFile.names { try Data(CheckedText.encode(lines)).write(to: URL(filePath: "\(folder)/\(name)")) }
            let found = try file.read()
            #expect(found.isDamaged == (found.record == nil))
            return found.record
        }
        let head = ["forebay-alarms 1", "log 0123456789ABCDEF", "generation 3"]
        #expect(try read(head) == AlarmRecord())
        let record = try #require(
            try read(
                head + [
                    "lost 7 9 2 3 8192 - 1764335462000 the%20reason", "gone 4 6 1 2 0 5 1764335461000 x a%20topic",
                    "damaged 1764335460000 segments/a b", "seen-lost 0 1 1 1 0 - 0 r", "seen-gone 1 2 0 1 0 - 0 r", "seen-damaged 5 /b c",
                    "passed 4 6 9d5c 17f2", "losses 8",
                ]))
        #expect(record.missing.map(\.sequences) == [7..<9, 4..<6] && record.missing.map(\.events) == [2, 1])
        #expect(
            record.missing.map(\.segment) == [3, 2] && record.missing.map(\.position) == [8192, 0]
                && record.missing.map(\.unit) == [nil, 5])
        #expect(record.missing.map(\.topic) == [nil, "a topic"])
        #expect(record.missing.map(\.isGone) == [false, true] && record.missing.map(\.reason) == ["the reason", "x"])
        #expect(record.missing.map(\.noticedAt) == [1_764_335_462_000, 1_764_335_461_000])
        #expect(record.acknowledged.map(\.sequences) == [0..<1, 1..<2] && record.acknowledged.map(\.isGone) == [false, true])
        #expect(record.alarms.map(\.file) == [folder + "/segments/a"] && record.alarms.map(\.text) == ["b"])
        #expect(record.acknowledgedAlarms.map(\.file) == ["/b"] && record.acknowledgedAlarms.map(\.noticedAt) == [5])
        #expect(
            record.passed == [PassedRange(sequences: 4..<6, routes: [0x9D5C, 0x17F2].map(RouteID.init(rawValue:)))] && record.losses == 8)
        try file.write(record)
        #expect(try file.read().record == record, "as it was")
        for name in AlarmFile.names {
            let lines = try String(contentsOfFile: "\(folder)/\(name)", encoding: .utf8).split(separator: "\n")
            #expect(
                lines.dropFirst(3).dropLast() == [
                    "losses 8", "lost 7 9 2 3 8192 - 1764335462000 the%20reason", "gone 4 6 1 2 0 5 1764335461000 x a%20topic",
                    "seen-lost 0 1 1 1 0 - 0 r", "seen-gone 1 2 0 1 0 - 0 r", "damaged 1764335460000 segments/a b", "seen-damaged 5 /b c",
                    "passed 4 6 9d5c 17f2",
                ], "in this order, each kind by itself")
        }
        for place in head.indices {
            for bad in [head[place] + " more", "x" + head[place], String(head[place].split(separator: " ")[0]), head[place] + "x", ""] {
                var lines = head
                lines[place] = bad
                #expect(try read(lines) == nil, "\(lines)")
            }
            #expect(try read(Array(head[..<place])) == nil)
        }
        for bad in [
            "", "lost", "lost 7 9 2 3 8192 - 0", "lost 7 9 2 3 8192 - 0 r more", "lost 7 9 2 3 8192 5 0 r a b", "lost 7 9 2 3 8192 5 0 r %",
            "lost 9 7 2 3 8192 - 0 r", "lost 7 9 3 3 8192 - 0 r",
            "lost 7 9 2 3 -1 - 0 r", "lost 7 9 2 3 8192 x 0 r", "lost 7 9 x 3 8192 - 0 r", "lost 7 9 2 3 8192 - x r",
            "lost 7 9 2 3 8192 - 0 %f",
            "damaged 5 a", "damaged 5 a b c", "damaged x a b", "damaged 5 % b", "damaged 5 a %",
            "passed 4 6", "passed 6 4 9d5c", "passed 4 6 x", "passed 4 6 9d5c -", "passed x 6 9d5c",
        ] {
            #expect(try read(head + [bad]) == nil, "\(bad)")
        }
        let later = try read(head + ["kept 7 9 2 3 8192 - 0 r", "un-damaged 5 a b", "seen-passed 4 6 1", "damaged 5 a b", "word"])
        #expect(later?.alarms.map(\.text) == ["b"], "what a later version says beside is passed over")
    }

    /// A file of alarms in a folder of its own, by its lines.
    private final class World {
        static let head = ["forebay-alarms 1", "log 0123456789ABCDEF"]
        let folder = NSTemporaryDirectory() + "forebay-alarms-" + UUID().uuidString
        var file: AlarmFile { AlarmFile(disk: SystemDisk(), directory: self.folder, log: spoolID("0123456789ABCDEF"), budget: nil) }

        init() throws { try FileManager.default.createDirectory(atPath: self.folder, withIntermediateDirectories: true) }
        deinit { try? FileManager.default.removeItem(atPath: self.folder) }  // A temporary folder.

        func put(_ name: String, generation: UInt64 = 3, _ lines: [String]) throws {
            let bytes = CheckedText.encode(Self.head + ["generation \(generation)"] + lines)
            try Data(bytes).write(to: URL(filePath: "\(self.folder)/\(name)"))
        }

        func lines() throws -> [String] {
            try String(contentsOfFile: "\(self.folder)/alarms.copy", encoding: .utf8).split(separator: "\n").map(String.init)
        }

        /// What a line makes of the record; none: the file counts for nothing.
        func reading(_ line: String, generation: UInt64 = 3) throws -> AlarmRecord? {
            for name in AlarmFile.names { try self.put(name, generation: generation, [line]) }
            return try self.file.read().record
        }
    }

    @Test("of two copies the newer one counts, whichever that is; that they differ, or one is missing, is damage", arguments: [2, 3, 4])
    func copies(other: UInt64) throws {
        let world = try World()
        #expect(try world.file.read().record == nil && !world.file.read().isDamaged, "there is none")
        try world.put("alarms", generation: 3, ["losses 3"])
        #expect(try world.file.read().record?.losses == 3 && world.file.read().isDamaged, "one is missing")
        try world.put("alarms.copy", generation: other, ["losses \(other)"])
        #expect(try world.file.read().record?.losses == max(3, other) && world.file.read().isDamaged == (other != 3))
        try world.file.write(AlarmRecord())
        #expect(try world.lines()[2] == "generation \(max(3, other) + 1)", "above both")
        #expect(try world.file.read().record == AlarmRecord() && !world.file.read().isDamaged)
        try Data("x".utf8).write(to: URL(filePath: world.folder + "/alarms"))
        #expect(try world.file.read().record == AlarmRecord() && world.file.read().isDamaged)
    }

    @Test("numbers are what a log can have, to the last one")
    func bounds() throws {
        let world = try World()
        let (highest, mark) = (SpoolFormat.highestSequence, SpoolFormat.highestMark)
        for (line, isRead) in [
            ("lost 7 7 0 0 0 - 0 r", true), ("lost 0 \(highest) \(highest) 3 0 - 0 r", true), ("lost 0 \(highest + 1) 1 3 0 - 0 r", false),
            ("lost \(highest + 1) \(highest + 1) 0 3 0 - 0 r", false), ("lost 0 1 0 \(highest + 1) 0 - 0 r", false),
            ("passed 4 4 1", true), ("passed 0 \(highest) 1", true), ("passed 0 \(highest + 1) 1", false), ("passed 4 6 1 2 3", true),
            ("losses \(mark - 1)", true), ("losses \(mark)", false), ("losses 1 2", false), ("losses", false), ("losses x", false),
            ("damaged \((1 << 53) - 1) a b", true), ("damaged \(1 << 53) a b", false), ("damaged 5 a b 0123456789ABCDEF", true),
            ("damaged 5 a b 0123456789ABCDEF c", false),
        ] as [(String, Bool)] {
            #expect(try (world.reading(line) != nil) == isRead, "\(line)")
        }
        #expect(try world.reading("losses 1", generation: mark - 1) != nil && world.reading("losses 1", generation: mark) == nil)
        #expect(try world.reading("damaged 5 a b 0123456789ABCDEF")?.alarms.first?.log == spoolID("0123456789ABCDEF"))
        #expect(try world.reading("damaged 5 a b")?.alarms.first.map { $0.log == nil && $0.holdsEvents && $0.noticedAt == 5 } == true)
    }

    @Test("files are named from the log's folder on, which may be another one at the next start")
    func places() throws {
        let world = try World()
        let parent = Folder.parent(of: world.folder)
        var record = AlarmRecord()
        record.alarms = [world.folder + "/mark", parent + "/setaside/x", "/elsewhere/y"].map {
            SpoolAlarm(file: $0, text: "t", holdsEvents: true, noticedAt: 1)
        }
        try world.file.write(record)
        #expect(try world.lines().dropFirst(3).dropLast() == ["damaged 1 mark t", "damaged 1 ../setaside/x t", "damaged 1 /elsewhere/y t"])
        #expect(try world.file.read().record == record)
    }

    @Test("so many of each kind are kept, the first of what is told and the last of what was seen; that more was lost is said")
    func limit() throws {
        let world = try World()
        var record = AlarmRecord()
        func range(_ number: UInt64) -> MissingRange {
            var range = MissingRange(sequences: number * 2..<number * 2 + 1, segment: 1, position: 0, reason: "r", events: 1)
            range.noticedAt = Int64(number)
            return range
        }
        func alarm(_ number: UInt64, _ holdsEvents: Bool = true) -> SpoolAlarm {
            SpoolAlarm(file: "/\(number)", text: "t", holdsEvents: holdsEvents, noticedAt: 1)
        }
        let limit = AlarmFile.limit
        for count in [UInt64(limit), UInt64(limit) + 1] {
            record.missing = (0..<count).map(range)
            record.acknowledged = record.missing
            record.alarms = [alarm(7777, false)] + (0..<count).map { alarm($0) }
            record.acknowledgedAlarms = (0..<count).map { alarm($0) }
            record.passed = (0..<count).map { PassedRange(sequences: $0..<$0 + 1, routes: [RouteID(rawValue: 1)]) }
            try world.file.write(record)
            let found = try #require(try world.file.read().record)
            let more = count > limit ? 1 : 0, numbers = (0..<limit).map { UInt64($0) }
            #expect(found.missing == numbers.map(range) && found.acknowledged == numbers.map { range($0 + UInt64(more)) })
            #expect(found.alarms.prefix(limit).map(\.file) == numbers.map { "/\($0)" } && found.alarms.count == limit + more)
            #expect(found.acknowledgedAlarms.map(\.file) == numbers.map { "/\($0 + UInt64(more))" })
            #expect(found.passed.map(\.sequences.lowerBound) == numbers.map { $0 + UInt64(more) })
            guard more > 0 else { continue }
            let last = try #require(found.alarms.last)
            #expect(
                last.file == world.folder + "/segments" && last.text.hasPrefix("more was lost than is kept")
                    && last.noticedAt == Int64(limit))
        }
    }
}
