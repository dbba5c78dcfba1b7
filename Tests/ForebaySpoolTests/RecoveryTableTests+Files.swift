import ForebayCore
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Glibc
import Testing

@testable import ForebaySpool

/// What a start says of the files beside the segments.
extension RecoveryTableTests {
    @Test("cursors, the registry and the mark: what is gone is made anew, and told of")
    func files() async throws {
        let lost = "registry: the registry of cursors is gone or can't be read"
        for (what, damage, alarms, cursors) in [
            ("nothing", { _ in }, [], [5, 3]),
            ("a cursor gone", { try $0.remove($0.directory + "/cursors/forward.a") }, ["forward.a: the cursor's file is gone"], [0, 3]),
            (
                "a cursor of zeros", { try $0.change($0.directory + "/cursors/forward.a") { $0 = Data(count: 8192) } },
                ["forward.a: the cursor can't be read"], [0, 3]
            ),
            ("a cursor's slot", { try $0.change($0.directory + "/cursors/forward.b") { $0[20] ^= 1 } }, [], [5, 3]),
            ("the registry", { try $0.remove($0.directory + "/registry") }, [], [5, 3]),
            ("its copy", { try $0.change($0.directory + "/registry.copy") { $0[30] ^= 1 } }, [], [5, 3]),
            (
                "both",
                {
                    try $0.remove($0.directory + "/registry")
                    try $0.remove($0.directory + "/registry.copy")
                }, [lost], [5, 3]
            ),
            (
                "both and a cursor",
                {
                    try $0.remove($0.directory + "/registry")
                    try $0.remove($0.directory + "/registry.copy")
                    try $0.remove($0.directory + "/cursors/forward.a")
                }, [lost, "registry: the registry was lost, and no cursor counts the events of a route whose name is not known"], [0, 3]
            ),
            ("the mark", { try $0.remove($0.directory + "/mark") }, ["mark: it is gone or can't be read"], [5, 3]),
            (
                "the mark's slots", { try $0.change($0.directory + "/mark") { $0 = Data(count: 8192) } },
                ["mark: it is gone or can't be read"], [5, 3]
            ),
        ] as [(String, (World) throws -> Void, [String], [UInt64])] {
            let world = try await World(a: 5, b: 3)
            try damage(world)
            var spool = try await world.open()
            let found = [try await spool.cursor("forward/a", route: routeA), try await spool.cursor("forward/b", route: routeB)]
            #expect(world.alarms() == alarms && world.missing().isEmpty, "\(what): \(world.alarms())")
            #expect(found.map(\.sequence) == cursors && found.map { spool.lag(of: $0) } == [cursors[0] == 0 ? 4 : 1, 2], "\(what)")
            #expect(spool.durableEnd == 7)
            await spool.close()
            // What was mended is whole.
            spool = try await world.open()
            #expect(world.alarms().isEmpty && spool.allCursors.map(\.sequence) == cursors, "\(what)")
            #expect(try CursorRegistry.read(SystemDisk(), of: world.directory).isWhole)
            await spool.close()
        }
    }
}
