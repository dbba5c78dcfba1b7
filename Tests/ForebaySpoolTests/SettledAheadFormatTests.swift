import ForebayCore
import Foundation
import Testing

@testable import ForebaySpool

/// The bytes of `ahead/CURSOR`, one by one, and what is not taken for such a file.
@Suite("Settled ahead, byte by byte")
struct SettledAheadFormatTests {
    private let directory = NSTemporaryDirectory() + "forebay-ahead-" + UUID().uuidString
    private let log = spoolID("0123456789ABCDEF"), side = spoolID("GHJKMNPQRSTVWXYZ")

    init() throws { try Folder(SystemDisk()).make(SettledAheadFile.folder(in: self.directory)) }

    private func file(_ routes: [String]) -> SettledAheadFile {
        SettledAheadFile(
            disk: SystemDisk(), directory: self.directory, log: self.log, name: "forward/orders", routes: routes.map { RouteID(name: $0) })
    }

    /// As its description has it.
    private func layout(
        routes: [String] = ["orders", "old"], witnesses: [LogWitness]? = nil, ranges: [Range<UInt64>] = [0..<2, 5..<9], flags: UInt64 = 1,
        counts: (routes: Int, witnesses: Int, ranges: Int)? = nil
    ) -> [UInt8] {
        let witnesses = witnesses ?? [LogWitness(log: self.side, end: 8, losses: 3)]
        let counts = counts ?? (routes.count, witnesses.count, ranges.count)
        var layout = Layout(56 + routes.count * 8 + witnesses.count * 32 + ranges.count * 16)
        layout.put("FBYA", at: 0)
        layout.put("\(self.log)", at: 8)
        layout.put(RouteID(name: "cursor forward/orders").rawValue, 8, at: 24)
        layout.put(17, 8, at: 32)
        layout.put(flags, 4, at: 40)
        for (place, count) in [counts.routes, counts.witnesses, counts.ranges].enumerated() {
            layout.put(UInt64(count), 4, at: 44 + 4 * place)
        }
        var place = 56
        for route in routes {
            layout.put(RouteID(name: route).rawValue, 8, at: place)
            place += 8
        }
        for witness in witnesses {
            layout.put("\(witness.log)", at: place)
            layout.put(witness.end, 8, at: place + 16)
            layout.put(witness.losses, 8, at: place + 24)
            place += 32
        }
        for range in ranges {
            layout.put(range.lowerBound, 8, at: place)
            layout.put(range.upperBound, 8, at: place + 8)
            place += 16
        }
        layout.check(8..<layout.bytes.count, at: 4)
        return layout.bytes
    }

    private func read(_ bytes: [UInt8], _ routes: [String] = ["orders", "old"]) throws -> SpoolCursor.Ahead? {
        try Data(bytes).write(to: URL(filePath: self.file([]).path))
        return try self.file(routes).read(end: 100)
    }

    @Test("its bytes, one by one")
    func bytes() throws {
        defer { try? FileManager.default.removeItem(atPath: self.directory) }  // A courtesy.
        for (ranges, isFinal) in [([0..<2, 5..<9], true), ([5..<9], false), ([], true)] as [([Range<UInt64>], Bool)] {
            let witness = LogWitness(log: self.side, end: 8, losses: 3)
            let ahead = SpoolCursor.Ahead(
                settled: SettledAhead(ranges: ranges, sentBelow: 17, witnesses: [witness, witness]), isFinal: isFinal)
            try self.file(["orders", "old"]).write(ahead)
            let bytes = self.layout(witnesses: [witness, witness], ranges: ranges, flags: isFinal ? 1 : 0)
            #expect(try Data(contentsOf: URL(filePath: self.file([]).path)) == Data(bytes))
            #expect(try self.read(bytes) == ahead)
        }
        #expect(SpoolCursor.aheadLimit == 65_536)
    }

    @Test("ranges ascend and none is empty; of the flags one is known; counts are those of what is there")
    func contents() throws {
        defer { try? FileManager.default.removeItem(atPath: self.directory) }  // A courtesy.
        for (ranges, isRead) in [
            ([], true), ([0..<1], true), ([0..<2, 2..<4], true), ([3..<5, 4..<6], false), ([5..<9, 0..<2], false), ([5..<5], false),
            ([0..<0], false), ([1..<2, 4..<4], false), ([4..<100], true), ([4..<101], false),
        ] as [([Range<UInt64>], Bool)] {
            #expect(try (self.read(self.layout(ranges: ranges)) != nil) == isRead, "\(ranges)")
        }
        for (flags, isFinal) in [(0, false), (1, true), (2, false), (3, true)] as [(UInt64, Bool)] {
            #expect(try self.read(self.layout(flags: flags))?.isFinal == isFinal, "\(flags)")
        }
        #expect(try self.read(self.layout(routes: [], witnesses: [], ranges: []), [])?.settled.sentBelow == 17, "the least there is")
        for counts in [(3, 1, 2), (2, 2, 2), (2, 1, 3), (1, 1, 2), (2, 0, 2), (2, 1, 1), (4, 1, 1)] {
            #expect(try self.read(self.layout(counts: counts)) == nil, "\(counts)")
        }
    }

    @Test("it is written beside its name, and synced before it has that; where there is none, nothing is removed")
    func calls() throws {
        let watched = WatchedDisk()
        try Folder(SystemDisk()).make(SettledAheadFile.folder(in: watched.directory))
        let file = SettledAheadFile(
            disk: watched.disk, directory: watched.directory, log: self.log, name: "forward/orders", routes: [routeA])
        try file.remove()
        #expect(watched.calls().isEmpty)
        try file.write(SpoolCursor.Ahead(settled: SettledAhead(ranges: [5..<9])))
        let name = "ahead/forward.orders"
        #expect(watched.calls() == ["open \(name)~", "write \(name)~", "sync \(name)~", "rename \(name)", "syncFolder ahead"])
        try file.remove()
        #expect(watched.calls() == ["remove \(name)", "syncFolder ahead"])
        #expect(SettledAheadFile.path(of: "forward/a/b.c", in: "/l") == "/l/ahead/forward.a/b.c")
    }
}
