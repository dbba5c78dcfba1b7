import ForebayCore
import ForebayTestKit
import Foundation
import Glibc
import Synchronization
import Testing

@testable import ForebaySpool

/// What docs/how-to/after-damage.md says of `quarantine/`.
@Suite("Spool: quarantine")
struct QuarantineTests {
    /// A segment in the middle whose header is lost, and which was moved away by a start; two routes, of which one had passed it.
    private func damaged() async throws -> (fixture: SpoolFixture, good: Data, path: String, lost: Range<UInt64>) {
        let fixture = SpoolFixture(segmentSize: 64 << 10)
        var spool = try fixture.open()
        _ = try await spool.cursor("forward/a", route: routeA)
        for number in 0..<12 { _ = try await spool.commit([submission([(routeA, ["\(number)" + String(repeating: "q", count: 20_000)])])]) }
        let segment = spool.view.read { $0.segments[1] }
        await spool.close()
        let good = try Data(contentsOf: URL(filePath: segment.path))
        var bad = good
        for copy in [0, 4096] { bad[copy + 40] ^= 1 }
        try bad.write(to: URL(filePath: segment.path))
        spool = try fixture.open()
        #expect(spool.alarms.map(\.file) == [segment.path])
        await spool.close()
        #expect(!FileManager.default.fileExists(atPath: segment.path))
        return (fixture, good, segment.path, segment.base..<segment.end)
    }

    @Test("a good copy that is put back while nobody has passed its place is read again")
    func putBack() async throws {
        let (fixture, good, path, _) = try await self.damaged()
        try good.write(to: URL(filePath: path))
        let spool = try fixture.open()
        let cursor = try await spool.cursor("forward/a", route: routeA)
        await spool.releasePassedSegments()
        #expect(spool.lag(of: cursor) == 12 && spool.alarms.isEmpty)
        #expect(try spool.events().map(\.0) == Array(0..<12) && spool.missing.isEmpty)
        await spool.close()
    }

    @Test("what is replaced is kept, also where names can't be exchanged in one step", arguments: [0, EINVAL, ENOSYS])
    func replaced(number: Int32) throws {
        let watched = WatchedDisk()
        let path = watched.directory + "/units"
        func content(_ path: String) throws -> [UInt8] { try watched.disk.open(path, []).bytes(at: 0, count: 9) }
        try watched.disk.open(path, [.write, .create]).write([1], at: 0)
        // The exchange; after it a rename.
        let isTried = Atomic(number == 0)
        watched.fail { $0 == "rename units" && !isTried.exchange(true, ordering: .relaxed) ? number : nil }
        try Folder(watched.disk).quarantine(path, of: watched.directory) { place throws(ForebayError) in
            try watched.disk.open(place, [.write, .create]).write([2], at: 0)
        }
        let kept = try #require(try watched.disk.entries(watched.directory + "/quarantine"))
        #expect(try content(path) == [2] && kept.count == 1)
        #expect(try kept.map { try content(watched.directory + "/quarantine/" + $0) } == [[1]])
    }

    @Test("one that is put back when all have passed its place does no harm")
    func tooLate() async throws {
        let (fixture, good, path, lost) = try await self.damaged()
        var spool = try fixture.open()
        var cursor = try await spool.cursor("forward/a", route: routeA)
        await spool.releasePassedSegments()
        cursor.move(to: lost.upperBound + 1, settled: 4)
        await spool.syncCursors()
        await spool.close()
        try good.write(to: URL(filePath: path))
        spool = try fixture.open()
        cursor = try await spool.cursor("forward/a", route: routeA)
        await spool.releasePassedSegments()
        let reader = spool.reader(of: cursor)
        var read: [UInt64] = []
        while !reader.isCaughtUp { for batch in try reader.read(upTo: 1 << 20) { read += batch.first..<batch.first + UInt64(batch.count) } }
        #expect(read.filter { $0 > lost.upperBound } == Array(lost.upperBound + 1..<12) && spool.missing.isEmpty)
        await spool.close()
    }

    @Test("what is whole in a damaged segment can be looked at in a folder of its own")
    func lookedAt() async throws {
        let fixture = SpoolFixture(segmentSize: 64 << 10)
        let spool = try fixture.open()
        _ = try await spool.cursor("forward/a", route: routeA)
        for number in 0..<12 { _ = try await spool.commit([submission([(routeA, ["\(number)" + String(repeating: "q", count: 20_000)])])]) }
        let segment = spool.view.read { $0.segments[1] }
        await spool.close()
        let look = SpoolFixture()
        try FileManager.default.createDirectory(atPath: look.segmentsFolder, withIntermediateDirectories: true)
        var bytes = try Data(contentsOf: URL(filePath: segment.path))
        bytes[segment.header.dataStart + 100] ^= 1
        try bytes.write(to: URL(filePath: look.segmentsFolder + "/" + segment.path.split(separator: "/").last!))
        var found: [UInt64] = []
        try SpoolInspection(directory: look.directory).dump(from: 0) { _, sequence, batch in
            found.append(sequence)
            #expect(batch.origin == segment.header.origin && batch.route == routeA)
            return true
        }
        #expect(found == Array(segment.base + 1..<segment.end), "all but the damaged one")
    }
}
