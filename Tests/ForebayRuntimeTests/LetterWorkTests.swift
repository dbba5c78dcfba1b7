import ForebayAdmin
import ForebayCore
import ForebayDelivery
import ForebayKafka
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Glibc
import Synchronization
import Testing

@testable import ForebayRuntime
@testable import ForebaySpool

/// Replays over logs on disk, of which one has no room at times.
@Suite("Replaying dead letters, piece by piece", .timeLimit(.minutes(1)))
struct LetterWorkTests {
    /// Nine letters of a route, and a log for what is set aside.
    private struct World {
        let folder = NodeFixture.folder()
        let threads = SpoolThreads()
        let disk = FaultDisk()
        let letters: DeadLetters
        let log: SetAsideLog
        let room = Room()

        init() async throws {
            let (threads, disk, room) = (self.threads, self.disk, self.room)
            let budget = try SpoolBudget(capacity: 1 << 30, directory: self.folder.path)
            let open = { @Sendable (path: String, kind: LogKind) throws(ForebayError) in
                var configuration = SpoolConfiguration(directory: path, kind: kind, segmentSize: 1 << 20) { fatalError("\($0)") }
                configuration.disk = disk
                return try Spool.open(configuration, budget: budget, threads: threads, metrics: SpoolMetrics(MetricsRegistry()))
            }
            self.letters = try DeadLetters(route: "r", directory: self.folder.path + "/letters", disk: disk, threads: threads) {
                path throws(ForebayError) in try open(path, .deadLetters)
            }
            self.log = try SetAsideLog(directory: self.folder.path + "/aside") { path throws(ForebayError) in
                guard room.isThere.load(ordering: .relaxed) else { throw ForebayError(.spoolFull, recovery: .retry, "no room") }
                return try open(path, .setAside)
            }
            _ = try await self.letters.append(
                (0..<9).map(Self.letter))
        }

        static func letter(_ number: Int) -> DeadLetter {
            DeadLetter(
                topic: "t", code: "C", reason: "", eventID: "id-\(number)", offset: Offset(lane: .spool(.none), number: 0),
                record: NodeFixture.batch("t", ["v\(number)"]).withUnsafeBytes { Array($0) })
        }

        /// - Parameter pieces: how many may be begun.
        func work(
            _ action: LetterAction, _ selection: LetterSelection, pieces: Int = .max, asOf: Int64 = WallClock.milliseconds
        ) async throws -> LetterOutcome {
            let target = LetterTarget(
                name: DeliveryName(.forward, of: "r"), letters: self.letters,
                setAside: .undelivered(DeliveryName(.forward, of: "r"), self.log))
            var outcome = LetterOutcome(action, isDryRun: selection.isDryRun, asOf: asOf)
            let begun = Count()
            let isOver = { @Sendable in begun.pieces.wrappingAdd(1, ordering: .relaxed).newValue > pieces }
            try await LetterWork(action: action, selection: selection, now: WallClock.milliseconds, isOver: isOver).run([target], &outcome)
            return outcome
        }

        func replay(_ ids: Set<String>) async -> (outcome: LetterOutcome, failure: ForebayError?) {
            let target = LetterTarget(
                name: DeliveryName(.forward, of: "r"), letters: self.letters,
                setAside: .undelivered(DeliveryName(.forward, of: "r"), self.log))
            var selection = LetterSelection()
            selection.ids = ids
            var outcome = LetterOutcome(.replay, isDryRun: false, asOf: WallClock.milliseconds)
            do throws(ForebayError) {
                try await LetterWork(action: .replay, selection: selection, now: WallClock.milliseconds).run([target], &outcome)
                return (outcome, nil)
            } catch {
                return (outcome, error)
            }
        }

        func end() async {
            await self.letters.close()
            await self.log.close()
            self.threads.end()
            try? FileManager.default.removeItem(at: self.folder)  // Cleaning up is a courtesy.
        }
    }

    @Test(
        "what is set aside and can't be removed for now is replayed all the same: it is counted, and nobody who asks again sends it twice")
    func notRemoved() async throws {
        for number in [ENOSPC, EIO, EACCES] {
            let world = try await World()
            world.room.isThere.store(true, ordering: .relaxed)
            world.disk.fail { call, path in [.open, .write].contains(call) && path.contains("/removed") ? number : nil }
            for attempt in 0..<3 {
                let (outcome, failure) = await world.replay(["id-1", "id-2", "id-7"])
                #expect(outcome.letters == (attempt == 0 ? 3 : 0) && failure == nil)
                #expect(world.log.units.map(\.end) == [3] && world.letters.count == 6)
                #expect(try await world.letters.list(after: nil, limit: 99).map(\.sequence) == [0, 3, 4, 5, 6, 8])
            }
            world.disk.fail(nil)
            await world.letters.close()
            let left = try DeadLetters.list(directory: world.folder.path + "/letters", after: nil, limit: 99).map(\.sequence)
            #expect(left == [0, 3, 4, 5, 6, 8], "written as soon as it can be")
            await world.end()
        }
    }

    @Test(
        "a request goes on where the one before ended, also one that only asks: what died meanwhile is not meant, whatever the clock says")
    func goesOn() async throws {
        for isDryRun in [true, false] {
            let world = try await World()
            world.room.isThere.store(true, ordering: .relaxed)
            var selection = LetterSelection()
            (selection.isAll, selection.isDryRun) = (true, isDryRun)
            let first = try await world.work(.replay, selection, pieces: 0)
            #expect(first.letters == 0 && first.rest.map(\.description) == ["r:0-9"])
            // Set back, its letters count as older.
            _ = try await world.letters.append([World.letter(9)])
            selection.rest = [.init(delivery: DeliveryName(.forward, of: "r"), numbers: 4..<9)]
            let second = try await world.work(.replay, selection, asOf: .max)
            #expect(second.letters == 5 && second.rest.isEmpty)
            let left = try await world.letters.list(after: nil, limit: 99).map(\.sequence)
            #expect(left == (isDryRun ? Array(0...9) : [0, 1, 2, 3, 9]))
            selection.rest = [.init(delivery: DeliveryName(.forward, of: "other"), numbers: 0..<9)]
            #expect(try await world.work(.replay, selection).letters == 0)
            await world.end()
        }
    }

    @Test("what could not be removed, for its letters lie in too many pieces, is not replayed, however often it is asked for")
    func tooManyPieces() async throws {
        let world = try await World()
        world.room.isThere.store(true, ordering: .relaxed)
        let many = (0..<262_144 as Range<UInt64>).map { 100 + $0 * 2..<101 + $0 * 2 }
        try #require(world.letters.parts).removed.add(many, start: 0, end: .max - 1)
        for _ in 0..<2 {
            let (outcome, failure) = await world.replay(["id-1", "id-7"])
            #expect(failure?.code == "too_many_pieces" && outcome.letters == 0)
            #expect(world.log.isEmpty && world.letters.count == 9)
        }
        await world.end()
    }

    @Test("a letter goes only when its event is durable in the set-aside log: without room there all stay, and nothing is told otherwise")
    func noRoom() async throws {
        let folder = NodeFixture.folder()
        defer { try? FileManager.default.removeItem(at: folder) }  // Cleaning up is a courtesy.
        let threads = SpoolThreads()
        defer { threads.end() }
        let budget = try SpoolBudget(capacity: 1 << 30, directory: folder.path)
        let open = { @Sendable (path: String, kind: LogKind) throws(ForebayError) in
            try Spool.open(
                SpoolConfiguration(directory: path, kind: kind, segmentSize: 1 << 20) { fatalError("\($0)") }, budget: budget,
                threads: threads, metrics: SpoolMetrics(MetricsRegistry()))
        }
        let letters = try DeadLetters(route: "r", directory: folder.path + "/letters", threads: threads) { path throws(ForebayError) in
            try open(path, .deadLetters)
        }
        _ = try await letters.append(
            (0..<9).map { number in
                DeadLetter(
                    topic: "t", code: "C", reason: "", eventID: "id-\(number)", offset: Offset(lane: .spool(.none), number: 0),
                    record: NodeFixture.batch("t", ["v\(number)"]).withUnsafeBytes { Array($0) })
            })
        let room = Room()
        let log = try SetAsideLog(directory: folder.path + "/aside") { path throws(ForebayError) in
            guard room.isThere.load(ordering: .relaxed) else { throw ForebayError(.spoolFull, recovery: .retry, "no room") }
            return try open(path, .setAside)
        }
        let target = LetterTarget(
            name: DeliveryName(.forward, of: "r"), letters: letters, setAside: .undelivered(DeliveryName(.forward, of: "r"), log))
        var selection = LetterSelection()
        selection.ids = ["id-1", "id-2", "id-7"]
        let work = LetterWork(action: .replay, selection: selection, now: WallClock.milliseconds)
        var outcome = LetterOutcome(.replay, isDryRun: false, asOf: WallClock.milliseconds)
        var failure: ForebayError?
        do throws(ForebayError) { try await work.run([target], &outcome) } catch { failure = error }
        #expect(failure?.code == .spoolFull && outcome.letters == 0 && letters.count == 9 && log.isEmpty)

        room.isThere.store(true, ordering: .relaxed)
        try await work.run([target], &outcome)
        #expect(outcome.letters == 3 && letters.count == 6 && log.units.map(\.end) == [3])
        let left = try await letters.list(after: nil, limit: 99)
        #expect(left.map(\.sequence) == [0, 3, 4, 5, 6, 8])
        var found: [String] = []
        let scan = log.scan([log.units[0].number: 0])
        for batch in try scan.read(upTo: 1 << 20) {
            batch.forEachEvent { event, _ in
                var header = ""
                event.forEachHeader { name, value in
                    header += String(decoding: name, as: UTF8.self) + "=" + (value.map { String(decoding: $0, as: UTF8.self) } ?? "")
                }
                found.append(String(decoding: event.id, as: UTF8.self) + " " + header)
            }
        }
        let time = "forebay-replayed-at=" + Timestamp.rfc3339(work.now)
        #expect(
            found == ["id-1 \(time)", "id-2 \(time)", "id-7 \(time)"],
            "with its id, and nothing of the dead letter but when it was replayed")
        await letters.close()
        await log.close()
    }

    private final class Count: Sendable {
        let pieces = Atomic(0)
    }

    private final class Room: Sendable {
        let isThere = Atomic(false)
    }
}
