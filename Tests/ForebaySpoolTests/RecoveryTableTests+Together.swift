import ForebayCore
import ForebayTestKit
import Foundation
import Glibc
import Synchronization
import Testing

@testable import ForebaySpool

/// Several things damaged at one start, or a start that is cut short and the next one.
extension RecoveryTableTests {
    /// The disk without a part of a file.
    func disk(failing range: Range<Int>, of path: String) -> FaultDisk {
        let disk = FaultDisk()
        disk.fail { call, place in
            call == .read && place.hasPrefix(path) && Self.range(place).overlaps(range) ? EIO : nil
        }
        return disk
    }

    /// Of a read, as a rule gets it.
    static func range(_ place: String) -> Range<Int> {
        let numbers = (place.split(separator: "@").last ?? "").split(separator: "+").compactMap { Int($0) }
        return numbers.count == 2 ? numbers[0]..<numbers[0] + numbers[1] : 0..<0
    }

    private func letters(_ spool: Spool, _ cursor: SpoolCursor) throws -> String {
        String(try spool.waiting(cursor).compactMap(\.first))
    }

    @Test(
        "the registry and the newest segment lost at one start, which may be killed: what no cursor counts is kept by later ones, and told of",
        arguments: [false, true])
    func registryAndNewest(isKilled: Bool) async throws {
        let world = try await World()
        for file in CursorRegistry.files + ["cursors/forward.b"] { try world.remove("\(world.directory)/\(file)") }
        try world.remove(world.path(4))
        if isKilled {
            let disk = FaultDisk()
            disk.fail { call, path in call == .open && path.contains("unknown-") ? EMFILE : nil }
            #expect(throws: ForebayError.self) { try world.fixture.open(on: disk) }
        }
        for start in 0..<3 {
            let spool = try await world.open()
            let told = world.alarms()
            #expect(told.contains { $0.hasPrefix("registry: ") } == (start == 0), "once: \(told)")
            if start == 0 {
                #expect(told.contains("registry: the registry of cursors is gone or can't be read"), "\(told)")
                #expect(
                    told.contains("registry: the registry was lost, and no cursor counts the events of a route whose name is not known"))
            }
            let a = try await spool.forward("a")
            a.move(to: spool.durableEnd, settled: spool.lag(of: a))
            let removed = try await spool.removedCursors { $0.route == "a" }
            await spool.releasePassedSegments()
            for _ in 0..<3 { await spool.syncCursors() }
            #expect(try removed.map { try self.letters(spool, $0) } == ["135"], "start \(start)")
            await spool.close()
        }
    }

    @Test(
        "what shows that the newest is lost is moved away, and then the start is killed: the next one knows it all the same",
        arguments: [1, 2])
    func killedBehindQuarantine(writes: Int) async throws {
        let world = try await World(isClean: false)
        try world.change(world.path(4), Self.damageHeader)
        try world.remove(world.directory + "/mark")
        let disk = FaultDisk()
        let count = Atomic<Int>(0)
        disk.fail { call, path in
            guard call == .write, path.hasSuffix("/registry.new") else { return nil }
            return count.add(1, ordering: .relaxed).newValue >= writes ? EIO : nil
        }
        #expect(throws: ForebayError.self) { try world.fixture.open(on: disk) }
        #expect(world.quarantine().isEmpty == (writes == 1))
        let spool = try await world.open()
        #expect(world.alarms().contains("\(Self.name(4)): the newest segment is gone or can't be read"), "\(world.alarms())")
        let (segment, receipt) = try await world.append()
        #expect(segment == 5 && receipt.firstSequences[0] >= SpoolFormat.gap && receipt.origin != world.id)
        await spool.close()
    }

    @Test("the same where one that was never used is what shows it, and the mark is older than both")
    func killedBehindUnused() async throws {
        let world = try await World(isClean: false)
        let last = try self.makeUnused(world)
        try world.remove(world.path(4))
        let path = world.directory + "/mark"
        let mark = try #require(try SlotFile.read(SystemDisk(), path, as: .mark, log: last.log))
        var value = try #require(mark.value)
        value.owner = 3
        _ = try SlotFile.take(SystemDisk(), path, of: world.directory, as: .mark, log: last.log, mark, value)
        let disk = FaultDisk()
        disk.fail { call, path in call == .remove && path.hasSuffix("5.segment") ? EIO : nil }
        #expect(throws: ForebayError.self) { try world.fixture.open(on: disk) }
        try world.remove(world.path(5))
        let spool = try await world.open()
        #expect(world.alarms().contains("\(Self.name(4)): the newest segment is gone or can't be read"), "\(world.alarms())")
        #expect(try await world.append().receipt.firstSequences[0] >= SpoolFormat.gap)
        await spool.close()
    }

    @Test("a route is given up while the newest segment is away: nothing that this has of it comes back, whether it was marked or not")
    func givenUpMeanwhile() async throws {
        let world = try await World(isClean: false)
        let bytes = try Data(contentsOf: URL(filePath: world.path(4)))
        try world.remove(world.path(4))
        var spool = try await world.open()
        let end = spool.durableEnd
        #expect(end < 7)
        try await spool.giveUp(try await spool.forward("a"))
        await spool.close()
        for _ in 0..<2 {
            // Where it was given up is no evidence that there was anything.
            spool = try await world.open()
            #expect(spool.durableEnd == end && spool.missing.allSatisfy { $0.sequences.upperBound <= 7 }, "\(world.missing())")
            await spool.close()
        }
        try bytes.write(to: URL(filePath: world.path(4)))
        spool = try await world.open()
        #expect(try spool.events().map(\.0) == Array(0..<7) && spool.damage == SpoolDamage())
        #expect(try await spool.removedCursors { $0.route == "b" }.isEmpty)
        await spool.close()
    }

    @Test("of two segments that are gone one is put back, of which nothing can be read: it is kept for the operator")
    func twoGone() async throws {
        let world = try await World(a: 2, b: 2)
        let bytes = try Data(contentsOf: URL(filePath: world.path(3)))
        for number in [3, 4] as [UInt64] { try world.remove(world.path(number)) }
        var spool = try await world.open()
        #expect(spool.missing.map(\.segment) == [4] && spool.missing.map(\.sequences) == [4..<7])
        _ = try await world.append()
        await spool.close()
        try bytes.prefix(8192 + 3000).write(to: URL(filePath: world.path(3)))
        try world.change(world.path(3)) { $0.replaceSubrange(8192..<8292, with: Data(count: 100)) }
        let damaged = try Data(contentsOf: URL(filePath: world.path(3)))
        spool = try await world.open()
        #expect(FileManager.default.fileExists(atPath: world.path(3)))
        for route in ["a", "b"] {
            let cursor = try await spool.forward(route)
            cursor.rest(at: spool.durableEnd, ordinal: cursor.ordinal + spool.lag(of: cursor))
        }
        await spool.releasePassedSegments()
        for _ in 0..<3 { await spool.syncCursors() }
        #expect(world.quarantine() == [Self.name(3)] && !spool.missing.isEmpty)
        let kept = FileManager.default.contents(atPath: "\(world.directory)/quarantine/\(Self.name(3))")
        #expect(kept?.suffix(2900) == damaged.suffix(2900), "nothing is cut off")
        await spool.close()
    }

    @Test("on a full disk what can't be read in the tail, or is lost, stops no start", arguments: [false, true])
    func fullDisk(isLost: Bool) async throws {
        let world = try await World(isClean: false)
        let path = world.path(4)
        if isLost { try world.remove(path) }
        let disk = FaultDisk()
        disk.tell((free: 0, total: 1 << 40))
        disk.fail { call, place in
            if call == .read, !isLost, place.hasPrefix(path), Self.range(place).overlaps(8192..<12_288) { return EIO }
            return call == .write && place.hasSuffix(".new") ? ENOSPC : nil
        }
        for _ in 0..<2 {
            let spool = try world.fixture.open(on: disk) { $0.recentBytes = 0 }
            #expect(!spool.damage.missing.isEmpty || !spool.damage.alarms.isEmpty)
            #expect(try spool.events().map(\.0) == Array(0..<6))
            await spool.close()
        }
        let spool = try await world.open()
        let (segment, receipt) = try await world.append()
        #expect(segment == 5 && receipt.firstSequences[0] >= (isLost ? SpoolFormat.gap : 7))
        await spool.close()
    }

    @Test("the mark and the newest are lost, and starts are killed before they come to their end: one segment is missed, and no more")
    func markLostAndKilled() async throws {
        let world = try await World()
        try world.remove(world.path(4))
        await (try await world.open()).close()
        try world.remove(world.directory + "/mark")
        let disk = FaultDisk()
        disk.fail { call, path in call == .write && path.contains("/cursors/") ? EIO : nil }
        try world.change(world.directory + "/cursors/forward.a") { $0 = Data() }
        for _ in 0..<3 { #expect(throws: ForebayError.self) { try world.fixture.open(on: disk) } }
        let spool = try await world.open()
        let lost = spool.alarms.filter { $0.text.hasPrefix("the newest segment is gone") }.map(\.file)
        #expect(Set(lost) == [world.path(4), world.path(5)], "as told, and the one that may have been begun: \(lost)")
        #expect(try await world.append().receipt.firstSequences[0] < 4 * SpoolFormat.gap)
        await spool.close()
    }

    @Test(
        "two newest that are lost one after the other, the second with a mark in it: what stands between them is not missed, at no later start"
    )
    func lostOneAfterTheOther() async throws {
        let world = try await World(a: 7, b: 7)
        try world.remove(world.path(4))
        var spool = try await world.open()
        for _ in 0..<3 { _ = try await world.append() }
        let first = spool.durableEnd - 3
        let cursor = try await spool.forward("a")
        cursor.move(to: first + 1, settled: 1)
        await spool.syncCursors()
        await spool.close()
        let path = try #require(try world.fixture.segmentFiles().last)
        let bytes = try Data(contentsOf: URL(filePath: path))
        try world.remove(path)
        for start in 0..<3 {
            spool = try await world.open()
            for route in ["a", "b"] { _ = try spool.waiting(try await spool.forward(route)) }
            #expect(
                spool.missing.allSatisfy { $0.events < 100 && $0.isGone } && !spool.missing.isEmpty, "start \(start): \(world.missing())")
            if start == 1 { #expect(try await world.append().receipt.firstSequences[0] > first + 100) }
            await spool.close()
        }
        try bytes.write(to: URL(filePath: path))
        spool = try await world.open()
        let found = try spool.events().map(\.0)
        #expect(found.contains(first) && found.contains(first + 2) && found.count == 10, "\(found)")
        #expect(spool.missing.allSatisfy { $0.events < 100 }, "\(world.missing())")
        await spool.close()
    }

    @Test("what was given up while one segment is away is given up to there also when another place is begun, and no evidence of anything")
    func givenUpTwice() async throws {
        let world = try await World(isClean: false)
        try world.remove(world.path(4))
        var spool = try await world.open()
        let end = spool.durableEnd
        try await spool.giveUp(try await spool.forward("a"))
        await spool.close()
        try world.remove(world.directory + "/mark")
        for _ in 0..<3 {
            spool = try await world.open()
            #expect(spool.durableEnd == end && spool.missing.allSatisfy { $0.sequences.upperBound <= 7 }, "\(world.missing())")
            await spool.close()
        }
    }

    @Test("a segment that was begun behind a lost one, and lost with cursors at its beginning, is missed, whatever the mark says")
    func cursorsAtBegun() async throws {
        let world = try await World(isClean: false, a: 7, b: 7)
        let bytes = try Data(contentsOf: URL(filePath: world.path(4)))
        try world.remove(world.path(4))
        var spool = try await world.open()
        let mark = try Data(contentsOf: URL(filePath: world.directory + "/mark"))
        let first = try await world.append().receipt
        for route in ["a", "b"] { try await spool.forward(route).rest(at: first.firstSequences[0], ordinal: 4) }
        await spool.syncCursors()
        await spool.close()
        let begun = try #require(try world.fixture.segmentFiles().last)
        try world.remove(begun)
        try mark.write(to: URL(filePath: world.directory + "/mark"))
        try bytes.write(to: URL(filePath: world.path(4)))
        spool = try await world.open()
        #expect(world.alarms().contains { $0.hasPrefix(Self.name(5)) }, "told: \(world.alarms())")
        #expect(world.missing().isEmpty, "nobody had settled more: \(world.missing())")
        let next = try await world.append().receipt
        #expect(next.firstSequences[0] > first.firstSequences[0] && next.origin != first.origin)
        await spool.close()
    }
}
