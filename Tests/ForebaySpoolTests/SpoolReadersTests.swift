import ForebayCore
import ForebayTestKit
import Foundation
import Testing

@testable import ForebaySpool

@Suite("Spool: a log's readers, and what they miss")
struct SpoolReadersTests {
    /// A log as a start finds it, without those who write and look after it.
    private func readers(_ fixture: SpoolFixture) throws -> (readers: SpoolReaders, start: SpoolStart, reporter: SpoolReporter) {
        let configuration = SpoolConfiguration(directory: fixture.directory, segmentSize: 64 << 10) { fatalError("\($0)") }
        let metrics = SpoolMetrics(fixture.metrics)
        let reporter = SpoolReporter(directory: fixture.directory, metrics: metrics, time: configuration.surroundings.time)
        let budget = try SpoolBudget(capacity: 1 << 30, directory: fixture.directory)
        let start = try SpoolStart(SpoolStart.hold(configuration), budget, reporter) {}
        return (SpoolReaders(configuration, start.view, start.cursors, reporter, metrics), start, reporter)
    }

    private func filled(_ fixture: SpoolFixture) async throws -> [SegmentInfo] {
        let spool = try fixture.open()
        let (a, _) = (try await spool.forward("a"), try await spool.forward("b"))
        for number in 0..<16 { try await spool.append(["a", "b"][number % 2], [String(repeating: "r", count: 20_000)]) }
        a.move(to: 8, settled: 4)
        let segments = spool.view.read { $0.segments }
        await spool.close()
        return segments
    }

    @Test("one of a route, one of all, one of a cursor from where it stands; what they share goes with the last of them")
    func made() async throws {
        let fixture = SpoolFixture(segmentSize: 64 << 10)
        _ = try await self.filled(fixture)
        let (readers, start, _) = try self.readers(fixture)
        let cursor = try #require(start.cursors.cursor("forward/a"))
        for (reader, count) in [
            (readers.reader(route: nil, from: 0), 16), (readers.reader(route: RouteID(name: "b"), from: 4), 6),
            (readers.reader(of: cursor), 4),
        ] {
            var found = 0
            while !reader.isCaughtUp { found += try reader.read(upTo: 1 << 20).count }
            #expect(found == count)
        }
        var both = [readers.reader(route: nil, from: 0), readers.reader(route: nil, from: 0)]
        for reader in both { _ = try reader.read(upTo: 1) }
        #expect(readers.sharedBytes > 0)
        both = []
        #expect(readers.sharedBytes == 0)
    }

    @Test("of what is lost so much counts as nobody had settled; its segment is kept, unless it is gone: then its cursor has passed it")
    func missed() async throws {
        let fixture = SpoolFixture(segmentSize: 64 << 10)
        let segments = try await self.filled(fixture)
        let (readers, start, reporter) = try self.readers(fixture)
        let second = segments[1]
        try #require(second.end <= 8 && second.base > 0)
        // All that `a` had there is settled, what `b` had is not.
        readers.report(MissingRange(sequences: second.base..<second.end, segment: second.number, position: 8192, reason: "planted"))
        #expect(reporter.missing.map(\.events) == [(second.end - second.base) / 2])
        #expect(start.view.read { $0.segments.filter(\.isDamaged).map(\.number) } == [second.number])
        let third = segments[2]
        readers.report(
            MissingRange(sequences: third.base..<third.end, segment: third.number, position: 0, reason: "planted", events: 1, isGone: true))
        #expect(reporter.missing.last?.events == 1, "who noticed it knows")
        #expect(start.view.read { $0.segments.filter(\.isDamaged).map(\.number) } == [second.number])
    }
}
