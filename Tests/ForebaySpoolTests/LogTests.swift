import ForebayCore
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Glibc
import Testing

@testable import ForebaySpool

/// The log as a whole on a disk whose calls are watched and a clock that a test moves: what happens when, in which order, and once.
@Suite("Spool: what is done when", .timeLimit(.minutes(1)))
struct LogTests {
    /// A log on a watched disk and a manual clock.
    final class World: Sendable {
        let watched = WatchedDisk()
        let clock = ManualClock()
        let threads = SpoolThreads()
        let metrics = MetricsRegistry()
        let broken = BrokenWord()

        var directory: String { self.watched.directory }

        func open(
            segmentSize: Int = 64 << 10, kind: LogKind = .spool, budget: SpoolBudget? = nil,
            _ configure: (inout SpoolConfiguration) -> Void = { _ in }
        ) throws -> Spool {
            let (directory, disk, broken) = (self.watched.directory, self.watched.disk, self.broken)
            let budget = try budget ?? SpoolBudget(capacity: 1 << 30, directory: directory, disk: disk)
            var configuration = SpoolConfiguration(directory: directory, kind: kind, segmentSize: segmentSize) { broken($0) }
            configuration.disk = disk
            configuration.preparesNext = false
            configuration.surroundings = .manual(self.clock, seed: 1)
            configure(&configuration)
            return try Spool.open(configuration, budget: budget, threads: self.threads, metrics: SpoolMetrics(self.metrics))
        }

        /// Until nothing happens by itself any more: the start of the log is over.
        func settled(_ spool: Spool) async { await spool.syncCursors() }

        func segments() throws -> [String] { try FileManager.default.contentsOfDirectory(atPath: self.directory + "/segments").sorted() }

        func mark() throws -> SpoolMark.Value? {
            try SlotFile.read(SystemDisk(), self.directory + "/mark", as: .mark, log: nil)?.value.map(SpoolMark.Value.init)
        }

        func cursor(_ name: String) throws -> UInt64? {
            try SlotFile.read(SystemDisk(), self.directory + "/cursors/" + name, as: .cursor, log: nil)?.value?.sequence
        }
    }

    let large = String(repeating: "l", count: 40_000)

    func commit(_ spool: Spool, _ value: String, _ route: RouteID = routeA) async throws {
        _ = try await spool.commit([submission([(route, [value])])])
    }

    @Test("a group is written, synced, numbered and only then acknowledged; the first one makes its segment")
    func commits() async throws {
        let world = World()
        let spool = try world.open()
        await world.settled(spool)
        _ = world.watched.calls()
        let numbered = Happenings<[UInt64]>()
        let seen = Happenings<[String]>()
        let ack = AckToken(onNumbered: {
            numbered.add($0)
            seen.add(world.watched.calls())
        }) { _ in }
        let receipts = try await spool.commit([Submission(batches: [batch(routeA, ["0", "1"]), batch(routeB, ["2"])], ack: ack)])
        #expect(receipts.map(\.firstSequences) == [[0, 2]] && numbered.all == [[0, 2]] && receipts[0].origin == spool.id)
        let made = ["write segments/new-1", "sync segments/new-1", "rename segments/00000000000000000001.segment", "syncFolder segments"]
        #expect(seen.all[0].filter { !$0.hasPrefix("open") } == made + ["write mark", "sync mark", "write segments/new-1"])
        #expect(world.watched.calls().isEmpty)
        #expect(spool.durableEnd == 3 && spool.start == 0 && spool.segmentCount == 1)
        #expect(try await spool.commit([]).isEmpty)
        let empty = try await spool.commit([Submission(batches: [], ack: AckToken { _ in }), submission([])])
        #expect(empty.map(\.firstSequences) == [[], []] && empty.map(\.origin) == [spool.id, spool.id] && world.watched.calls().isEmpty)
        await spool.close()
        let error = await #expect(throws: ForebayError.self) { try await self.commit(spool, "late") }
        #expect(error?.code == .unavailable && error?.message == "the log is closed")
    }

    @Test("the next segment is there before the one before it is sealed; a clean stop seals the last and says so in the mark")
    func rolls() async throws {
        let world = World()
        let spool = try world.open()
        try await self.commit(spool, self.large)
        try await self.commit(spool, self.large)
        await world.settled(spool)
        _ = world.watched.calls()
        try await self.commit(spool, self.large)
        let name = "segments/00000000000000000002.segment"
        #expect(
            world.watched.calls().filter { !$0.hasPrefix("open") && $0 != "sync segments/new-2" } == [
                "write segments/new-2", "rename \(name)", "syncFolder segments", "write segments/new-1", "truncate segments/new-1",
                "sync segments/new-1", "write mark", "sync mark", "write segments/new-2",
            ])
        #expect(try world.mark() == SpoolMark.Value(durable: 2, released: 0, newest: 2))
        let segments = spool.view.read { $0.segments }
        #expect(
            segments.map(\.isActive) == [false, true] && segments.map(\.hasFooter) == [true, false] && segments.map(\.base) == [0, 2])
        #expect(segments.map(\.end) == [2, 3] && segments[0].size == segments[0].dataEnd + 4096 && segments[1].size == 40_960 + (72 << 10))
        #expect(segments[1].header.previousNumber == 1 && segments[1].header.previousEnd == 2 && segments[1].header.previousChecksum != 0)
        await spool.close()
        let calls = world.watched.calls().filter { !$0.hasPrefix("open") }
        #expect(calls == ["write segments/new-2", "truncate segments/new-2", "sync segments/new-2", "write mark", "sync mark"])
        #expect(try world.mark() == SpoolMark.Value(durable: 3, released: 0, newest: 2))
        let again = try world.open()
        #expect(again.view.read { $0.segments.map(\.header.previousChecksum) } == [0, segments[1].header.previousChecksum])
        try await self.commit(again, "x")
        let checksum = try #require(
            try SegmentFooter.read(
                from: SystemDisk().open(segments[1].path, []), size: Data(contentsOf: URL(filePath: segments[1].path)).count,
                salt: segments[1].salt)
        ).checksum
        #expect(again.view.read { $0.segments.last?.header.previousChecksum } == checksum && checksum != 0)
        await again.close()
    }

    @Test("some time after a group the mark covers it, whatever comes meanwhile")
    func marks() async throws {
        let world = World()
        let spool = try world.open()
        try await self.commit(spool, "0")
        await world.clock.sleepers(atLeast: 1)
        #expect(world.clock.remaining == [.milliseconds(1000)])
        world.clock.advance(by: .milliseconds(600))
        try await self.commit(spool, "1")
        #expect(world.clock.remaining == [.milliseconds(400)], "one is due already")
        #expect(try world.mark()?.durable == 0)
        world.clock.advance(by: .milliseconds(400))
        #expect(await eventually { (try? world.mark()?.durable) == 2 })
        try await self.commit(spool, "2")
        await world.clock.sleepers(atLeast: 1)
        #expect(world.clock.remaining == [.milliseconds(1000)])
        await spool.close()
        #expect(try world.mark()?.durable == 3)
        world.clock.advance(by: .seconds(2))
        #expect(await eventually { world.clock.remaining.isEmpty })
    }

    @Test("cursors are synced together a while after one moved, and what all are past goes then")
    func cursors() async throws {
        let world = World()
        let spool = try world.open { $0.markInterval = 3_600_000 }
        let (a, b) = (try await spool.cursor("forward/a", route: routeA), try await spool.cursor("forward/b", route: routeB))
        await spool.releasePassedSegments()
        for _ in 0..<5 { try await self.commit(spool, self.large) }
        #expect(spool.segmentCount == 3)
        await world.clock.sleepers(atLeast: 1)
        _ = world.watched.calls()
        a.move(to: 4, settled: 4)
        await world.clock.sleepers(atLeast: 2)
        #expect(world.clock.remaining.first == .milliseconds(100))
        world.clock.advance(by: .milliseconds(50))
        b.move(to: 3, settled: 0)
        a.move(to: 5, settled: 1)
        #expect(world.clock.remaining.count == 2 && spool.segmentCount == 3 && a.syncedSequence == 0)
        world.clock.advance(by: .milliseconds(50))
        #expect(await eventually { spool.segmentCount == 2 })
        #expect(a.syncedSequence == 5 && b.syncedSequence == 3 && spool.start == 2)
        let calls = world.watched.calls().filter { !$0.hasPrefix("open") }
        #expect(
            calls == [
                "write cursors/forward.a", "write cursors/forward.b", "write cursors/forward.a", "sync cursors/forward.a",
                "sync cursors/forward.b",
                "write mark", "sync mark", "remove segments/00000000000000000001.segment", "syncFolder segments",
            ])
        #expect(try world.mark()?.released == 2 && world.segments() == ["00000000000000000002.segment", "00000000000000000003.segment"])
        // All but the newest, which has the log's place.
        b.move(to: 5, settled: 0)
        await spool.syncCursors()
        #expect(spool.segmentCount == 1 && spool.start == 4)
        #expect(spool.byteCount == 40_960 + (72 << 10))
        await spool.close()
        world.clock.advance(by: .seconds(7200))
    }

    @Test("nothing is removed before all that will be asked for is there, nor without a cursor, nor from dead letters")
    func kept() async throws {
        let world = World()
        let spool = try world.open()
        for _ in 0..<5 { try await self.commit(spool, self.large) }
        await spool.releasePassedSegments()
        await spool.syncCursors()
        #expect(spool.segmentCount == 3, "no cursor")
        await spool.close()
        let again = try world.open()
        let cursor = try await again.cursor("forward/a", route: routeA)
        cursor.move(to: 5, settled: 5)
        await again.syncCursors()
        #expect(again.segmentCount == 3, "not released")
        await again.releasePassedSegments()
        #expect(again.segmentCount == 1)
        await again.close()
    }

    @Test(
        "a disk that breaks its word ends the process",
        arguments: [("write segments/new-1", EIO), ("sync segments/new-1", EIO)] as [(String, Int32)])
    func brokenWord(call: String, number: Int32) async throws {
        let world = World()
        // Where the file system has no O_DIRECT each group is synced by a call.
        let plain = Happenings<Void>()
        world.watched.fail { call in
            guard call == "open segments/new-1", plain.count == 0 else { return nil }
            plain.add(())
            return EINVAL
        }
        let spool = try world.open()
        try await self.commit(spool, "0")
        world.watched.fail { $0 == call ? number : nil }
        let acknowledged = Happenings<Void>()
        Task.detached {
            _ = try? await spool.commit([submission([(routeA, ["1"])])])
            acknowledged.add(())
        }
        await world.broken.told.wait(forCount: 1)
        #expect(world.broken.told.all[0].systemCode == EIO && acknowledged.count == 0 && spool.durableEnd == 1)
    }

    @Test("what is committed is counted, to the byte")
    func counted() async throws {
        let world = World()
        let spool = try world.open()
        _ = try await spool.commit([submission([(routeA, ["0", "1", "2"])])])
        try await self.commit(spool, self.large)
        let text = world.metrics.render()
        #expect(text.contains("forebay_spool_written_bytes_total \(4096 + 40_960)"))
        #expect(text.contains("forebay_spool_group_events_sum 4") && text.contains("forebay_spool_group_events_count 2"))
        #expect(text.contains("forebay_spool_sync_duration_seconds_count 2") && text.contains("forebay_buffer_corruption_total 0"))
        func bounds(_ name: String) -> [String] {
            text.split(separator: "\n").filter { $0.hasPrefix(name + "_bucket{le=") }.map { $0.split(separator: "\"")[1].description }
        }
        #expect(bounds("forebay_spool_group_events") == ["1", "4", "16", "64", "256", "1024", "4096", "16384", "65536", "+Inf"])
        #expect(
            bounds("forebay_spool_sync_duration_seconds") == [
                "0.0001", "0.00025", "0.0005", "0.001", "0.0025", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5",
                "+Inf",
            ])
        await spool.close()
    }

    @Test("the lock's file holds the process; where that can't be written it holds nothing, and locks all the same")
    func lock() async throws {
        let world = World()
        let path = world.directory + "/lock"
        try Data("99999999999\nold".utf8).write(to: URL(filePath: path))
        var lock: SpoolLock? = try SpoolLock(world.watched.disk, directory: world.directory)
        #expect(FileManager.default.contents(atPath: path) == Data("\(getpid())\n".utf8) && lock?.holds == true)
        var error = #expect(throws: ForebayError.self) { try SpoolLock(world.watched.disk, directory: world.directory) }
        #expect(error?.code == .spoolLocked && error?.recovery == .stop)
        #expect(error?.message == "\(world.directory) is in use by another forebay (process \(getpid())); one process owns a data folder")
        try Data().write(to: URL(filePath: path + ".x"))
        #expect(truncate(path, 0) == 0)
        error = #expect(throws: ForebayError.self) { try SpoolLock(world.watched.disk, directory: world.directory) }
        #expect(error?.message == "\(world.directory) is in use by another forebay; one process owns a data folder")
        lock?.release()
        #expect(lock?.holds == true, "it is not ours to say any more")
        lock = nil
        for number in [ENOSPC, EIO] {
            world.watched.fail { $0 == "write lock" ? number : nil }
            lock = try SpoolLock(world.watched.disk, directory: world.directory)
            #expect(throws: ForebayError.self) { try SpoolLock(world.watched.disk, directory: world.directory) }
            lock?.release()
        }
        world.watched.fail(nil)
        lock = try SpoolLock(world.watched.disk, directory: world.directory)
        try FileManager.default.removeItem(atPath: path)
        #expect(lock?.holds == false)
    }

    @Test("a hole is told of once, wherever it is met again, and with what goes on where it ended as one")
    func reporter() throws {
        let log = LogCapture()
        defer { log.close() }
        let clock = ManualClock(), metrics = MetricsRegistry(), folder = "/reporter-\(UUID().uuidString)"
        let reporter = SpoolReporter(directory: folder, metrics: SpoolMetrics(metrics), time: clock)
        func hole(_ range: Range<UInt64>, unit: UInt64? = nil) -> MissingRange {
            MissingRange(sequences: range, segment: 3, position: 77, reason: "planted", unit: unit)
        }
        let noticed = clock.wallMilliseconds
        for known in [5..<10, 5..<10, 6..<8] as [Range<UInt64>] { reporter.report(hole(known)) }
        clock.advance(by: .seconds(1))
        for hole in [hole(10..<12), hole(20..<21, unit: 4), hole(9..<11)] { reporter.report(hole) }
        #expect(reporter.missing.map(\.sequences) == [5..<12, 20..<21] && reporter.missing.map(\.events) == [7, 1])
        #expect(reporter.missing.map(\.noticedAt) == [noticed, noticed + 1000])
        reporter.report(SpoolAlarm(file: folder + "/f", text: "gone"))
        #expect(reporter.alarms.map(\.text) == ["gone"] && reporter.alarms.map(\.noticedAt) == [noticed + 1000])
        #expect(metrics.render().contains("forebay_buffer_corruption_total 4"))
        let told = log.records(label: "spool").filter { $0["folder"] == folder || $0["file"] == folder + "/f" }
        #expect(told.map { $0["sequences"] } == ["5..<10", "10..<12", "20..<21", nil] && told.map { $0["unit"] } == ["-", "-", "4", nil])
        #expect(
            told.allSatisfy { $0.level == .error } && told.last?["what"] == "gone" && told.first?["segment"] == "3"
                && told.first?["position"] == "77")
    }
}
