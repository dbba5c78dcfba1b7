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
                    "lost 7 9 2 3 8192 - 1764335462000 the%20reason", "gone 4 6 1 2 0 5 1764335461000 x",
                    "damaged 1764335460000 segments/a b", "seen-lost 0 1 1 1 0 - 0 r", "seen-gone 1 2 0 1 0 - 0 r", "seen-damaged 5 /b c",
                    "passed 4 6 9d5c 17f2", "losses 8",
                ]))
        #expect(record.missing.map(\.sequences) == [7..<9, 4..<6] && record.missing.map(\.events) == [2, 1])
        #expect(
            record.missing.map(\.segment) == [3, 2] && record.missing.map(\.position) == [8192, 0]
                && record.missing.map(\.unit) == [nil, 5])
        #expect(record.missing.map(\.isGone) == [false, true] && record.missing.map(\.reason) == ["the reason", "x"])
        #expect(record.missing.map(\.noticedAt) == [1_764_335_462_000, 1_764_335_461_000])
        #expect(record.acknowledged.map(\.sequences) == [0..<1, 1..<2] && record.acknowledged.map(\.isGone) == [false, true])
        #expect(record.alarms.map(\.file) == [folder + "/segments/a"] && record.alarms.map(\.text) == ["b"])
        #expect(record.acknowledgedAlarms.map(\.file) == ["/b"] && record.acknowledgedAlarms.map(\.noticedAt) == [5])
        #expect(
            record.passed == [PassedRange(sequences: 4..<6, routes: [0x9D5C, 0x17F2].map(RouteID.init(rawValue:)))] && record.losses == 8)
        try file.write(record)
        #expect(try file.read().record == record, "as it was")
        for place in head.indices {
            for bad in [head[place] + " more", String(head[place].split(separator: " ")[0]), head[place] + "x", ""] {
                var lines = head
                lines[place] = bad
                #expect(try read(lines) == nil, "\(lines)")
            }
            #expect(try read(Array(head[..<place])) == nil)
        }
        for bad in [
            "", "lost", "lost 7 9 2 3 8192 - 0", "lost 7 9 2 3 8192 - 0 r more", "lost 9 7 2 3 8192 - 0 r", "lost 7 9 3 3 8192 - 0 r",
            "lost 7 9 2 3 -1 - 0 r", "lost 7 9 2 3 8192 x 0 r", "lost 7 9 x 3 8192 - 0 r", "lost 7 9 2 3 8192 - x r",
            "lost 7 9 2 3 8192 - 0 %f",
            "kept 7 9 2 3 8192 - 0 r", "damaged 5 a", "damaged 5 a b c", "damaged x a b", "damaged 5 % b", "damaged 5 a %",
            "un-damaged 5 a b", "passed 4 6", "passed 6 4 9d5c", "passed 4 6 x", "passed 4 6 9d5c -", "passed x 6 9d5c",
        ] {
            #expect(try read(head + [bad]) == nil, "\(bad)")
        }
    }
}
