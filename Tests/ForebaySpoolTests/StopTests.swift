import ForebayCore
import ForebayTestKit
import Glibc
import Testing

@testable import ForebaySpool

/// A clean stop: what still goes on meanwhile, and who may have the log when.
@Suite("Spool: a clean stop", .timeLimit(.minutes(1)))
struct StopTests {
    @Test("a cursor that moves while the last segment is sealed is durable on return, and until then nobody else has the log")
    func order() async throws {
        let fixture = SpoolFixture(), disk = FaultDisk()
        let spool = try fixture.open(on: disk, cursorSyncInterval: 600_000)
        let cursor = try await spool.forward("a")
        try await spool.append("a", ["0", "1", "2"])
        let seen = Happenings<String>(), folder = fixture.directory
        disk.fail { call, path in
            if call == .truncate, path.contains("/segments/") {
                cursor.move(to: 2, settled: 2)
                seen.add("sealed")
            }
            guard call == .sync, path.contains("/cursors/") else { return nil }
            let other = try? SpoolLock(SystemDisk(), directory: folder)  // Refused while this one has it.
            seen.add(other == nil ? "synced" : "synced by two")
            return nil
        }
        await spool.close()
        disk.fail(nil)
        #expect(seen.all == ["sealed", "synced"] && cursor.syncedSequence == 2)
        #expect(try SpoolLock(SystemDisk(), directory: folder).holds, "another may have it now")
    }

    @Test("what a reader comes to when the log is closed is written nowhere: another process may have the folder")
    func afterwards() async throws {
        let fixture = SpoolFixture(segmentSize: 64 << 10), disk = FaultDisk()
        let spool = try fixture.open(on: disk) { $0.recentBytes = 0 }
        let cursor = try await spool.forward("a")
        for _ in 0..<20 { try await spool.append("a", [String(repeating: "s", count: 10_000)]) }
        let segments = spool.view.read { $0.segments }
        #expect(segments.count > 2)
        let reader = spool.reader(of: cursor)
        cursor.move(to: 1, settled: 1)
        await spool.close()
        let written = Happenings<String>()
        disk.fail { call, path in
            if call == .read || call == .open, path.contains("/segments/") {
                return call == .open && path == segments[1].path ? ENOENT : nil
            }
            written.add("\(call) \(path)")
            return nil
        }
        cursor.move(to: 2, settled: 1)
        var read: UInt64 = 0
        while !reader.isCaughtUp { read += try reader.read(upTo: 1 << 20).reduce(0) { $0 + UInt64($1.count) } }
        cursor.move(to: reader.next, settled: 19)
        await spool.syncCursors()
        #expect(read == 20 - (segments[1].end - segments[1].base) && spool.missing.map(\.sequences) == [segments[1].base..<segments[1].end])
        await #expect { try await spool.acknowledgeAlarms() } throws: { ($0 as? ForebayError)?.code == .unavailable }
        #expect(written.all == [] && cursor.syncedSequence == 1)
        disk.fail(nil)
    }

    @Test("what is done last comes when all cursors are durable, and before anybody else may have the log")
    func last() async throws {
        let fixture = SpoolFixture()
        let spool = try fixture.open(cursorSyncInterval: 600_000)
        let cursor = try await spool.forward("a")
        try await spool.append("a", ["0", "1"])
        cursor.move(to: 1, settled: 1)
        let seen = Happenings<Bool>(), folder = fixture.directory
        await spool.close {
            seen.add(cursor.syncedSequence == 1)
            seen.add((try? SpoolLock(SystemDisk(), directory: folder)) == nil)  // Refused while this one has it.
        }
        #expect(seen.all == [true, true])
    }
}
