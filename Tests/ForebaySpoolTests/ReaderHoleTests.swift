import ForebayCore
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Glibc
import Testing

@testable import ForebaySpool

/// What a reader tells of while it goes over what can't be read: each hole once, to the sequence, and nothing else.
@Suite("Spool: holes that a reader passes")
struct ReaderHoleTests {
    /// A reader, and what it has told of.
    private final class Told {
        private(set) var missing: [MissingRange] = []
        private(set) var leftOut: [Range<UInt64>] = []
        private(set) var reader: SpoolReader!

        init(_ view: SpoolView, on disk: any Disk = SystemDisk(), _ routes: RouteFilter = .all) {
            self.reader = SpoolReader(
                view: view, disk: disk, cache: ReadCache(limit: 0), metrics: SpoolMetrics(MetricsRegistry()), routes: routes, from: 0,
                onMissing: { [unowned self] in self.missing.append($0) },
                onLeftOut: { [unowned self] in self.leftOut.append($0) })
        }

        /// The sequences of all that it reads in some calls, from the disk.
        func read(calls: Int = 3) throws -> [UInt64] {
            try (0..<calls).flatMap { _ in
                try self.reader.readDisk(upTo: 1 << 30).flatMap { batch in
                    #expect(batch.count > 0)
                    return Array(batch.first..<batch.end)
                }
            }
        }
    }

    /// Events of a route each, two a segment.
    private func filled(_ routes: [RouteID], _ fixture: SpoolFixture) async throws -> Spool {
        let spool = try fixture.open { $0.recentBytes = 0 }
        for route in routes { _ = try await spool.commit([submission([(route, [String(repeating: "h", count: 40_000)])])]) }
        #expect(spool.segmentCount == (routes.count + 1) / 2)
        return spool
    }

    @Test("of a sound log it tells nothing, whoever reads, and however often at its end")
    func sound() async throws {
        let fixture = SpoolFixture(segmentSize: 64 << 10)
        let spool = try await self.filled([routeA, routeB, routeA, routeA, routeA, routeA, routeB], fixture)
        for (routes, expected) in [(.all, Array(0..<7)), (.one(routeA), [0, 2, 3, 4, 5]), (.one(routeB), [1, 6])]
            as [(RouteFilter, [UInt64])]
        {
            let told = Told(spool.view, routes)
            #expect(try told.read() == expected && told.reader.isCaughtUp && told.reader.next == 7)
            #expect(told.missing.isEmpty && told.leftOut.isEmpty)
        }
        await spool.close()
    }

    @Test("a frame with a wrong checksum is so many events of its route; where none can be read nobody knows")
    func damaged() async throws {
        let fixture = SpoolFixture(segmentSize: 64 << 10)
        let spool = try await self.filled([routeA, routeA, routeA, routeA, routeA, routeA], fixture)
        let segments = spool.view.read { $0.segments }
        for (place, isCounted) in [(100, true), (30, false)] {
            var bytes = try Data(contentsOf: URL(filePath: segments[1].path))
            bytes[8192 + place] ^= 1
            try bytes.write(to: URL(filePath: segments[1].path))
            let told = Told(spool.view)
            #expect(try told.read() == [0, 1, 3, 4, 5])
            #expect(told.missing.map(\.sequences) == [2..<3] && told.missing.map(\.isCounted) == [isCounted])
            #expect(told.missing.map(\.events) == [1] && told.missing.map(\.position) == [isCounted ? 8192 : 8192 + 40_960])
            #expect(told.missing.map(\.segment) == [2] && told.missing.map(\.isGone) == [false])
            bytes[8192 + place] ^= 1
            try bytes.write(to: URL(filePath: segments[1].path))
        }
        await spool.close()
    }

    @Test("a segment that is gone may have had a route's events, also where the one behind it has none")
    func gone() async throws {
        let fixture = SpoolFixture(segmentSize: 64 << 10)
        var spool = try await self.filled([routeA, routeA, routeA, routeA, routeB, routeB], fixture)
        let path = spool.view.read { $0.segments[1].path }
        await spool.close()
        try FileManager.default.removeItem(atPath: path)
        spool = try fixture.open()
        for (routes, expected) in [(.one(routeA), [0, 1]), (.all, [0, 1, 4, 5])] as [(RouteFilter, [UInt64])] {
            let told = Told(spool.view, routes)
            #expect(try told.read() == expected && told.reader.next == 6 && told.leftOut.isEmpty)
            #expect(told.missing.map(\.sequences) == [2..<4] && told.missing.map(\.isGone) == [true])
            #expect(told.missing.map(\.segment) == [2] && told.missing.map(\.position) == [0])
        }
        await spool.close()
    }

    @Test("what the log had behind its last segment, or without any, is gone with a segment", arguments: [false, true])
    func atTheEnd(isEmpty: Bool) throws {
        let id = spoolID("0123456789ABCDEF")
        let header = SegmentHeader(log: id, origin: id, number: 4, base: 0, salt: 1, madeAt: 0)
        let info = SegmentInfo(header: header, path: "/none", end: 5, dataEnd: 8192, size: 8192)
        let view = SpoolView(
            SpoolView.State(
                segments: isEmpty ? [] : [info], durableEnd: 7, ordinals: [:], retention: .cursors, recent: RecentTail(limit: 0)))
        let told = Told(view, .one(routeA))  // Whose events the segment does not have.
        #expect(try told.read().isEmpty && told.reader.next == 7)
        #expect(told.missing.map(\.sequences) == [isEmpty ? 0..<7 : 5..<7] && told.missing.map(\.isGone) == [true])
        #expect(told.missing.map(\.segment) == [isEmpty ? 0 : 4] && told.missing.map(\.position) == [0])
    }

    @Test("sequences that were left out behind a lost newest segment are told of as such, once, and no more than they are")
    func leftOut() async throws {
        let fixture = SpoolFixture(segmentSize: 64 << 10)
        var spool = try await self.filled([routeA, routeA, routeA, routeA], fixture)
        let path = spool.view.read { $0.segments[1].path }
        await spool.close()
        try FileManager.default.removeItem(atPath: path)
        spool = try fixture.open { $0.recentBytes = 0 }
        // The second one of them begins where the first one ended.
        for _ in 0..<3 { try await spool.append("a", [String(repeating: "h", count: 40_000)]) }
        let first = SpoolFormat.gap + 4
        let told = Told(spool.view)
        #expect(try told.read() == [0, 1, first, first + 1, first + 2])
        #expect(told.missing.map(\.sequences) == [2..<4] && told.leftOut == [4..<first])
        #expect(spool.segmentCount == 3)
        await spool.close()
    }

    @Test(
        "behind a segment that is gone it goes on in the same call; where the device failed, others who wait for one get their turn first")
    func unopenable() async throws {
        for (reason, inOne) in [(ENOENT, true), (EIO, false)] { try await self.unopenable(reason, inOne: inOne) }
    }

    private func unopenable(_ reason: Int32, inOne: Bool) async throws {
        let fixture = SpoolFixture(segmentSize: 64 << 10)
        let spool = try await self.filled([routeA, routeA, routeA, routeA, routeA, routeA], fixture)
        let bad = spool.view.read { $0.segments[1] }, disk = FaultDisk()
        disk.fail { call, path in call == .open && path == bad.path ? reason : nil }
        let told = Told(spool.view, on: disk)
        #expect(try told.read(calls: 1) == (inOne ? [0, 1, 4, 5] : [0, 1]))
        #expect(try told.read() == (inOne ? [] : [4, 5]))
        #expect(told.missing.map(\.sequences) == [2..<4] && told.missing.map(\.position) == [0])
        #expect(told.missing.map(\.isCounted) == [false])
        await spool.close()
    }

    @Test("one that goes just when it is opened is nobody's any more: it is passed in the same call, for whatever reason it can't be had")
    func goneMeanwhile() async throws {
        for number in [ENOENT, EMFILE] {
            let fixture = SpoolFixture(segmentSize: 64 << 10)
            let spool = try await self.filled([routeA, routeA, routeA, routeA, routeA, routeA], fixture)
            let first = spool.view.read { $0.segments[0] }, disk = FaultDisk(), view = spool.view
            disk.fail { call, path in
                guard call == .open, path == first.path else { return nil }
                view.change { $0.segments.removeFirst() }
                return number
            }
            let told = Told(view, on: disk)
            let read = try told.read(calls: 1)
            #expect(read == [2, 3, 4, 5])
            await spool.close()
        }
    }

    @Test("of one that is being removed nothing is missed")
    func leaving() async throws {
        let fixture = SpoolFixture(segmentSize: 64 << 10)
        let spool = try await self.filled([routeA, routeA, routeA, routeA], fixture)
        let first = spool.view.read { $0.segments[0] }, disk = FaultDisk()
        spool.view.change { $0.with(first.number) { $0.isLeaving = true } }
        disk.fail { call, path in call == .open && path == first.path ? EIO : nil }
        let told = Told(spool.view, on: disk)
        #expect(try told.read() == [2, 3] && told.missing.isEmpty)
        await spool.close()
    }
}
