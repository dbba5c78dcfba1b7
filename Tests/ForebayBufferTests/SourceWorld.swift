import ForebayCore
import ForebaySpool
import ForebayTelemetry
import ForebayTestKit
import Foundation

@testable import ForebayBuffer

/// A spool with sources on it, in a folder of its own.
final class SourceWorld {
    let directory: String
    let threads = SpoolThreads()
    let spool: Spool

    let disk = FaultDisk()

    /// As an operator would copy it: of a node that is down.
    func copy() throws -> String {
        let copy = self.directory + "-\(UUID().uuidString.prefix(4))"
        try FileManager.default.copyItem(atPath: self.directory, toPath: copy)
        return copy
    }

    init(
        recentBytes: Int, segmentSize: Int = 1 << 20,
        directory: String = NSTemporaryDirectory() + "forebay-source-" + UUID().uuidString
    ) throws {
        self.directory = directory
        var configuration = SpoolConfiguration(directory: self.directory, segmentSize: segmentSize) { fatalError("\($0)") }
        configuration.disk = self.disk
        configuration.recentBytes = recentBytes
        let budget = try SpoolBudget(capacity: 1 << 30, directory: self.directory)
        self.spool = try Spool.open(configuration, budget: budget, threads: self.threads, metrics: SpoolMetrics(MetricsRegistry()))
    }

    deinit {
        try? FileManager.default.removeItem(atPath: self.directory)  // A temporary folder.
    }

    /// - Parameters:
    ///   - loop: where it hands over; none: a thread of its own.
    ///   - time: by which it tells ages.
    func source(
        _ route: String, witnesses: [LogWitness] = [], windowBytes: Int = BufferConfiguration().windowBytes,
        readAheadBytes: Int = BufferConfiguration().readAheadBytes,
        on loop: ThreadExecutor? = nil, time: any TimeSource = Surroundings.real.time
    ) async throws -> (source: SpoolSource, cursor: SpoolCursor) {
        let cursor = try await self.spool.cursor("forward/\(route)", route: RouteID(name: route))
        let ahead = try cursor.openAhead(end: self.spool.durableEnd, witnesses: witnesses)
        let loop = loop ?? ThreadExecutor(label: "source")
        var surroundings = Surroundings.real
        surroundings.time = time
        let source = SpoolSource(
            spool: self.spool, cursor: cursor, executor: loop, threads: self.threads,
            configuration: BufferConfiguration(readAheadBytes: readAheadBytes, windowBytes: windowBytes), surroundings: surroundings,
            ahead: ahead)
        return (source, cursor)
    }

    func commit(_ route: String, _ count: Int, size: Int = 0, acceptedAt: Int64 = 1) async throws {
        try await self.commit(route, (0..<count).map { "\($0)" + String(repeating: " ", count: size) }, acceptedAt: acceptedAt)
    }

    func commit(_ route: String, _ values: [String], acceptedAt: Int64 = 1) async throws {
        let batch = EventFactory.batch(values.map { .init("t", value: $0) }, spool: self.spool.id, first: 0)
        let routed = Batch(
            lane: batch.lane, origin: nil, first: 0, count: batch.count, route: RouteID(name: route), acceptedAt: acceptedAt,
            slab: batch.slab, range: batch.range)
        _ = try await self.spool.commit([Submission(batches: [routed], ack: AckToken { _ in })])
    }

    /// Reads a route's events until all up to the durable end were looked at.
    static func read(_ source: SpoolSource, through end: UInt64) async -> [UInt64] {
        var sequences: [UInt64] = []
        for await batch in source.batches() {
            batch.forEachEvent { sequences.append($1) }
            if (sequences.last ?? 0) + 1 >= end { break }
        }
        return sequences
    }
}
