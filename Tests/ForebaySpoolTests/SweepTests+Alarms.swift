import ForebayCore
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Glibc
import Synchronization
import Testing

@testable import ForebaySpool

/// What is told of one that can't go.
extension SweepTests {
    @Test("one that can't be removed is told of, stays, and goes the next time", arguments: ["remove", "truncate"])
    func notRemoved(call: String) async throws {
        let logged = LogCapture()
        defer { logged.close() }
        let world = try World()
        let log = try await self.made(world)
        if call == "remove" { log.settle(1, through: 2, oldestAcceptedAt: nil) }
        log.settle(2, through: 2, oldestAcceptedAt: nil)
        world.watched.fail { $0.hasPrefix("\(call) log/segments/") ? EBUSY : nil }
        await log.syncCursors()
        // Behind one that stays the next is cut, as behind one that is needed.
        #expect(try world.sizes() == [94_208, call == "remove" ? 12_288 : 94_208, 94_208, 49_152] && world.broken.told.count == 0)
        #expect(try world.budget.usedBytes == world.counted())
        #expect(log.damage.alarms.count == 1 && !log.damage.alarms[0].text.contains("more)"), "\(log.damage.alarms)")
        #expect(logged.records(label: "spool").contains { $0.level == .error && $0["error"]?.contains(world.directory) == true })
        world.watched.fail(nil)
        await log.syncCursors()
        #expect(try world.sizes() == (call == "remove" ? [94_208, 49_152] : [94_208, 12_288, 94_208, 49_152]))
        #expect(try world.budget.usedBytes == world.counted())
        await log.close()
    }

    @Test("what can't be removed is told of before another thread may remove it: then the alarm goes with it")
    func toldOfFirst() throws {
        let watched = WatchedDisk(), clock = OnceAskedClock(), broken = BrokenWord()
        let budget = try SpoolBudget(capacity: 1 << 30, directory: watched.directory, disk: watched.disk)
        var configuration = SpoolConfiguration(directory: watched.directory, kind: .setAside, segmentSize: 64 << 10) { broken($0) }
        (configuration.disk, configuration.surroundings.time) = (watched.disk, clock)
        let log = spoolID("0123456789ABCDEF")
        let slots = try SlotFile.make(
            watched.disk, watched.directory + "/mark", of: watched.directory, as: .mark, log: log, SlotFile.Value(SpoolMark.Value()))
        let segments = (1...2).map { number in
            SegmentInfo(
                header: SegmentHeader(log: log, origin: log, number: number, base: number - 1, salt: number, madeAt: 0),
                path: "\(watched.directory)/\(number)", end: number, dataEnd: 8192, size: 8192)
        }
        for segment in segments { try Data(count: segment.size).write(to: URL(filePath: segment.path)) }
        let view = SpoolView(
            SpoolView.State(segments: segments, durableEnd: 2, ordinals: [:], retention: .everything, recent: RecentTail(limit: 0)))
        let reporter = SpoolReporter(directory: watched.directory, metrics: SpoolMetrics(MetricsRegistry()), time: clock)
        let sweeper = SegmentSweeper(
            configuration, view: view, budget: budget, mark: SpoolMark(slots: slots, value: SpoolMark.Value(), budget: budget),
            reporter: reporter)
        watched.fail { $0 == "remove 1" ? EMFILE : nil }
        clock.whenAsked {
            watched.fail(nil)
            _ = sweeper.remove(segments[0])
        }
        #expect(!sweeper.remove(segments[0]))
        #expect(sweeper.remove(segments[0]) && reporter.alarms.isEmpty, "\(reporter.alarms)")
        #expect(view.read { $0.segments.map(\.number) } == [2])
    }
}

/// Says the time, and does something else meanwhile, once.
private final class OnceAskedClock: TimeSource {
    private struct Asked {
        var body: (@Sendable () -> Void)?
    }

    private let asked = Mutex(Asked())

    func whenAsked(_ body: @escaping @Sendable () -> Void) { self.asked.withLock { $0.body = body } }

    var wallMilliseconds: Int64 {
        self.asked.withLock { asked in
            defer { asked.body = nil }
            return asked.body
        }?()
        return 1
    }

    var monotonicNanoseconds: UInt64 { 1 }

    func sleep(milliseconds: Int) async throws {}
}
