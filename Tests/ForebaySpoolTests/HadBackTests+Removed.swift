import ForebayCore
import ForebayTestKit
import Foundation
import Glibc
import Synchronization
import Testing

@testable import ForebaySpool

extension HadBackTests {
    @Test(
        "what a removed route has in the newest segment waits for it when that is put back, also if nothing was left of it meanwhile",
        arguments: [true, false], [false, true])
    func removedMeanwhile(isKilled: Bool, isRenamed: Bool) async throws {
        let first = SpoolFixture(segmentSize: 64 << 10)
        var spool = try first.open { $0.recentBytes = 0 }
        _ = try await self.open(spool)
        _ = try await self.append(spool, "old", 5, padding: 12_000)
        await self.settle(spool)
        let known = try await self.append(spool, "lost", 3, padding: 12_000).filter { $0.route == "b" }
        let fixture = isKilled ? try first.crashed() : first
        await spool.close()
        let path = try #require(try fixture.segmentFiles().last)
        let bytes = try Data(contentsOf: URL(filePath: path))
        try FileManager.default.removeItem(atPath: path)

        func start(_ routes: [String]) async throws -> [SpoolCursor] {
            spool = try fixture.open { $0.recentBytes = 0 }
            var cursors: [SpoolCursor] = []
            for route in routes { cursors.append(try await spool.forward(route, formerly: route == "new" ? ["b"] : [])) }
            let removed = try await spool.removedCursors { routes.contains($0.route) }
            await spool.releasePassedSegments()
            return cursors + removed
        }
        for _ in 0..<2 {
            // Whoever is there passes what is lost.
            for cursor in try await start(["a", "c"]) where cursor.route != "b" {
                cursor.rest(at: spool.durableEnd, ordinal: cursor.ordinal)
            }
            await spool.syncCursors()
            await spool.close()
        }
        try bytes.write(to: URL(filePath: path))
        for _ in 0..<2 {
            let cursors = try await start(["a", "c"])
            #expect(cursors.map(\.route) == ["a", "c", "b"])
            for cursor in cursors.prefix(2) { cursor.rest(at: spool.durableEnd, ordinal: cursor.ordinal + spool.lag(of: cursor)) }
            await spool.syncCursors()
            await spool.close()
        }
        let name = isRenamed ? "new" : "b"
        let cursors = try await start(["a", name, "c"])
        #expect(cursors.map(\.route) == ["a", name, "c"])
        #expect(try self.waiting(spool, cursors[1]).map(\.value) == known.map(\.value))
        #expect(spool.lag(of: cursors[1]) == UInt64(known.count))
        await spool.close()
    }

    private static let large = String(repeating: "x", count: 12_000)

    /// A log whose newest segment is away, which had the only events of `b`; in segments behind it there are more of `a`, and of `c` if it is
    /// asked for.
    ///
    /// - Returns: where that segment was, and what it had.
    private func away(isEach: Bool) async throws -> (fixture: SpoolFixture, path: String, bytes: Data) {
        let first = SpoolFixture(segmentSize: 64 << 10)
        var spool = try first.open { $0.recentBytes = 0 }
        _ = try await self.open(spool)
        try await spool.append("a", [Self.large])
        await self.settle(spool)
        await spool.close()
        spool = try first.open { $0.recentBytes = 0 }
        _ = try await self.open(spool)
        try await spool.append("b", ["lost0", "lost1"])
        // Killed, so that no mark says that there was something.
        let fixture = try first.crashed()
        await spool.close()
        let path = try #require(try fixture.segmentFiles().last)
        let bytes = try Data(contentsOf: URL(filePath: path))
        try FileManager.default.removeItem(atPath: path)
        spool = try fixture.open { $0.recentBytes = 0 }
        for route in ["a", "c"] { _ = try await spool.forward(route) }
        #expect(try await spool.removedCursors { $0.route != "b" }.isEmpty, "nothing of it is left")
        for number in 0..<20 { try await spool.append(isEach && number % 2 == 0 ? "c" : "a", [Self.large]) }
        await spool.close()
        return (fixture, path, bytes)
    }

    /// The same, put back when all that was behind it has been let go of but for the newest.
    private func backBehindLetGo() async throws -> (fixture: SpoolFixture, path: String, bytes: Data) {
        let (fixture, path, bytes) = try await self.away(isEach: false)
        let spool = try fixture.open { $0.recentBytes = 0 }
        for route in ["a", "c"] { _ = try await spool.forward(route) }
        await self.settle(spool)
        await spool.releasePassedSegments()
        await spool.syncCursors()
        #expect(spool.segmentCount == 1)
        await spool.close()
        try bytes.write(to: URL(filePath: path))
        return (fixture, path, bytes)
    }

    @Test(
        "behind one that is put back others were let go of: nobody misses these, not who waited for it, nor who is new",
        arguments: ["b", "new", "d"])
    func letGoBehind(route: String) async throws {
        let (fixture, path, _) = try await self.backBehindLetGo()
        for start in 0..<3 {
            let problems = try SpoolInspection(directory: fixture.directory).verify().problems
            #expect(problems.isEmpty, "start \(start): \(problems)")
            let spool = try fixture.open { $0.recentBytes = 0 }
            for route in ["a", "c"] { _ = try await spool.forward(route) }
            if start > 0 {
                let cursor = try await spool.forward(route, formerly: route == "new" ? ["b"] : [])
                #expect(try spool.waiting(cursor) == (route == "d" ? [] : ["lost0", "lost1"]))
                #expect(spool.lag(of: cursor) == (route == "d" ? 0 : 2))
            }
            _ = try await spool.removedCursors { ["a", "c", route].contains($0.route) }
            await spool.releasePassedSegments()
            await spool.syncCursors()
            #expect(spool.damage == SpoolDamage(), "start \(start)")
            await spool.close()
        }
        // Should it go again it is missed, and nothing else.
        try FileManager.default.removeItem(atPath: path)
        let spool = try fixture.open { $0.recentBytes = 0 }
        #expect(spool.missing.reduce(0) { $0 + $1.events } == 2, "\(spool.missing)")
        await spool.close()
    }

    @Test("what can't be read of one behind which others were let go of is told of when it is put back, and not cut off")
    func letGoBehindUnread() async throws {
        let (fixture, path, bytes) = try await self.backBehindLetGo()
        let disk = FaultDisk()
        disk.fail { call, place in call == .read && place.hasPrefix(path) && !place.hasSuffix("@0+8192") ? EIO : nil }
        for start in 0..<3 {
            let spool = try start == 0 ? fixture.open(on: disk) : fixture.open()
            #expect(spool.missing.map(\.segment) == [2] && spool.missing.map(\.events) == [1], "start \(start): \(spool.missing)")
            #expect(try Data(contentsOf: URL(filePath: path)) == bytes)
            await spool.close()
        }
    }

    @Test("a route that had its name before gets what one that is put back has, and of its own only what stands with it again")
    func successorGoesBack() async throws {
        let (fixture, path, bytes) = try await self.away(isEach: true)
        func start() async throws -> (Spool, SpoolCursor) {
            let spool = try fixture.open { $0.recentBytes = 0 }
            _ = try await spool.forward("a")
            let cursor = try await spool.forward("c", formerly: ["b"])
            await spool.releasePassedSegments()
            return (spool, cursor)
        }
        var (spool, cursor) = try await start()
        cursor.move(to: spool.durableEnd, settled: spool.lag(of: cursor))
        try await spool.append("c", ["waits"])
        await spool.syncCursors()
        await spool.close()
        try bytes.write(to: URL(filePath: path))
        (spool, cursor) = try await start()
        let ahead = try cursor.openAhead(end: spool.durableEnd, witnesses: []).settled
        let reader = spool.reader(of: cursor)
        var found: [String] = []
        while !reader.isCaughtUp {
            for batch in try reader.read(upTo: 64 << 10) {
                batch.forEachEvent { event, sequence in
                    if !ahead.ranges.contains(where: { $0.contains(sequence) }) {
                        found.append(String(decoding: event.value!, as: UTF8.self))
                    }
                }
            }
        }
        #expect(found == ["lost0", "lost1", "waits"] && spool.damage == SpoolDamage(), "\(found.count)")
        await spool.close()
    }

    @Test(
        "a cursor that a start should make, and finds no room for, holds its segments; it is made when there is room",
        arguments: [false, true])
    func noRoom(isRegistryLost: Bool) async throws {
        for isMadeLater in [false, true] {
            let (fixture, path, bytes) = try await self.away(isEach: false)
            try bytes.write(to: URL(filePath: path))
            if isRegistryLost {
                for file in CursorRegistry.files { try FileManager.default.removeItem(atPath: "\(fixture.directory)/\(file)") }
            }
            let disk = FaultDisk()
            let error = Atomic<Int32>(ENOSPC)
            disk.fail { call, path in
                guard call == .write, path.contains(isRegistryLost ? "unknown-" : "forward.b") else { return nil }
                let number = error.load(ordering: .relaxed)
                return number == 0 ? nil : number
            }
            for start in 0..<2 {
                let spool = try fixture.open(on: disk, roomInterval: 60_000) { $0.recentBytes = 0 }
                var others: [SpoolCursor] = []
                for route in ["a", "c"] { others.append(try await spool.forward(route)) }
                for cursor in others { cursor.move(to: spool.durableEnd, settled: spool.lag(of: cursor)) }
                await spool.releasePassedSegments()
                await spool.syncCursors()
                #expect(spool.allCursors.count == 2 && FileManager.default.contents(atPath: path)?.count ?? 0 > 8192, "start \(start)")
                let large = try fixture.segmentFiles().filter { FileManager.default.contents(atPath: $0)?.count ?? 0 > 16_384 }
                #expect(large.count <= 2, "what stands behind it gives its room back: \(large)")
                if isMadeLater {
                    error.store(EMFILE, ordering: .relaxed)
                    await spool.syncCursors()
                    #expect(spool.allCursors.count == 2, "no reason to stop")
                    error.store(0, ordering: .relaxed)
                    await spool.syncCursors()
                    let made = spool.allCursors.filter { cursor in !others.contains { $0.name == cursor.name } }
                    #expect(try made.map { try spool.waiting($0) } == [["lost0", "lost1"]])
                    for cursor in made { cursor.move(to: spool.durableEnd, settled: 2) }
                    for _ in 0..<3 { await spool.syncCursors() }
                    #expect(!FileManager.default.fileExists(atPath: path), "nothing is held any more")
                }
                await spool.close()
                guard isMadeLater else { continue }
                let next = try fixture.open { $0.recentBytes = 0 }
                #expect(next.alarms.isEmpty, "the registry is whole again: \(next.alarms)")
                await next.close()
                break
            }
        }
    }

    @Test("of two cursors that a start found no room for the second is made also while the first can't be")
    func roomForOne() async throws {
        let fixture = SpoolFixture()
        var spool = try fixture.open()
        for route in ["a", "b"] { try await spool.append(route, ["of \(route)"]) }
        await spool.close()
        for file in CursorRegistry.files { try FileManager.default.removeItem(atPath: "\(fixture.directory)/\(file)") }
        let disk = FaultDisk()
        let failing = Mutex(["unknown-"])
        disk.fail { call, path in
            call == .write && failing.withLock { $0.contains { path.contains("/cursors/") && path.contains($0) } } ? ENOSPC : nil
        }
        spool = try fixture.open(on: disk, roomInterval: 60_000)
        #expect(spool.allCursors.isEmpty)
        let names = [routeA, routeB].sorted { $0.rawValue < $1.rawValue }.map(CursorSet.unknown)
        for left in [[names[0].split(separator: "/").last.map(String.init)!], []] {
            failing.withLock { $0 = left }
            await spool.syncCursors()
            #expect(spool.allCursors.map(\.name).sorted() == names.dropFirst(left.count).sorted())
        }
        await spool.close()
        let next = try fixture.open()
        #expect(next.alarms.isEmpty && next.allCursors.count == 2, "\(next.alarms)")
        await next.close()
    }

    @Test("one that goes back and is killed then does not deliver its own again", arguments: 0..<40)
    func successorKilled(call: Int) async throws {
        let (fixture, path, bytes) = try await self.away(isEach: true)
        var spool = try fixture.open { $0.recentBytes = 0 }
        _ = try await spool.forward("a")
        let c = try await spool.forward("c", formerly: ["b"])
        // Beyond it two are settled, too.
        let end = spool.durableEnd
        c.move(to: end - 4, settled: spool.lag(of: c) - 2)
        c.keep(SettledAhead(ranges: [end - 2..<end]), isFinal: false)
        await spool.syncCursors()
        await spool.close()
        try bytes.write(to: URL(filePath: path))
        let disk = FaultDisk()
        let calls = Atomic<Int>(0)
        disk.fail { kind, place in
            guard kind == .write || kind == .rename || kind == .remove,
                place.contains("/cursors/") || place.contains("/ahead/") || place.contains("/registry")
            else { return nil }
            return calls.add(1, ordering: .relaxed).newValue > call ? EIO : nil
        }
        // Killed where the first of them fails.
        if let killed = try? fixture.open(on: disk, { $0.recentBytes = 0 }) {
            _ = try? await killed.forward("c", formerly: ["b"])
            await killed.close()
        }
        spool = try fixture.open { $0.recentBytes = 0 }
        _ = try await spool.forward("a")
        let cursor = try await spool.forward("c", formerly: ["b"])
        let ahead = try cursor.openAhead(end: spool.durableEnd, witnesses: []).settled
        let waiting = spool.view.read { $0.segments }.filter { $0.base > cursor.sequence }
        #expect(
            cursor.sequence < end - 4 && waiting.dropLast().allSatisfy { segment in ahead.ranges.contains { $0.contains(segment.base) } })
        #expect(ahead.ranges.contains { $0.contains(end - 1) }, "what it had beyond its place, too")
        await spool.close()
    }

    /// Everything is delivered to all.
    private func settle(_ spool: Spool) async {
        for cursor in spool.allCursors { cursor.move(to: spool.durableEnd, settled: spool.lag(of: cursor)) }
        await spool.syncCursors()
    }
}
