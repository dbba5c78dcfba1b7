import ForebayCore
import ForebayTestKit
import Foundation
import Glibc
import Testing

@testable import ForebaySpool

/// Several routes over many starts, in every order: some idle, some behind, some new, some gone and back.
@Suite("Spool: restarts with several routes")
struct RestartTests {
    /// What was appended and settled, by route.
    private struct Model {
        var appended: [String: [String]] = [:]
        var settled: [String: Int] = [:]

        func waiting(_ route: String) -> [String] { Array((self.appended[route] ?? []).dropFirst(self.settled[route] ?? 0)) }
    }

    private static let routes = ["a", "b", "c", "d", "e"]

    @Test("nothing that a route still needs goes, whatever is asked for first, or not at all", arguments: 0..<8)
    func anyOrder(seed: UInt64) async throws {
        var random = SplitMix(seed: seed)
        var fixture = SpoolFixture(segmentSize: 64 << 10)
        var model = Model()
        var number = 0
        for start in 0..<6 {
            let spool = try fixture.open(preparesNext: Bool.random(using: &random))
            #expect(spool.missing.isEmpty && spool.alarms.isEmpty, "start \(start)")
            // The last one puts every route back.
            let configured = start == 5 ? Self.routes : Self.routes.filter { _ in Int.random(in: 0..<4, using: &random) > 0 }
            var cursors: [String: SpoolCursor] = [:]
            for route in configured.shuffled(using: &random) {
                cursors[route] = try await spool.cursor("forward/\(route)", route: RouteID(name: route))
            }
            await spool.releasePassedSegments()
            for route in configured {
                let cursor = try #require(cursors[route])
                #expect(try self.values(spool.reader(of: cursor)) == model.waiting(route), "\(route), start \(start)")
                #expect(spool.lag(of: cursor) == UInt64(model.waiting(route).count), "\(route), start \(start)")
            }
            for _ in 0..<Int.random(in: 0..<12, using: &random) where !configured.isEmpty {
                let route = configured.randomElement(using: &random)!
                let value = "\(number)" + String(repeating: "x", count: Int.random(in: 10..<40_000, using: &random))
                number += 1
                _ = try await spool.commit([submission([(RouteID(name: route), [value])])])
                model.appended[route, default: []].append(value)
            }
            for route in configured where Bool.random(using: &random) {
                let cursor = try #require(cursors[route])
                let waiting = try self.events(spool.reader(of: cursor))
                let settled = Int.random(in: 0...waiting.count, using: &random)
                guard settled > 0 else { continue }
                cursor.move(to: waiting[settled - 1].0 + 1, settled: UInt64(settled))
                model.settled[route, default: 0] += settled
                if Bool.random(using: &random) { await spool.syncCursors() }
            }
            let copy = Bool.random(using: &random) ? try fixture.crashed() : nil
            await spool.close()
            if let copy { fixture = copy }
        }
    }

    @Test("a segment larger than usual, between prepared ones: every file is what its name says", arguments: 0..<4)
    func oversized(seed: UInt64) async throws {
        var random = SplitMix(seed: seed)
        let fixture = SpoolFixture(segmentSize: 64 << 10)
        let spool = try fixture.open(preparesNext: true)
        let cursor = try await spool.cursor("forward/a", route: routeA)
        await spool.releasePassedSegments()
        var values: [String] = []
        for number in 0..<40 {
            let size = Int.random(in: 0..<5, using: &random) == 0 ? 150_000 : Int.random(in: 10..<9000, using: &random)
            values.append("\(number)" + String(repeating: "y", count: size))
            _ = try await spool.commit([submission([(routeA, [values[number]])])])
            if Int.random(in: 0..<6, using: &random) == 0 { await spool.syncCursors() }
            if number == 20 {
                cursor.move(to: 10, settled: 10)
                await spool.syncCursors()
            }
        }
        let copy = try fixture.crashed()
        await spool.close()
        for path in try copy.segmentFiles() {
            let header = try SegmentHeader.read(from: SystemDisk().open(path, [])).outcome.get()
            #expect(path.hasSuffix("\(header.number).segment"))
        }
        let again = try copy.open()
        #expect(try again.events(from: 10).map(\.1) == Array(values.dropFirst(10)))
        #expect(again.missing.isEmpty && again.alarms.isEmpty)
        await again.close()
    }

    @Test("a route that takes over from others goes on where the last of them stood, and counts theirs", arguments: [false, true])
    func formerly(isKnown: Bool) async throws {
        let fixture = SpoolFixture(segmentSize: 64 << 10)
        let spool = try fixture.open()
        let old = try await spool.cursor("forward/a", route: routeA)
        if isKnown { _ = try await spool.cursor("forward/b", route: routeB) }
        for number in 0..<10 {
            _ = try await spool.commit([
                submission([(number % 2 == 0 ? routeA : routeB, ["\(number)" + String(repeating: "z", count: 9000)])])
            ])
        }
        old.move(to: 5, settled: 3)
        await spool.close()
        for start in 0..<3 {
            let again = try fixture.open()
            let cursor = try await again.cursor("forward/b", route: routeB, formerly: ["forward/a"])
            await again.releasePassedSegments()
            let expected = isKnown ? (0..<10) : (5..<10)
            #expect(
                try self.events(again.reader(of: cursor)).map { Int($0.0) } == (isKnown ? Array(0..<10) : Array(expected)), "start \(start)"
            )
            #expect(again.lag(of: cursor) == UInt64(expected.count), "start \(start)")
            #expect(again.allCursors.map(\.name) == ["forward/b"])
            #expect(again.alarms.isEmpty)
            await again.close()
        }
    }

    @Test("a route that was given up holds nothing, and begins where it was given up when it comes back")
    func forget() async throws {
        let fixture = SpoolFixture(segmentSize: 64 << 10)
        let spool = try fixture.open()
        _ = try await spool.cursor("forward/a", route: routeA)
        let b = try await spool.cursor("forward/b", route: routeB)
        await spool.releasePassedSegments()
        for _ in 0..<10 { _ = try await spool.commit([submission([(routeA, [String(repeating: "a", count: 30_000)])])]) }
        _ = try await spool.commit([submission([(routeB, ["b"])])])
        b.move(to: 11, settled: 1)
        await spool.syncCursors()
        let held = spool.segmentCount
        let a = try #require(spool.allCursors.first)
        #expect(try spool.waits(for: a) && !spool.waits(for: b))
        try await spool.giveUp(a)
        #expect(spool.segmentCount < held)
        await spool.close()
        let again = try fixture.open()
        #expect(again.allCursors.map(\.name) == ["forward/b"])
        let back = try await again.cursor("forward/a", route: routeA)
        #expect(back.sequence >= a.sequence && again.alarms.isEmpty)
        await again.close()
    }

    @Test("a cursor's file is durable before the registry names it, and what a start finds is made durable before it changes anything")
    func order() async throws {
        let (fixture, watched) = (SpoolFixture(), WatchedDisk())
        var spool = try fixture.open(on: watched.disk)
        for route in ["a", "b"] {
            _ = watched.calls()
            _ = try await spool.forward(route)
            let calls = watched.calls()
            let written = calls.lastIndex { $0.hasPrefix("sync ") && $0.hasSuffix("/cursors/forward.\(route)") }
            let named = calls.lastIndex { $0.hasPrefix("syncFolder ") && $0.hasSuffix("/cursors") }
            let registered = try #require(calls.firstIndex { $0.hasPrefix("write ") && $0.contains("/registry") })
            #expect(try #require(written) < registered && #require(named) < registered, "\(calls)")
            try await spool.append(route, ["x"])
        }
        watched.fail { $0.hasPrefix("write ") && $0.contains("/registry") ? ENOSPC : nil }
        await #expect(throws: ForebayError.self) { try await spool.forward("c") }
        #expect(spool.allCursors.map(\.name) == ["forward/a", "forward/b"], "it is none until it is registered")
        watched.fail(nil)
        #expect(try await spool.waiting(spool.forward("c")).isEmpty && spool.allCursors.count == 3)
        await spool.close()
        _ = watched.calls()
        spool = try fixture.open(on: watched.disk)
        let calls = watched.calls()
        let changed = try #require(calls.firstIndex { $0.hasPrefix("write ") })
        for folder in ["", "/segments", "/cursors"] {
            let synced = calls.firstIndex { $0.hasPrefix("syncFolder ") && $0.hasSuffix(fixture.directory + folder) }
            #expect(try #require(synced) < changed, "\(folder): \(calls)")
        }
        await spool.close()
    }

    @Test("what a start finds is taken, and not from what the disk says is free; to the byte, while it is written and at the end")
    func counted() async throws {
        let fixture = SpoolFixture(), disk = FaultDisk()
        func files() throws -> Int {
            try fixture.segmentFiles().reduce(0) { try $0 + Data(contentsOf: URL(filePath: $1)).count }
        }
        for round in 1...3 {
            disk.tell((free: 5 << 20, total: 1 << 40))
            let budget = try SpoolBudget(capacity: 8 << 20, directory: fixture.directory, disk: disk)
            let spool = try fixture.open(on: disk, budget: budget)
            let found = try files()
            #expect(budget.fileBytes == found && budget.capacity == found + (5 << 20) && budget.roomBesideBallast == 5 << 20)
            // Longer than a step of what is charged ahead.
            try await spool.append("a", [String(repeating: "x", count: 700_000), String(repeating: "y", count: 700_000)])
            #expect(try budget.fileBytes == files() && budget.usedBytes == spool.byteCount && budget.capacity == found + (5 << 20))
            await spool.close()
            #expect(try budget.fileBytes == files() && budget.usedBytes == files() && files() > round * 1_400_000)
        }
    }

    @Test("what frees a segment is the synced place of the cursor, not the written one")
    func syncedPlace() async throws {
        let fixture = SpoolFixture(segmentSize: 64 << 10)
        let spool = try fixture.open(cursorSyncInterval: 60_000)
        let cursors = [
            try await spool.cursor("forward/a", route: routeA), try await spool.cursor("forward/b", route: routeB),
        ]
        for _ in 0..<10 { _ = try await spool.commit([submission([(routeA, [String(repeating: "s", count: 30_000)])])]) }
        cursors[1].move(to: 10, settled: 0)
        await spool.syncCursors()
        cursors[0].move(to: 10, settled: 10)
        let held = spool.segmentCount
        await spool.releasePassedSegments()
        #expect(spool.segmentCount == held && spool.start == 0)
        await spool.syncCursors()
        #expect(spool.segmentCount < held)
        await spool.close()
    }

    @Test("a group is durable whole, also when only a cursor in its middle says so")
    func cursorInAGroup() async throws {
        let fixture = SpoolFixture(segmentSize: 64 << 10)
        let spool = try fixture.open()
        let cursor = try await spool.cursor("forward/a", route: routeA)
        _ = try await spool.commit([submission([(routeA, ["0"]), (routeB, ["1", "2"])])])
        cursor.move(to: 1, settled: 1)
        let copy = try fixture.crashed()
        await spool.close()
        let again = try copy.open()
        #expect(again.durableEnd == 3)
        #expect(try again.events().map(\.1) == ["0", "1", "2"])
        #expect(again.missing.isEmpty)
        await again.close()
    }

    @Test("lag is the log's, also when segments were left without footers", arguments: 1...3)
    func lagAfterKills(kills: Int) async throws {
        var fixture = SpoolFixture(segmentSize: 64 << 10)
        for kill in 0..<kills {
            let spool = try fixture.open()
            _ = try await spool.cursor("forward/a", route: routeA)
            for _ in 0..<50 { _ = try await spool.commit([submission([(routeA, [String(repeating: "q", count: 500)])])]) }
            let copy = try fixture.crashed()
            await spool.close()
            fixture = copy
            _ = kill
        }
        for _ in 0..<2 {
            let again = try fixture.open()
            let cursor = try await again.cursor("forward/a", route: routeA)
            await again.releasePassedSegments()
            #expect(again.lag(of: cursor) == UInt64(50 * kills))
            await again.close()
        }
    }

    private func values(_ reader: SpoolReader) throws -> [String] { try self.events(reader).map(\.1) }

    private func events(_ reader: SpoolReader) throws -> [(UInt64, String)] {
        var events: [(UInt64, String)] = []
        while true {
            let batches = try reader.read(upTo: 64 << 10)
            if batches.isEmpty, reader.isCaughtUp { return events }
            for batch in batches {
                batch.forEachEvent { event, sequence in events.append((sequence, String(decoding: event.value!, as: UTF8.self))) }
            }
        }
    }
}
