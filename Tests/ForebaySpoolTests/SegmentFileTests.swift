import ForebayCore
import ForebayTestKit
import Foundation
import Glibc
import Testing

@testable import ForebaySpool

/// One segment from its making to its footer: what is written where, in which order it becomes durable, and what a failed call leaves.
@Suite("Spool: a segment's file")
struct SegmentFileTests {
    private let watched = WatchedDisk()
    private let log = spoolID("0123456789ABCDEF")

    private func header(_ number: UInt64 = 3, base: UInt64 = 100) -> SegmentHeader {
        SegmentHeader(log: self.log, origin: self.log, number: number, base: base, salt: 77, madeAt: 1)
    }

    private func path(_ number: UInt64 = 3) -> String { SegmentFile.path(of: number, in: self.watched.directory) }

    private func make(_ prepared: PreparedSegment? = nil, capacity: Int = 1 << 20, number: UInt64 = 3) throws -> SegmentWriter {
        try SegmentWriter.make(
            self.header(number), in: self.watched.directory, on: self.watched.disk, prepared: prepared, capacity: capacity)
    }

    private func bytes(_ path: String) throws -> [UInt8] { Array(try Data(contentsOf: URL(filePath: path))) }

    private var names: [String] { get throws { try FileManager.default.contentsOfDirectory(atPath: self.watched.directory).sorted() } }

    /// Writes and syncs a group as the log's writer does.
    @discardableResult private func commit(
        _ writer: SegmentWriter, _ batches: [Batch], ordinals: [RouteID: UInt64] = [:], durable: UInt64 = 0
    ) throws -> [FrameHeader] {
        let plan = GroupPlan([Submission(batches: batches, ack: AckToken { _ in })])
        let headers = try writer.write(plan, durable: durable, ordinals: ordinals)
        try writer.sync()
        writer.advance(headers, size: plan.size)
        return headers
    }

    private static let segment = "00000000000000000003.segment"

    @Test("it is made durably, and has its name only when its header is on disk", arguments: [false, true])
    func made(isPrepared: Bool) throws {
        var prepared: PreparedSegment?
        if isPrepared {
            prepared = try PreparedSegment.fill(self.watched.disk, self.watched.directory + "/prepared-1", size: 100_000)
            #expect(prepared?.size == 102_400 && prepared?.path == self.watched.directory + "/prepared-1")
            #expect(try self.bytes(prepared!.path) == [UInt8](repeating: 0, count: 102_400))
            let calls = self.watched.calls()
            #expect(calls.filter { !$0.hasPrefix("open") } == ["write prepared-1", "sync prepared-1", "sync prepared-1"])
        }
        let writer = try self.make(prepared, capacity: 102_400)
        let name = isPrepared ? "prepared-1" : "new-3"
        #expect(
            self.watched.calls().filter { !$0.hasPrefix("open") } == [
                "write \(name)", "sync \(name)", "rename \(Self.segment)", "syncFolder .",
            ])
        #expect(writer.isPrepared == isPrepared && writer.capacity == 102_400 && writer.path == self.path())
        #expect(writer.tally.position == 8192 && writer.tally.end == 100 && writer.tally.index.isEmpty && writer.hasName)
        #expect(try self.names == [Self.segment])
        var encoded = [UInt8](repeating: 1, count: 8192)
        encoded.withUnsafeMutableBytes { self.header().encode(to: $0) }
        #expect(try Array(self.bytes(self.path())[..<8192]) == encoded)
        try FileManager.default.removeItem(atPath: self.path())
        #expect(!writer.hasName)
    }

    @Test("a large file is filled and synced piece by piece")
    func pieces() throws {
        // Memory that was used before is not clean.
        for _ in 0..<4 {
            let used = Slab(capacity: 1 << 20, alignment: SpoolFormat.block)
            withExtendedLifetime(used) { _ = memset(used.base, 0xAA, 1 << 20) }
        }
        for (size, pieces) in [(1 << 20, 1), ((1 << 20) + 1, 2), (3 << 20, 3), (4096, 1), (1, 1)] {
            let path = self.watched.directory + "/prepared-\(size)"
            let prepared = try PreparedSegment.fill(self.watched.disk, path, size: size)
            #expect(prepared.size == SpoolFormat.aligned(size))
            #expect(try self.bytes(path) == [UInt8](repeating: 0, count: prepared.size))
            let calls = self.watched.calls().filter { !$0.hasPrefix("open") }
            #expect(calls == (0..<pieces).flatMap { _ in ["write prepared-\(size)", "sync prepared-\(size)"] } + ["sync prepared-\(size)"])
        }
        try Data("mine".utf8).write(to: URL(filePath: self.watched.directory + "/prepared-9"))
        let over = try PreparedSegment.fill(self.watched.disk, self.watched.directory + "/prepared-9", size: 4096)
        #expect(try self.bytes(over.path) == [UInt8](repeating: 0, count: 4096), "what was left there is gone")
    }

    @Test("one that can't be made leaves nothing, or what can be used again", arguments: [false, true])
    func notMade(isPrepared: Bool) throws {
        for (call, number) in [("write", ENOSPC), ("sync", EIO), ("rename", EEXIST), ("rename", EIO)] as [(String, Int32)] {
            let prepared =
                isPrepared ? try PreparedSegment.fill(self.watched.disk, self.watched.directory + "/prepared-1", size: 40_960) : nil
            self.watched.fail { $0.hasPrefix(call) ? number : nil }
            let error = #expect(throws: ForebayError.self) { try self.make(prepared) }
            #expect(
                error?.systemCode == number && error?.code == (call == "sync" ? .syncFailed : number == ENOSPC ? .spoolFull : .systemCall))
            self.watched.fail(nil)
            #expect(try self.names == (isPrepared ? ["prepared-1"] : []))
            if let prepared {
                _ = try self.make(prepared, number: 4)
                #expect(try self.names == ["00000000000000000004.segment"])
                try FileManager.default.removeItem(atPath: self.path(4))
            }
        }
        // Its name may be durable or not: it must not be there while the one before it goes on.
        self.watched.fail { $0.hasPrefix("syncFolder") ? EIO : nil }
        var error = #expect(throws: ForebayError.self) { try self.make() }
        #expect(error?.code == .syncFailed && error?.message.hasPrefix("sync ") == true)
        #expect(try self.names.isEmpty)
        self.watched.fail { $0.hasPrefix("syncFolder") ? EIO : $0.hasPrefix("remove") ? EBUSY : nil }
        error = #expect(throws: ForebayError.self) { try self.make() }
        #expect(error?.code == .syncFailed && error?.systemCode == EBUSY && error?.message.hasPrefix("remove ") == true)
    }

    @Test("no segment is ever replaced")
    func neverReplaced() throws {
        try Data("mine".utf8).write(to: URL(filePath: self.path()))
        let error = #expect(throws: ForebayError.self) { try self.make() }
        #expect(error?.systemCode == EEXIST)
        #expect(try self.names == [Self.segment] && self.bytes(self.path()) == Array("mine".utf8))
    }

    @Test("a group: frames with their numbers, padded with zeros, whatever stood there")
    func group() throws {
        let prepared = try PreparedSegment.fill(self.watched.disk, self.watched.directory + "/prepared-1", size: 40_960)
        let junk = try self.watched.disk.open(prepared.path, .write)
        try junk.write([UInt8](repeating: 0xAA, count: 40_960), at: 0)
        let writer = try self.make(prepared, capacity: 40_960)
        _ = self.watched.calls()
        let first = [batch(routeA, ["a0", "a1"]), batch(routeB, ["b0"])]
        let headers = try self.commit(writer, first, ordinals: [routeA: 40, routeB: 50], durable: 99)
        #expect(self.watched.calls().filter { !$0.hasPrefix("sync") } == ["write prepared-1"], "by the name it was opened with")
        #expect(headers.map(\.base) == [100, 102] && headers.map(\.ordinal) == [40, 50] && headers.map(\.count) == [2, 1])
        #expect(headers.map(\.flags) == [.opensGroup, .closesGroup] && headers.map(\.durable) == [99, 99])
        #expect(headers.map(\.route) == [routeA, routeB] && headers.map(\.acceptedAt) == [1000, 1000])
        #expect(writer.tally.position == 8192 + 4096 && writer.tally.end == 103)
        #expect(writer.tally.ordinals == [routeA: 42, routeB: 51])
        #expect(writer.tally.index == [SegmentFooter.IndexEntry(sequence: 100, position: 8192)])
        let written = try self.bytes(self.path())
        let payloads = first.map { $0.withUnsafeBytes { Array($0) } }
        let second = 64 + SpoolFormat.aligned(payloads[0].count, to: 8)
        #expect(Array(written[8192 + 64..<8192 + 64 + payloads[0].count]) == payloads[0])
        #expect(written[(8192 + 64 + payloads[0].count)..<8192 + second].allSatisfy { $0 == 0 })
        let end = 8192 + second + 64 + payloads[1].count
        #expect(Array(written[(end - payloads[1].count)..<end]) == payloads[1] && written[end..<12_288].allSatisfy { $0 == 0 })
        #expect(written[12_288..<40_960].allSatisfy { $0 == 0xAA }, "no more than the group")
        for (header, place) in zip(headers, [8192, 8192 + second]) {
            #expect(Array(written[place..<place + 64]).withUnsafeBytes { FrameHeader(decoding: $0, salt: 77) } == header)
        }

        // One frame that opens and closes its group; a route that was not there begins at 0.
        let next = try self.commit(writer, [batch(RouteID(name: "c"), ["c0"])])
        #expect(next.map(\.flags) == [[.opensGroup, .closesGroup]] && next.map(\.ordinal) == [0] && next.map(\.base) == [103])
        #expect(writer.tally.index.count == 1, "about one a MiB")
        let last = batch(RouteID(name: "c"), ["c0"]).byteCount
        #expect(try self.bytes(self.path())[(12_288 + 64 + last)..<16_384].allSatisfy { $0 == 0 }, "nothing of the group before it")
        let size = try writer.seal()
        #expect(size == 8192 + 3 * 4096)
        let sealed = try self.bytes(self.path())
        #expect(sealed.count == size)
        let footer = try #require(try SegmentFooter.read(from: SystemDisk().open(self.path(), []), size: size, salt: 77))
        #expect(
            footer.end == 104 && footer.dataEnd == 16_384 && footer.index == writer.tally.index && footer.ordinals == writer.tally.ordinals)
        var checksum: UInt32 = 0
        for header in headers + next {
            checksum = crc32c(
                [checksum, header.crc].flatMap { number in
                    (0..<8).map { $0 < 4 ? UInt8(truncatingIfNeeded: number >> (8 * UInt32($0))) : 0 }
                })
        }
        #expect(footer.checksum == UInt64(checksum) && writer.tally.checksum == checksum)
        let calls = self.watched.calls().filter { !$0.hasPrefix("open") }
        #expect(calls.suffix(3) == ["write prepared-1", "truncate prepared-1", "sync prepared-1"])
    }

    @Test("places for the index are about a MiB apart")
    func index() throws {
        let writer = try self.make(capacity: 8 << 20)
        var expected: [Int] = []
        for number in 0..<30 {
            let size = [200_000, 40, 700_000][number % 3]
            if writer.tally.position - (expected.last ?? -(1 << 20)) >= 1 << 20 { expected.append(writer.tally.position) }
            try self.commit(writer, [batch(routeA, [String(repeating: "i", count: size)])])
        }
        #expect(writer.tally.index.map(\.position) == expected && expected.count > 4)
        #expect(writer.tally.index[1].sequence > 100)
        var contents = SegmentContents(self.header())
        var scanner = SegmentScanner(file: try SystemDisk().open(self.path(), []), salt: 77, position: 8192, limit: 16 << 20)
        while case .frame(let frame, let position) = try scanner.step() { contents.add(frame, at: position) }
        #expect(contents.index == writer.tally.index && contents.checksum == writer.tally.checksum && contents.end == writer.tally.end)
        #expect(contents.dataEnd == writer.tally.position && !contents.hasHoles)
        #expect(contents.routes == RouteTable(writer.tally.ordinals))
    }

    @Test("a group fits if its footer does, too, to the byte; a segment made for a group takes it")
    func room() throws {
        let writer = try self.make(capacity: 40_960)
        // Header, data, footer of one block.
        #expect(writer.room == 40_960 - 8192 - 4096 && writer.fits(writer.room) && !writer.fits(writer.room + 1))
        try self.commit(writer, (0..<200).map { batch(RouteID(name: "\($0)"), ["x"]) })
        // 200 routes, a place in the index and 64 entries to come, with what frames them: two blocks.
        #expect(writer.room == 40_960 - writer.tally.position - 8192 && writer.fits(writer.room) && !writer.fits(writer.room + 1))
        for (routes, blocks) in [(187, 1), (188, 2)] {
            let full = try self.make(capacity: 1 << 20, number: UInt64(routes))
            try self.commit(full, (0..<routes).map { batch(RouteID(name: "\($0)"), ["x"]) })
            #expect(
                full.room == (1 << 20) - full.tally.position - blocks * 4096,
                "with a place in the index \(routes + 1) entries, and 64 to come")
        }
        let small = try self.make(capacity: 8192, number: 4)
        #expect(small.room == 0 && !small.fits(1))
        for size in [4096, 1 << 20, 10 << 20] {
            let capacity = SegmentWriter.capacity(for: size, segmentSize: 1 << 20)
            #expect(capacity >= 1 << 20 && SegmentWriter.capacity(for: size, segmentSize: 0) > size)
            #expect(size > 1 << 19 ? capacity == SegmentWriter.capacity(for: size, segmentSize: 0) : capacity == 1 << 20)
            let made = try self.make(capacity: SegmentWriter.capacity(for: size, segmentSize: 0), number: UInt64(size))
            #expect(made.fits(size) && !made.fits(size + (128 << 10)))
        }
    }

    @Test("a group that found no room is taken back: the file ends where its sound data does")
    func withdrawn() throws {
        let writer = try self.make()
        try self.commit(writer, [batch(routeA, ["kept"])])
        let plan = GroupPlan([Submission(batches: [batch(routeA, ["too much"])], ack: AckToken { _ in })])
        _ = try writer.write(plan, durable: 0, ordinals: [:])
        #expect(writer.tally.position == 12_288 && writer.tally.end == 101, "nothing of it counts")
        _ = self.watched.calls()
        try writer.withdraw()
        #expect(self.watched.calls() == ["truncate new-3", "sync new-3"], "durably")
        #expect(try self.bytes(self.path()).count == 12_288)
        self.watched.fail { $0.hasPrefix("truncate") ? EIO : nil }
        #expect(throws: ForebayError.self) { try writer.withdraw() }
        self.watched.fail(nil)
        _ = try self.commit(writer, [batch(routeA, ["next"])])
        #expect(writer.tally.end == 102)
    }

    @Test("the memory for groups grows with them, and none stays that a large event alone needed")
    func memory() throws {
        let usual = 4 << 20
        let writer = try self.make(capacity: 64 << 20)
        func memory() throws -> Slab { try #require(Mirror(reflecting: writer).children.first { $0.label == "staging" }?.value as? Slab) }
        #expect(try memory().capacity == 64 << 10)
        var before = try memory()
        for (size, capacity) in [
            (64 << 10, 64 << 10), (68 << 10, 136 << 10), (136 << 10, 136 << 10), (140 << 10, 280 << 10), (3 << 20, usual), (usual, usual),
            (4096, usual), (usual + 4096, usual + 4096), (usual + 4096, usual + 4096), (usual, usual), (usual + 8192, usual + 8192),
            (4096, usual), (4096, usual),
        ] {
            // A record has a header, and a topic of five bytes.
            let value = String(decoding: [UInt8](repeating: 0x6D, count: size - 64 - 16 - 5), as: UTF8.self)
            let plan = GroupPlan([Submission(batches: [batch(routeA, [value])], ack: AckToken { _ in })])
            #expect(plan.size == size)
            _ = try writer.write(plan, durable: 0, ordinals: [:])
            let now = try memory()
            #expect(now.capacity == capacity && (now === before) == (capacity == before.capacity), "\(size)")
            before = now
        }
    }

    @Test("a write that can't sync itself is synced")
    func syncs() throws {
        // Where the file system has no O_DIRECT.
        let plain = Happenings<Void>()
        self.watched.fail { call in
            guard call == "open new-3", plain.count == 0 else { return nil }
            plain.add(())
            return EINVAL
        }
        let writer = try self.make()
        self.watched.fail(nil)
        _ = self.watched.calls()
        try self.commit(writer, [batch(routeA, ["x"])])
        #expect(self.watched.calls() == ["write new-3", "sync new-3"])
    }
}
