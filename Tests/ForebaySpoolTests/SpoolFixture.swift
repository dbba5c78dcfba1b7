import ForebayCore
import ForebayTelemetry
import Foundation

@testable import ForebaySpool

/// A spool in a folder of its own, that can be abandoned as a crash would and opened again.
final class SpoolFixture {
    let directory: String
    let budgetCapacity: Int
    let segmentSize: Int
    private(set) var threads = SpoolThreads()
    let metrics = MetricsRegistry()

    init(segmentSize: Int = 1 << 20, capacity: Int = 1 << 30) {
        self.directory = NSTemporaryDirectory() + "forebay-spool-" + UUID().uuidString
        self.segmentSize = segmentSize
        self.budgetCapacity = capacity
    }

    /// Of a folder that is there.
    init(in directory: String) {
        (self.directory, self.segmentSize, self.budgetCapacity) = (directory, 1 << 20, 1 << 30)
    }

    deinit {
        // Cleaning up is a courtesy.
        try? FileManager.default.removeItem(atPath: self.directory)  // Tests hold their fixture to the end.
    }

    var segmentsFolder: String { self.directory + "/segments" }

    func open(
        preparesNext: Bool = false, on disk: any Disk = SystemDisk(), roomInterval: Int = 1000, cursorSyncInterval: Int = 100,
        budget: SpoolBudget? = nil, _ configure: (inout SpoolConfiguration) -> Void = { _ in }
    ) throws -> Spool {
        let budget = try budget ?? SpoolBudget(capacity: self.budgetCapacity, directory: self.directory, disk: disk)
        var configuration = SpoolConfiguration(directory: self.directory, segmentSize: self.segmentSize) { error in
            fatalError("the disk broke its word: \(error)")
        }
        configuration.preparesNext = preparesNext
        configuration.disk = disk
        configuration.roomInterval = roomInterval
        configuration.cursorSyncInterval = cursorSyncInterval
        configuration.markInterval = 60_000
        configure(&configuration)
        return try Spool.open(configuration, budget: budget, threads: self.threads, metrics: SpoolMetrics(self.metrics))
    }

    /// The folder as it is now, in another place: what a kill at this instant would leave.
    func crashed() throws -> SpoolFixture {
        let copy = SpoolFixture(segmentSize: self.segmentSize, capacity: self.budgetCapacity)
        try Self.copy(self.directory, to: copy.directory)
        return copy
    }

    /// Of a folder from which the keeper may be removing something just now.
    static func copy(_ folder: String, to copy: String) throws {
        for attempt in 1... {
            do {
                return try FileManager.default.copyItem(atPath: folder, toPath: copy)
            } catch {
                guard attempt < 10, (error as? CocoaError)?.code == .fileReadNoSuchFile || (error as? CocoaError)?.code == .fileNoSuchFile
                else { throw error }
                try FileManager.default.removeItem(atPath: copy)
            }
        }
    }

    func segmentFiles() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: self.segmentsFolder).filter { $0.hasSuffix(".segment") }.sorted()
            .map { self.segmentsFolder + "/" + $0 }
    }
}

let routeA = RouteID(name: "a")
let routeB = RouteID(name: "b")

/// A submission of one batch for each entry: its route and its events' values.
func submission(_ batches: [(RouteID, [String])]) -> Submission {
    Submission(batches: batches.map { batch($0.0, $0.1) }, ack: AckToken { _ in })
}

func batch(_ route: RouteID, _ values: [String]) -> Batch {
    var builder = BatchBuilder()
    for value in values {
        var value = value
        value.withUTF8 { value in
            "topic".utf8CString.withUnsafeBytes { topic in
                builder.append(
                    EventFields(topic: UnsafeRawBufferPointer(rebasing: topic[0..<5]), value: UnsafeRawBufferPointer(value), timestamp: 7))
            }
        }
    }
    return builder.finish(route: route, acceptedAt: 1000)!
}

extension Spool {
    /// One event for each value.
    func append(_ route: String, _ values: [String]) async throws {
        _ = try await self.commit([submission([(RouteID(name: route), values)])])
    }

    /// The cursor with which a route's events are forwarded.
    func forward(_ route: String, formerly: [String] = []) async throws -> SpoolCursor {
        try await self.cursor("forward/\(route)", route: RouteID(name: route), formerly: formerly.map { "forward/\($0)" })
    }

    /// The values of what a cursor has before it.
    func waiting(_ cursor: SpoolCursor) throws -> [String] {
        let reader = self.reader(of: cursor)
        var values: [String] = []
        while true {
            for batch in try reader.read(upTo: 64 << 10) {
                batch.forEachEvent { event, sequence in
                    if sequence >= cursor.sequence { values.append(String(decoding: event.value!, as: UTF8.self)) }
                }
            }
            if reader.isCaughtUp { return values }
        }
    }

    /// All events that can be read from a place on, as (sequence, value).
    func events(route: RouteID? = nil, from sequence: UInt64 = 0) throws -> [(UInt64, String)] {
        let reader = self.reader(route: route, from: sequence)
        var events: [(UInt64, String)] = []
        while true {
            let batches = try reader.read(upTo: 64 << 10)
            if batches.isEmpty, reader.isCaughtUp { return events }
            for batch in batches {
                batch.forEachEvent { event, sequence in events.append((sequence, String(decoding: event.value!, as: UTF8.self))) }
            }
        }
    }
}
