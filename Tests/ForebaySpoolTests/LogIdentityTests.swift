import ForebayCore
import Foundation
import Testing

@testable import ForebaySpool

/// Which log a folder holds, and how far it was, where not all that says so is there.
@Suite("Spool: which log it is")
struct LogIdentityTests {
    private typealias World = RecoveryTableTests.World

    private func identity(_ world: World) throws -> LogIdentity {
        let disk = SystemDisk()
        return try LogIdentity(
            disk, of: world.directory, .spool, FoundSegments(disk, in: world.fixture.segmentsFolder), chance: Surroundings.real.chance)
    }

    @Test("without a registry most of the cursors' files say which log it is, whichever id is the higher one")
    func election() async throws {
        let worlds = try await [World(), World()]
        for (world, other) in [(worlds[0], worlds[1]), (worlds[1], worlds[0])] {
            for name in LogRegistry.files { try world.remove("\(world.directory)/\(name)") }
            try FileManager.default.copyItem(
                atPath: other.directory + "/cursors/forward.a", toPath: world.directory + "/cursors/forward.c")
            #expect(try self.identity(world).log == world.id)
            try world.remove(world.directory + "/cursors/forward.c")
        }
    }

    @Test("a cursor's file that was cut behind its first slot says which log it is, to the byte", arguments: [64, 63])
    func cut(size: Int) async throws {
        let (world, other) = (try await World(), try await World())
        for name in LogRegistry.files + ["mark"] { try world.remove("\(world.directory)/\(name)") }
        try FileManager.default.copyItem(
            atPath: other.directory + "/cursors/forward.a", toPath: world.directory + "/cursors/forward.c")
        for name in ["a", "b"] { try world.change(world.directory + "/cursors/forward.\(name)") { $0 = $0.prefix(size) } }
        #expect(try self.identity(world).log == (size == 64 ? world.id : other.id))
    }

    @Test("a mark that no log comes to says nothing, to the number")
    func highest() async throws {
        let world = try await World()
        let path = world.directory + "/mark", half = SpoolFormat.highestMark / 2
        for (number, isTaken) in [(half - 1, true), (half, false), (7, true)] as [(UInt64, Bool)] {
            let found = try #require(try SlotFile.read(SystemDisk(), path, as: .mark, log: world.id))
            let value = SlotFile.Value(sequence: number, ordinal: number, owner: 4)
            _ = try SlotFile.take(SystemDisk(), path, of: world.directory, as: .mark, log: world.id, found, value)
            let identity = try self.identity(world)
            #expect(identity.marks.contains(number) == isTaken && identity.released == (isTaken ? number : 0), "\(number)")
        }
    }

    @Test("a cursor whose file is gone has settled nothing: what is missed with it counts from the first event on")
    func cursorGone() async throws {
        let world = try await World(a: 5, b: 4)
        try world.remove(world.directory + "/cursors/forward.a")
        try world.remove(world.path(1))
        let spool = try await world.open()
        #expect(spool.missing.map(\.sequences) == [0..<2])
        await spool.close()
    }

    @Test("a cursor's file has its name, whatever stands in it")
    func names() {
        #expect(LogIdentity.path(ofCursor: "forward/a.b", in: "/d") == "/d/cursors/forward.a.b")
        #expect(LogIdentity.cursorName(ofFile: "forward.a.b.c") == "forward/a.b.c")
    }
}
