import ForebayCore
import ForebayTestKit
import Foundation
import Glibc
import Synchronization
import Testing

@testable import ForebaySpool

@Suite("Spool: inspection and dead letters")
struct InspectionTests {
    @Test("a cursor's file that nobody registered, as one of a route that was given up, is no cursor")
    func unregistered() async throws {
        let fixture = SpoolFixture()
        var spool = try fixture.open()
        for name in ["a", "b"] { _ = try await spool.forward(name) }
        try await spool.append("a", ["x"])
        await spool.close()
        let path = URL(filePath: fixture.directory + "/cursors/forward.b"), bytes = try Data(contentsOf: path)
        spool = try fixture.open()
        for name in ["a", "b"] { _ = try await spool.forward(name) }
        try await spool.giveUp(spool.forward("b"))
        await spool.close()
        try bytes.write(to: path)
        let inspection = try SpoolInspection(directory: fixture.directory)
        #expect(inspection.cursors.map(\.name) == ["forward/a"])
    }

    @Test("a sound spool verifies, also beside a running owner")
    func sound() async throws {
        let fixture = SpoolFixture(segmentSize: 64 << 10)
        let spool = try fixture.open()
        _ = try await spool.cursor("forward/a", route: routeA)
        for _ in 0..<9 { _ = try await spool.commit([submission([(routeA, [String(repeating: "x", count: 20_000)])])]) }
        let running = try SpoolInspection(directory: fixture.directory)
        #expect(try running.verify().problems.isEmpty)
        #expect(running.cursors.map(\.name) == ["forward/a"])
        await spool.close()
        let closed = try SpoolInspection(directory: fixture.directory)
        #expect(!closed.segments.contains { !$0.isSealed })
        let verdict = try closed.verify()
        #expect(verdict.problems.isEmpty)
        #expect(verdict.events == 9)
        var seen: [UInt64] = []
        try closed.dump(from: 3) { _, sequence, _ in
            seen.append(sequence)
            return sequence < 6
        }
        #expect(seen == [3, 4, 5, 6])
    }

    @Test("what a running node lets go of while it is looked at is no damage: removed, or cut between two looks")
    func letGoMeanwhile() async throws {
        let fixture = SpoolFixture(segmentSize: 64 << 10)
        let spool = try fixture.open()
        let cursor = try await spool.forward("a")
        for number in 0..<12 { try await spool.append("a", ["\(number)" + String(repeating: "x", count: 20_000)]) }
        let segments = spool.view.read { $0.segments }
        // Between the look whether it was cut and the reading of it.
        let disk = FaultDisk()
        let opened = Atomic<Int>(0), cut = segments[1]
        disk.fail { call, path in
            guard call == .open, path == cut.path, opened.wrappingAdd(1, ordering: .relaxed).newValue == 3 else { return nil }
            let start = cut.header.dataStart
            let footer = SegmentFooter(end: cut.end, dataEnd: start, checksum: 0, index: [], ordinals: [:]).encode(salt: cut.salt)
            return truncate(path, start) == 0 && Self.append(footer, to: path) ? nil : EIO
        }
        #expect(
            try SpoolInspection(directory: fixture.directory, disk: disk).verify().problems.isEmpty && opened.load(ordering: .relaxed) > 3)
        let before = try SpoolInspection(directory: fixture.directory)
        cursor.move(to: 12, settled: 12)
        await spool.releasePassedSegments()
        await spool.syncCursors()
        #expect(spool.start >= segments[1].end)
        #expect(try before.verify().problems.isEmpty)
        await spool.close()
    }

    private static func append(_ bytes: [UInt8], to path: String) -> Bool {
        guard let file = fopen(path, "a") else { return false }
        defer { fclose(file) }
        return fwrite(bytes, 1, bytes.count, file) == bytes.count
    }

    @Test("what is left of a group that does not count is not counted, nor does the log end behind it: as the next start has it")
    func restOfGroup() async throws {
        let fixture = SpoolFixture()
        let spool = try fixture.open()
        for route in ["a", "b"] { _ = try await spool.forward(route) }
        _ = try await spool.commit([submission([(routeA, ["0"]), (routeB, ["1"])])])
        _ = try await spool.commit([submission([(routeA, ["2"]), (routeB, ["3", "4"])])])
        let header = spool.view.read { $0.segments[0].header }
        let copy = try fixture.crashed()
        await spool.close()
        // Of the second group only the second frame came to the disk.
        let path = try copy.segmentFiles()[0]
        var scanner = SegmentScanner(
            file: try SystemDisk().open(path, []), salt: header.salt, position: header.dataStart,
            limit: try SystemDisk().open(path, []).size())
        var frames: [Int] = []
        while case .frame(_, let position) = try scanner.step() { frames.append(position) }
        try #require(frames.count == 4)
        try SystemDisk().open(path, .write).write([UInt8](repeating: 0, count: 64), at: frames[2])
        let found = try SpoolInspection(directory: copy.directory)
        #expect(found.segments.map(\.end) == [2])
        #expect(try found.waiting().map(\.events) == [1, 1])
        #expect(try found.verify().problems.isEmpty)
        let started = try copy.open()
        #expect(started.durableEnd == 2 && started.damage == SpoolDamage())
        await started.close()
    }

    @Test("any flipped bit in a frame is named by segment, offset and reason", arguments: 0..<30)
    func flipped(seed: Int) async throws {
        let fixture = SpoolFixture()
        let spool = try fixture.open()
        for round in 0..<10 {
            _ = try await spool.commit([submission([(routeA, (0..<20).map { "\(round)-\($0)" + String(repeating: "v", count: 180) })])])
        }
        await spool.close()
        var generator = SplitMix(seed: UInt64(seed))
        let path = try fixture.segmentFiles()[0]
        var bytes = try Data(contentsOf: URL(filePath: path))
        let group = Int.random(in: 0..<10, using: &generator)
        let dataStart = SegmentHeader.dataStart(version: SpoolFormat.version)
        let groupSize = (bytes.count - dataStart - SpoolFormat.block) / 10
        let place = dataStart + group * groupSize + Int.random(in: 0..<4200, using: &generator)
        bytes[place] ^= UInt8(1 << Int.random(in: 0..<8, using: &generator))
        try bytes.write(to: URL(filePath: path))
        let verdict = try SpoolInspection(directory: fixture.directory).verify()
        #expect(verdict.problems.map(\.missing) == [UInt64(group * 20)..<UInt64(group * 20 + 20)])
    }

    @Test("a torn tail is no damage, as recovery says too")
    func torn() async throws {
        let fixture = SpoolFixture()
        let spool = try fixture.open()
        _ = try await spool.commit([submission([(routeA, ["kept"])])])
        _ = try await spool.commit([submission([(routeA, ["torn"])])])
        let copy = try fixture.crashed()
        await spool.close()
        let path = try copy.segmentFiles()[0]
        var bytes = try Data(contentsOf: URL(filePath: path))
        bytes[bytes.count - 4096 + 70] ^= 1
        try bytes.write(to: URL(filePath: path))
        #expect(try SpoolInspection(directory: copy.directory).verify().problems.isEmpty)
    }

    @Test("dead letters keep the original event, its id, and why")
    func deadLetters() async throws {
        let fixture = SpoolFixture()
        let directory = fixture.directory
        let budget = try SpoolBudget(capacity: 1 << 30, directory: directory)
        let (threads, metrics) = (fixture.threads, fixture.metrics)
        let open: @Sendable (String) throws(ForebayError) -> Spool = { folder throws(ForebayError) in
            try Spool.open(
                SpoolConfiguration(directory: folder, kind: .deadLetters, segmentSize: 1 << 20) { fatalError("\($0)") }, budget: budget,
                threads: threads,
                metrics: SpoolMetrics(metrics))
        }
        let log = try DeadLetters(route: "orders", directory: directory + "/orders", threads: threads, open: open)
        let none = try await log.list(after: nil, limit: 10)
        #expect(none.isEmpty)
        let original = batch(routeA, ["poison"])
        let record = original.withUnsafeBytes { Array($0) }
        let letter = DeadLetter(
            topic: "topic", code: "MSG_SIZE_TOO_LARGE", reason: "too large", eventID: "id-1",
            offset: Offset(lane: .spool(.none), number: 42), record: record)
        let numbers = try await log.append([letter, letter])
        #expect(numbers == [0, 1])
        let entries = try await log.list(after: nil, limit: 10)
        #expect(entries.count == 2 && log.count == 2)
        #expect(entries[0].value == Array("poison".utf8))
        #expect(entries[0].eventID == "id-1" && entries[0].offset == 42 && entries[0].code == "MSG_SIZE_TOO_LARGE")
        #expect(entries[0].headers.isEmpty)
        let rest = try await log.list(after: entries[0].sequence, limit: 10)
        #expect(rest.map(\.sequence) == [1])
        for after in [1, 2, 1 << 62, UInt64.max - 1, .max] as [UInt64] {
            let behind = try await log.list(after: after, limit: 10)
            #expect(behind.isEmpty, "nothing is behind \(after)")
            #expect(try DeadLetters.list(directory: directory + "/orders", after: after, limit: 10).isEmpty)
        }
        let more = try await log.append([letter])
        #expect(more == [2])
        await log.close()
        let again = try DeadLetters(route: "orders", directory: directory + "/orders", threads: threads, open: open)
        #expect(again.count == 3)
        let onward = try await again.append([letter])
        #expect(onward == [3])
        await again.close()
    }
}
