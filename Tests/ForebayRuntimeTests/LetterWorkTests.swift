import ForebayAdmin
import ForebayCore
import ForebayDelivery
import ForebayKafka
import ForebaySpool
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Synchronization
import Testing

@testable import ForebayRuntime

/// Replays over logs on disk, of which one has no room at times.
@Suite("Replaying dead letters, piece by piece", .timeLimit(.minutes(1)))
struct LetterWorkTests {
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
        let target = LetterTarget(name: DeliveryName(.forward, of: "r"), letters: letters, setAside: .undelivered(DeliveryName(.forward, of: "r"), log))
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

    private final class Room: Sendable {
        let isThere = Atomic(false)
    }
}
