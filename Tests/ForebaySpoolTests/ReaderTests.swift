import ForebayCore
import ForebayTestKit
import Foundation
import Testing

@testable import ForebaySpool

@Suite("Spool: reading")
struct ReaderTests {
    private func spool(_ fixture: SpoolFixture, recent: Int = 0) throws -> Spool { try fixture.open { $0.recentBytes = recent } }

    private func values(_ batches: [Batch]) -> [String] {
        var found: [String] = []
        for batch in batches {
            batch.forEachEvent { event, sequence in found.append("\(sequence)=\(String(decoding: event.value!, as: UTF8.self))") }
        }
        return found
    }

    @Test("one call does so much and no more, also where all is others'; it goes on from there")
    func bounded() async throws {
        let fixture = SpoolFixture(segmentSize: 4 << 20)
        let spool = try self.spool(fixture)
        let routes = (0..<5000).map { RouteID(name: "\($0)") }
        _ = try await spool.commit([submission(routes.map { ($0, ["x"]) })])
        let reader = spool.reader(route: routes[4999], from: 0)
        #expect(try reader.read(upTo: 1 << 20).isEmpty && reader.next == 4096 && !reader.isCaughtUp)
        #expect(try self.values(reader.read(upTo: 1 << 20)) == ["4999=x"])
        #expect(reader.next == 5000 && reader.isCaughtUp)
        #expect(try reader.read(upTo: 1 << 20).isEmpty && reader.isCaughtUp)
        // Nothing of a route that is not in a segment is read at all.
        let nobody = spool.reader(route: RouteID(name: "nobody"), from: 0)
        #expect(try nobody.read(upTo: 1).isEmpty && nobody.next == 5000 && nobody.isCaughtUp)
        await spool.close()
    }

    @Test(
        "about as many bytes as asked for, from disk and from memory alike; from any place, also inside a batch", arguments: [0, 1 << 20])
    func bytes(recent: Int) async throws {
        let fixture = SpoolFixture(segmentSize: 64 << 10)
        let spool = try self.spool(fixture, recent: recent)
        for number in 0..<6 {
            _ = try await spool.commit([submission([(routeA, ["\(number)a", "\(number)b"]), (routeB, ["\(number)"])])])
        }
        let size = batch(routeA, ["0a", "0b"]).byteCount
        for (bytes, count) in [(1, 1), (size, 1), (size + 1, 2), (2 * size, 2), (2 * size + 1, 3), (0, 0)] {
            #expect(try spool.reader(route: routeA, from: 0).read(upTo: bytes).count == count, "\(bytes) bytes")
        }
        for from in 0...18 as ClosedRange<UInt64> {
            for (route, expected) in [(routeA, 0..<2), (routeB, 2..<3)] {
                let wanted = (0..<18).filter { $0 >= from && expected.contains(Int($0 % 3)) }
                let found = try self.values(spool.reader(route: route, from: from).read(upTo: 1 << 20))
                #expect(found.compactMap { $0.split(separator: "=").first.flatMap { Int($0) } } == wanted.map { Int($0) }, "from \(from)")
            }
        }
        let reader = spool.reader(route: nil, from: 4)
        #expect(try self.values(reader.read(upTo: 1)) == ["4=1b"] && reader.next == 5)
        #expect((reader.readMemory(upTo: 1) == nil) == (recent == 0))
        await spool.close()
    }

    @Test("what comes while it reads is read on, across the place where a segment ends")
    func goesOn() async throws {
        let fixture = SpoolFixture(segmentSize: 64 << 10)
        let spool = try self.spool(fixture)
        let reader = spool.reader(route: routeA, from: 0)
        #expect(try reader.read(upTo: 1).isEmpty && reader.isCaughtUp)
        for number in 0..<10 {
            _ = try await spool.commit([submission([(routeB, ["other"]), (routeA, ["\(number)" + String(repeating: "g", count: 15_000)])])])
            #expect(!reader.isCaughtUp)
            var found = try reader.read(upTo: 1)
            if found.isEmpty { found = try reader.read(upTo: 1) }
            #expect(self.values(found).map { $0.prefix { $0 != "g" } } == ["\(number * 2 + 1)=\(number)"])
            #expect(reader.isCaughtUp && reader.next == UInt64(number * 2 + 2))
        }
        #expect(spool.segmentCount > 2 && spool.missing.isEmpty)
        await spool.close()
    }

    @Test("who waits for more is woken by each group, and once at the beginning; who is gone is forgotten")
    func signals() async throws {
        let fixture = SpoolFixture()
        let spool = try self.spool(fixture)
        do {
            var first = spool.signals().makeAsyncIterator(), second = spool.signals().makeAsyncIterator()
            for _ in 0..<3 {
                #expect(await first.next() != nil)
                #expect(await second.next() != nil)
                _ = try await spool.commit([submission([(routeA, ["x"])])])
            }
            #expect(spool.view.read { $0.observers.count } == 2)
        }
        #expect(spool.view.read { $0.observers.count } == 0)
        await spool.close()
    }

    @Test("whether anything waits for a cursor is asked of the log: what can't be read may be something")
    func waits() async throws {
        let fixture = SpoolFixture(segmentSize: 64 << 10)
        let spool = try self.spool(fixture)
        let (a, b) = (try await spool.cursor("forward/a", route: routeA), try await spool.cursor("forward/b", route: routeB))
        #expect(try !spool.waits(for: a) && !spool.waits(for: b))
        for _ in 0..<5 { _ = try await spool.commit([submission([(routeA, [String(repeating: "w", count: 30_000)])])]) }
        #expect(try spool.waits(for: a) && !spool.waits(for: b))
        let segments = spool.view.read { $0.segments }
        spool.view.damaged(segments[1].number)
        #expect(try spool.waits(for: b), "it may have been in the second")
        a.move(to: segments[1].end, settled: 4)
        b.move(to: segments[1].end, settled: 0)
        #expect(try spool.waits(for: a) && !spool.waits(for: b), "which it has passed")
        a.move(to: 5, settled: 1)
        #expect(try !spool.waits(for: a))
        await spool.close()
    }

    @Test("what the newest segment had, and it is gone, may be a cursor's: whoever counts what waits for it must not give it up")
    func waitsBeyondTheEnd() async throws {
        let fixture = SpoolFixture(segmentSize: 64 << 10)
        var spool = try fixture.open()
        _ = try await (spool.forward("a"), spool.forward("b"))
        for round in 0..<8 {
            _ = try await spool.commit([submission([(round < 6 ? routeA : routeB, ["\(round)" + String(repeating: "x", count: 20_000)])])])
        }
        await spool.close()
        try FileManager.default.removeItem(atPath: try #require(try fixture.segmentFiles().last))
        spool = try fixture.open()
        let (a, b) = (try await spool.forward("a"), try await spool.forward("b"))
        for cursor in [a, b] { cursor.move(to: 6, settled: cursor === a ? 6 : 0) }
        #expect(try spool.waits(for: b) && !spool.missing.isEmpty)
        for cursor in [a, b] { cursor.move(to: spool.durableEnd, settled: 0) }
        #expect(try !spool.waits(for: a) && !spool.waits(for: b), "they have passed it")
        await spool.close()
    }

    @Test("when the first event that waits was accepted")
    func oldest() async throws {
        let fixture = SpoolFixture()
        let spool = try self.spool(fixture)
        let cursor = try await spool.cursor("forward/b", route: routeB)
        #expect(try spool.oldestAcceptedAt(of: cursor) == nil)
        _ = try await spool.commit([submission([(routeA, ["x"])])])
        #expect(try spool.oldestAcceptedAt(of: cursor) == nil)
        _ = try await spool.commit([submission([(routeB, ["y"])])])
        #expect(try spool.oldestAcceptedAt(of: cursor) == 1000)
        #expect(spool.count(of: cursor, ifEndIs: 2) == 1 && spool.count(of: cursor, ifEndIs: 1) == nil && spool.lag(of: cursor) == 1)
        cursor.move(to: 2, settled: 5)
        #expect(spool.lag(of: cursor) == 0, "never less than none")
        await spool.close()
    }

    @Test("a segment that can't be opened may have something that waits, for who has events in it; too many open files say nothing")
    func waitsUnopened() async throws {
        let fixture = SpoolFixture(segmentSize: 64 << 10), disk = FaultDisk()
        let spool = try fixture.open(on: disk)
        let (a, b) = (try await spool.forward("a"), try await spool.forward("b"))
        for _ in 0..<5 { try await spool.append("a", [String(repeating: "w", count: 30_000)]) }
        for (number, isKnown) in [(EIO, true), (ENOENT, true), (EMFILE, false)] {
            disk.fail { call, path in call == .open && path.hasSuffix(".segment") ? number : nil }
            if isKnown { #expect(try spool.waits(for: a)) } else { #expect(throws: ForebayError.self) { try spool.waits(for: a) } }
            #expect(try !spool.waits(for: b))
        }
        disk.fail(nil)
        await spool.close()
    }
}
