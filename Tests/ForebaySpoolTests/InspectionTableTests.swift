import ForebayCore
import ForebayTestKit
import Foundation
import Testing

@testable import ForebaySpool

/// What an operator is told of a log from outside: each number, and for each damage where it is, what is missing and why.
@Suite("Spool: inspection, row by row")
struct InspectionTableTests {
    let fixture = SpoolFixture(segmentSize: 64 << 10)

    /// Twelve events of two routes over several segments, closed; `a` has settled five.
    @discardableResult func made(isClosed: Bool = true) async throws -> [SegmentInfo] {
        let spool = try self.fixture.open()
        let a = try await spool.cursor("forward/a", route: routeA)
        _ = try await spool.cursor("mirror/b", route: routeB)
        for number in 0..<12 {
            _ = try await spool.commit([
                submission([(number % 2 == 0 ? routeA : routeB, ["\(number)" + String(repeating: "i", count: 20_000)])])
            ])
        }
        a.move(to: 5, settled: 3)
        let segments = spool.view.read { $0.segments }
        if isClosed { await spool.close() }
        return segments
    }

    func change(_ path: String, _ body: (inout Data) -> Void) throws {
        var bytes = try Data(contentsOf: URL(filePath: path))
        body(&bytes)
        try bytes.write(to: URL(filePath: path))
    }

    func inspect() throws -> SpoolInspection { try SpoolInspection(directory: self.fixture.directory) }

    /// Each problem as its file, position, missing sequences and reason.
    func problems() throws -> [String] {
        try self.inspect().verify().problems.map { "\($0.file.split(separator: "/").last!) \($0.position) \($0.missing) \($0.reason)" }
    }

    func name(_ number: UInt64) -> String { String(SegmentFile.path(of: number, in: "").dropFirst()) }

    @Test("the list: every segment with its number, sequences, size, and whether it is sealed; every cursor")
    func list() async throws {
        let segments = try await self.made()
        let inspection = try self.inspect()
        #expect(segments.count > 2 && inspection.segments.map(\.number) == (1...UInt64(segments.count)).map { $0 })
        #expect(inspection.segments.map(\.base) == segments.map(\.base) && inspection.segments.map(\.end) == segments.map(\.end))
        #expect(inspection.segments.map(\.file) == segments.map(\.path) && inspection.segments.allSatisfy(\.isSealed))
        for segment in inspection.segments {
            #expect(try Data(contentsOf: URL(filePath: segment.file)).count == segment.bytes)
            #expect(abs(segment.madeAt - WallClock.milliseconds) < 600_000)
        }
        #expect(inspection.id == segments[0].header.log && inspection.directory == self.fixture.directory)
        #expect(inspection.cursors.map(\.name) == ["forward/a", "mirror/b"] && inspection.cursors.map(\.sequence) == [5, 0])
        #expect(inspection.name(of: routeA) == "a" && inspection.name(of: routeB) == "b" && inspection.name(of: RouteID(name: "c")) == nil)
        let verdict = try inspection.verify()
        #expect(verdict.segments == segments.count && verdict.frames == 12 && verdict.events == 12 && verdict.problems.isEmpty)
        #expect(verdict.bytes == inspection.segments.reduce(0) { $0 + $1.bytes })
        let waiting = try inspection.waiting()
        #expect(
            waiting.map(\.name) == ["forward/a", "mirror/b"] && waiting.map(\.delivery.description) == ["a", "b/mirror"])
        #expect(waiting.map(\.sequence) == [5, 0] && waiting.map(\.events) == [3, 6])
        #expect(waiting[1].held.bytes == verdict.bytes && waiting[0].held.bytes < verdict.bytes)
        // What goes when one is given up: of the first, nothing; of the second, what the first has passed.
        let passed = inspection.segments.filter { $0.end <= 5 }.reduce(0) { $0 + $1.bytes }
        #expect(passed > 0 && waiting.map(\.held.bytesAlone) == [0, passed])
        #expect(try inspection.segmentsWithRoutes().map(\.routes) == segments.map(\.routes))
    }

    @Test("beside a running node the newest segment is not sealed, and ends with its last whole group")
    func running() async throws {
        let spool = try self.fixture.open()
        _ = try await spool.commit([submission([(routeA, ["0"]), (routeB, ["1"])])])
        _ = try await spool.commit([submission([(routeA, ["2"]), (routeB, ["3"])])])
        var inspection = try self.inspect()
        #expect(inspection.segments.map(\.end) == [4] && !inspection.segments[0].isSealed)
        #expect(try inspection.verify().problems.isEmpty && inspection.verify().events == 4)
        // The second group is torn: its last frame never came.
        let second = 8192 + 4096 + 64 + 32
        try self.change(inspection.segments[0].file) { $0[second + 20] ^= 2 }
        inspection = try self.inspect()
        #expect(inspection.segments.map(\.end) == [2])
        #expect(try self.problems() == [])
        #expect(try inspection.segmentsWithRoutes().map(\.routes) == [RouteTable([routeA: 1, routeB: 1])])
        await spool.close()
    }

    @Test("a log whose only group is torn ends where it begins")
    func nothingWhole() async throws {
        let spool = try self.fixture.open()
        try await spool.append("a", ["0"])
        try self.change(self.fixture.segmentFiles()[0]) { $0[8192 + 30] ^= 1 }
        let inspection = try self.inspect()
        #expect(inspection.segments.map(\.end) == [0] && inspection.segments.map(\.base) == [0])
        #expect(try self.problems() == [] && inspection.verify().events == 0)
        await spool.close()
    }

    @Test("damage to a segment is named")
    func segments() async throws {
        let segments = try await self.made()
        let (first, second) = (segments[0], segments[1])
        let pristine = try Data(contentsOf: URL(filePath: second.path))
        let position = second.header.dataStart
        let frames = (second.base..<second.end).map { $0 }
        #expect(frames.count >= 2)
        let next = position + SpoolFormat.aligned(64 + SpoolFormat.aligned(20_000 + 21 + "\(second.base)".count, to: 8))
        for (what, change, expected) in [
            ("a copy of the header", { $0[40] ^= 1 }, ["\(self.name(2)) 0 0..<0 one copy of the segment's header is damaged"]),
            ("the other copy", { $0[4096 + 40] ^= 1 }, ["\(self.name(2)) 0 0..<0 one copy of the segment's header is damaged"]),
            (
                "both",
                {
                    $0[40] ^= 1
                    $0[4096 + 40] ^= 1
                },
                [
                    "\(self.name(3)) 0 \(second.base)..<\(second.end) a segment is gone",
                    "\(self.name(2)) 0 0..<0 neither copy of the segment's header can be read; it is moved to quarantine",
                ]
            ),
            (
                "a payload", { $0[position + 100] ^= 1 },
                ["\(self.name(2)) \(position) \(second.base)..<\(second.base + 1) the checksum of a frame is wrong"]
            ),
            (
                "a frame's header", { $0[position + 30] ^= 1 },
                ["\(self.name(2)) \(next) \(second.base)..<\(second.base + 1) frames are missing"]
            ),
            (
                "the last frame's header", { $0[second.position(ofLast: $0) + 30] ^= 1 },
                ["\(self.name(2)) \(second.position(ofLast: pristine)) \(second.end - 1)..<\(second.end) frames are missing"]
            ),
            ("the footer", { $0[second.dataEnd + 30] ^= 1 }, []),
        ] as [(String, (inout Data) -> Void, [String])] {
            try self.change(second.path, change)
            #expect(try self.problems() == expected, "\(what)")
            try pristine.write(to: URL(filePath: second.path))
        }
        try FileManager.default.removeItem(atPath: second.path)
        #expect(try self.problems() == ["\(self.name(3)) 0 \(second.base)..<\(second.end) a segment is gone"])
        try pristine.write(to: URL(filePath: second.path))
        // A copy under another name, and what is no segment, say nothing.
        try pristine.write(to: URL(filePath: self.fixture.segmentsFolder + "/" + self.name(77)))
        try Data("x".utf8).write(to: URL(filePath: self.fixture.segmentsFolder + "/notes"))
        #expect(try self.problems() == [] && self.inspect().segments.count == segments.count)
        _ = first
    }

    @Test("a segment without its footer ends with what it has where the one behind it is gone: that one is named, and nothing of its own")
    func goneBehindOneWithoutFooter() async throws {
        let segments = try await self.made()
        let (first, second) = (segments[0], segments[1])
        try self.change(first.path) { $0[first.dataEnd + 30] ^= 1 }
        try FileManager.default.removeItem(atPath: second.path)
        #expect(try self.inspect().segments[0].end == first.end)
        #expect(try self.problems() == ["\(self.name(3)) 0 \(second.base)..<\(second.end) a segment is gone"])
    }

    @Test("what stands above no mark is a torn tail; what a mark covers and is not there is missing")
    func marks() async throws {
        let spool = try self.fixture.open()
        let cursor = try await spool.cursor("forward/a", route: routeA)
        for number in 0..<3 { _ = try await spool.commit([submission([(routeA, ["\(number)"])])]) }
        let path = try self.fixture.segmentFiles()[0]
        let last = 8192 + 2 * 4096
        try self.change(path) { $0[last + 30] ^= 1 }
        #expect(try self.problems() == [])
        cursor.move(to: 3, settled: 3)
        #expect(try self.problems() == ["\(self.name(1)) \(last) 2..<3 frames are missing"])
        try self.change(path) { $0[8192 + 30] ^= 1 }
        #expect(
            try self.problems() == ["\(self.name(1)) 12288 0..<1 frames are missing", "\(self.name(1)) \(last) 2..<3 frames are missing"])
        await spool.close()
    }

    @Test("the registry and the cursors' files are looked at, too")
    func files() async throws {
        try await self.made()
        let files = FileManager.default, directory = self.fixture.directory
        let cursor = directory + "/cursors/forward.a"
        let saved = try Data(contentsOf: URL(filePath: cursor))
        try files.removeItem(atPath: cursor)
        #expect(try self.problems() == ["forward.a 0 0..<0 the cursor's file is gone; it begins at the oldest event"])
        try Data(count: 8192).write(to: URL(filePath: cursor))
        #expect(
            try self.problems() == ["forward.a 0 0..<0 the cursor can't be read; it begins at the oldest event"]
                && self.inspect().cursors.map(\.name) == ["mirror/b"])
        try saved.write(to: URL(filePath: cursor))
        try saved.write(to: URL(filePath: directory + "/cursors/forward.nobody"))
        #expect(try self.problems() == [] && self.inspect().cursors.count == 2, "one that is not registered is nobody's")
        let registry =
            "registry 0 0..<0 the registry of cursors is gone or can't be read; it is made anew from the cursors' files, and a cursor that"
            + " has none begins at the oldest event"
        for name in CursorRegistry.files { try Data("x".utf8).write(to: URL(filePath: directory + "/" + name)) }
        let told = try self.problems()
        // Only the mirror counts the events of `b`. A copy of a cursor is none.
        #expect(told.count == 2 && told[0] == registry)
        #expect(told.last?.hasPrefix("registry 0 0..<0 the registry was lost, and no cursor counts the events of a route") == true)
        #expect(try self.inspect().id != nil && self.inspect().cursors.map(\.name) == ["forward/a", "mirror/b"])
        for name in CursorRegistry.files { try files.removeItem(atPath: directory + "/" + name) }
        #expect(try self.problems().first == registry, "only version 1 had none")
        #expect(try self.inspect().waiting().map(\.events) == [3, 6])
    }

    @Test("events are shown from any place, of any route, until who looks has enough")
    func dump() async throws {
        try await self.made()
        for from in [0, 1, 5, 11, 12, 99] as [UInt64] {
            for enough in [1, 3, 100] {
                var seen: [(UInt64, RouteID, String)] = []
                try self.inspect().dump(from: from) { event, sequence, batch in
                    seen.append((sequence, batch.route, String(decoding: event.value!.prefix(2), as: UTF8.self)))
                    return seen.count < enough
                }
                #expect(seen.map(\.0) == (0..<12).filter { $0 >= from }.prefix(enough).map { $0 }, "\(enough) from \(from)")
                #expect(seen.allSatisfy { $0.1 == ($0.0 % 2 == 0 ? routeA : routeB) && $0.2 == "\($0.0)i".prefix(2) })
            }
        }
    }

    @Test("a segment that was cut to its header has lost what it had")
    func cutToItsHeader() async throws {
        let segments = try await self.made()
        try self.change(segments[1].path) { $0 = $0.prefix(8192) }
        #expect(try self.problems() == ["\(self.name(2)) 8192 \(segments[1].base..<segments[1].end) frames are missing"])
    }
}

extension SegmentInfo {
    /// Where its last frame begins.
    fileprivate func position(ofLast bytes: Data) -> Int {
        var last = self.header.dataStart
        var scanner = SegmentScanner(file: MemoryFile(Array(bytes)), salt: self.salt, position: last, limit: self.dataEnd)
        while case .frame(_, let position)? = try? scanner.step() { last = position }
        return last
    }
}
