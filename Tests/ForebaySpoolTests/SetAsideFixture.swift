import ForebayCore
import ForebayTelemetry
import Foundation

@testable import ForebaySpool

/// A set-aside log in a folder of its own, that can be abandoned as a crash would.
final class SetAsideFixture {
    /// Removed when neither the fixture nor a log in it is held any more.
    private final class TemporaryFolder: Sendable {
        let path = NSTemporaryDirectory() + "forebay-set-aside-" + UUID().uuidString
        deinit { try? FileManager.default.removeItem(atPath: self.path) }  // Cleaning up is a courtesy.
    }

    private let folder = TemporaryFolder()
    let segmentSize: Int
    let capacity: Int
    let threads: SpoolThreads
    let metrics = MetricsRegistry()

    init(segmentSize: Int = 1 << 20, capacity: Int = 1 << 30, threads: SpoolThreads = SpoolThreads()) {
        self.segmentSize = segmentSize
        self.capacity = capacity
        self.threads = threads
    }

    var directory: String { self.folder.path }

    /// - Parameter syncEvery: milliseconds; usually so many that ``SetAsideLog/syncCursors()`` alone syncs.
    func open(
        syncEvery interval: Int = 600_000, on disk: any Disk = SystemDisk(), budget: SpoolBudget? = nil
    ) throws -> SetAsideLog {
        let budget = try budget ?? SpoolBudget(capacity: self.capacity, directory: NSTemporaryDirectory(), disk: disk)
        let (threads, metrics, segmentSize) = (self.threads, SpoolMetrics(self.metrics), self.segmentSize)
        let held = self.folder
        return try SetAsideLog(directory: self.directory, disk: disk) { folder throws(ForebayError) in
            defer { withExtendedLifetime(held) {} }
            var configuration = SpoolConfiguration(directory: folder, kind: .setAside, segmentSize: segmentSize) { error in
                fatalError("the disk broke its word: \(error)")
            }
            configuration.disk = disk
            configuration.markInterval = 60_000
            configuration.cursorSyncInterval = interval
            return try Spool.open(configuration, budget: budget, threads: threads, metrics: metrics)
        }
    }

    /// The folder as it is now, in another place: what a kill at this instant would leave.
    func crashed() throws -> SetAsideFixture {
        let copy = SetAsideFixture(segmentSize: self.segmentSize, capacity: self.capacity, threads: self.threads)
        guard FileManager.default.fileExists(atPath: self.directory) else { return copy }
        try SpoolFixture.copy(self.directory, to: copy.directory)
        return copy
    }

    func segmentFiles() throws -> [String] {
        let folder = self.directory + "/segments"
        return try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".segment") }.sorted()
            .map { folder + "/" + $0 }
    }

    func change(_ path: String, _ body: (inout Data) -> Void) throws {
        var bytes = try Data(contentsOf: URL(filePath: path))
        body(&bytes)
        try bytes.write(to: URL(filePath: path))
    }

    var tablePath: String { self.directory + "/units" }
}

func unit(_ number: UInt64, _ topic: String = "topic", partition: Int32? = nil) -> SetAsideLog.Unit {
    SetAsideLog.Unit(
        number: number, topic: topic, partition: partition, partitionCount: 6, code: "UNKNOWN_TOPIC_OR_PART", reason: "no such topic",
        since: 5000, oldestAcceptedAt: 1000)
}

/// A batch for one unit.
func aside(_ unit: UInt64, _ values: [String]) -> (unit: UInt64, batch: Batch) {
    (unit, batch(RouteID(name: "any"), values))
}

extension SetAsideScan {
    /// All there is now, as (position, value), by unit.
    func all(upTo bytes: Int = 64 << 10) throws -> [UInt64: [(UInt64, String)]] {
        var found: [UInt64: [(UInt64, String)]] = [:]
        while true {
            let batches = try self.read(upTo: bytes)
            if batches.isEmpty, self.isCaughtUp { return found }
            for batch in batches {
                guard case .unit(let number, _) = batch.lane, batch.route == RouteID(rawValue: number) else {
                    fatalError("a batch of no unit")
                }
                batch.forEachEvent { event, position in
                    found[number, default: []].append((position, String(decoding: event.value!, as: UTF8.self)))
                }
            }
        }
    }

    func values(of unit: UInt64) throws -> [String] { try self.all()[unit, default: []].map(\.1) }
}

extension SetAsideLog {
    func unit(_ number: UInt64) -> Unit? { self.units.first { $0.number == number } }
}
