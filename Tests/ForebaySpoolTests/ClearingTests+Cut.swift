import ForebayCore
import ForebayTestKit
import Foundation
import Synchronization
import Testing

@testable import ForebaySpool

/// Cutting one to its header, once and whole.
extension ClearingTests {
    @Test("what was cut to its header, behind one that can't go, is not cut again each time that is tried")
    func cutOnce() async throws {
        let filled = try await Filled()
        let writes = Atomic<Int>(0)
        filled.disk.fail { call, path in
            guard path.hasSuffix(".segment") else { return nil }
            if call == .write { writes.add(1, ordering: .relaxed) }
            return call == .remove ? EIO : nil
        }
        await filled.pass()
        let cut = writes.load(ordering: .relaxed)
        #expect(cut > 2 && !filled.isCleared)
        for _ in 0..<3 { await filled.spool.syncCursors() }
        #expect(writes.load(ordering: .relaxed) == cut)
        filled.disk.fail(nil)
        await filled.spool.syncCursors()
        try await filled.expectCleared()
        await filled.spool.close()
    }

    @Test("a power cut in the middle of cutting one to its header leaves any sectors of what was not synced: none of that is damage")
    func cutTorn() async throws {
        let filled = try await Filled()
        let second = filled.spool.view.read { $0.segments[1].path }
        let durable = Mutex(try Data(contentsOf: URL(filePath: second)))
        let torn = Mutex<[Data]>([])
        filled.disk.fail { call, path in
            if call == .remove { return EIO }
            guard call == .sync, path == second, let now = FileManager.default.contents(atPath: path) else { return nil }
            let before = durable.withLock { durable in
                defer { durable = now }
                return durable
            }
            for sector in stride(from: 0, to: min(now.count, before.count), by: 512) where now.count == before.count {
                let range = sector..<sector + 512
                guard now[range] != before[range] else { continue }
                var image = before
                image.replaceSubrange(range, with: now[range])
                torn.withLock { $0.append(image) }
            }
            return nil
        }
        await filled.pass()
        let images = torn.withLock { $0 }
        #expect(images.count > 2)
        for image in images {
            let copy = try filled.fixture.crashed()
            try image.write(to: URL(filePath: try copy.segmentFiles()[1]))
            let problems = try SpoolInspection(directory: copy.directory).verify().problems
            #expect(problems.isEmpty, "\(problems)")
        }
        filled.disk.fail(nil)
        await filled.spool.syncCursors()
        try await filled.expectCleared()
        await filled.spool.close()
    }
}
