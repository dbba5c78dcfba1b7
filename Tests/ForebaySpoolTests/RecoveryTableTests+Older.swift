import ForebayCore
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Testing

@testable import ForebaySpool

/// Logs as version 2 wrote them: no kinds in slots, and segments of that version. They are looked at like those of this one.
extension RecoveryTableTests {
    @Test("what is lost of a log of version 2 is told of, and nothing else")
    func older() async throws {
        let mark = "mark: it is gone or can't be read", newest = "\(Self.name(4)): the newest segment is gone or can't be read"
        for (what, a, damage, alarms, missing) in [
            (
                "the newest and the mark", 7,
                {
                    try $0.remove($0.path(4))
                    try $0.remove($0.directory + "/mark")
                }, [newest, mark], []
            ),
            ("one in the middle", 0, { try $0.remove($0.path(2)) }, [], ["2..<4 in 2 at 0: a segment is gone"]),
            ("the oldest", 0, { try $0.remove($0.path(1)) }, [], ["0..<2 in 2 at 0: the oldest segments are gone"]),
            (
                "all but a header", 0, { try $0.change($0.path(2)) { $0.removeLast($0.count - 8192) } }, [],
                ["2..<4 in 2 at 8192: frames are missing"]
            ),
        ] as [(String, UInt64, (World) throws -> Void, [String], [String])] {
            let world = try await World(a: a)
            try SlotKindTests.age(world.directory, units: false)
            try damage(world)
            let spool = try await world.open()
            #expect(spool.view.read { $0.segments.contains { $0.isDamaged } } == (what == "all but a header"), "\(what), before it is read")
            _ = try spool.events()
            #expect(world.alarms() == alarms && world.missing() == missing, "\(what)")
            await spool.close()
        }
    }

    @Test("the newest one of version 2, that was away and is put back, is read beside what came without it")
    func olderHadBack() async throws {
        let world = try await World()
        try SlotKindTests.age(world.directory, units: false)
        let kept = try Data(contentsOf: URL(filePath: world.path(4)))
        try world.remove(world.path(4))
        let log = LogCapture()
        defer { log.close() }
        var spool = try await world.open()
        let told = log.records(label: "spool").filter { $0["folder"] == world.directory && $0.message.hasPrefix("the log was written in") }
        #expect(told.map(\.level) == [.info] && told.allSatisfy { $0.message.contains("version 2; what is new is written in version 3") })
        #expect(await eventually { spool.view.roomWithoutNewFile > 0 }, "the next segment is there before the first event comes")
        let (segment, receipt) = try await world.append()
        #expect(segment == 5 && world.alarms().count == 1 && world.missing().count == 1)
        await spool.close()
        try kept.write(to: URL(filePath: world.path(4)))
        spool = try await world.open()
        #expect(world.alarms().isEmpty && world.missing().isEmpty)
        #expect(try spool.events().map(\.0) == Array(0..<7) + receipt.firstSequences)
        await spool.close()
    }
}
