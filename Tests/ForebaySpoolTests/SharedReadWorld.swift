import ForebayCore
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Synchronization
import Testing

@testable import ForebaySpool

/// A spool with nothing in memory, whose readers' calls on the disk are counted.
final class SharedReadWorld {
    /// A reader, and what it was given and told.
    final class Reading {
        fileprivate(set) var reader: SpoolReader!
        /// Their sequences.
        private(set) var events: [UInt64] = []
        /// Of all their bytes.
        private var checksum: UInt32 = 0
        fileprivate(set) var missing: [Range<UInt64>] = []
        var next: UInt64 { self.reader.next }

        /// Whether another was given the same.
        func hasSame(as other: Reading) -> Bool { self.events == other.events && self.checksum == other.checksum }

        /// One turn.
        ///
        /// - Returns: false: it gets no further without patience.
        @discardableResult func turn(upTo bytes: Int = 256 << 10, isPatient: Bool = true) throws -> Bool {
            let batches = isPatient ? try self.reader.readDisk(upTo: bytes) : try self.reader.readImpatiently(upTo: bytes)
            for batch in batches ?? [] {
                self.events += batch.first..<batch.end
                self.checksum = batch.withUnsafeBytes { SpoolFormat.crc($0, from: self.checksum) }
            }
            return batches != nil
        }

        func finish() throws {
            while !self.reader.isCaughtUp { try self.turn() }
            try self.turn()
        }
    }

    let fixture: SpoolFixture
    let disk = FaultDisk()
    let spool: Spool
    private let cache: ReadCache
    private let calls = Calls()

    /// What the disk was asked for, and where it fails.
    private final class Calls: Sendable {
        struct State {
            var reads: [String] = []
            var failing: (@Sendable (_ file: String, _ blocks: Range<Int>) -> Int32?)?
        }

        let state = Mutex(State())
    }

    init(segmentSize: Int = 2 << 20, shared: Int = 16 << 20) throws {
        self.fixture = SpoolFixture(segmentSize: segmentSize)
        self.cache = ReadCache(limit: shared)
        self.spool = try self.fixture.open(on: self.disk) { $0.recentBytes = 0 }
        self.disk.fail { [calls] call, path in
            guard call == .read, path.contains("/segments/") else { return nil }
            let name = path.split(separator: "/").last!
            let parts = name.split { "@+".contains($0) }
            let (start, count) = (Int(parts[1])!, Int(parts[2])!)
            let failing = calls.state.withLock { state in
                state.reads.append(String(name))
                return state.failing
            }
            return failing?(String(parts[0]), start / 4096..<(start + count) / 4096)
        }
    }

    /// One that reads the disk from now on.
    func reading(_ route: RouteID? = nil, from sequence: UInt64 = 0) throws -> Reading {
        let reading = Reading()
        reading.reader = SpoolReader(
            view: self.spool.view, disk: self.disk, cache: self.cache, metrics: self.spool.readers.metrics,
            routes: route.map { .one($0) } ?? .all, from: sequence,
            onMissing: { [unowned reading] in reading.missing.append($0.sequences) },
            onLeftOut: { _ in })
        try reading.turn(upTo: 0)
        return reading
    }

    /// From now on reads of these blocks fail so.
    func fail(_ rule: (@Sendable (_ file: String, _ blocks: Range<Int>) -> Int32?)?) { self.calls.state.withLock { $0.failing = rule } }

    /// Calls that read segments since the last time, as `N.segment@position+count`.
    func takeReads() -> [String] {
        self.calls.state.withLock { state in
            defer { state.reads = [] }
            return state.reads
        }
    }

    /// Bytes of those calls.
    func takeBytes() -> Int { self.takeReads().reduce(0) { $0 + Int($1.split(separator: "+").last!)! } }

    var sharedBytes: Int { self.cache.byteCount }

    /// What the metric says.
    var counted: Int {
        let line = self.fixture.metrics.render().split(separator: "\n").first { $0.hasPrefix("forebay_spool_read_bytes_total") }
        return line.flatMap { Int($0.split(separator: " ").last!) } ?? -1
    }

    /// Groups of one frame for each route, of so many events of so many bytes.
    func fill(_ groups: Int, _ routes: [RouteID] = [routeA], events: Int = 4, size: Int = 10_000) async throws {
        let value = String(repeating: "s", count: size)
        let batches = routes.map { batch($0, (0..<events).map { "\($0) " + value }) }
        for _ in 0..<groups { _ = try await self.spool.commit([Submission(batches: batches, ack: AckToken { _ in })]) }
    }

    var segmentBytes: Int { self.spool.view.read { state in state.segments.reduce(0) { $0 + $1.dataEnd - $1.header.dataStart } } }

    /// Positions of the frames of a segment.
    func frames(_ segment: SegmentInfo) throws -> [(header: FrameHeader, position: Int)] {
        var scanner = SegmentScanner(
            file: try SystemDisk().open(segment.path, []), salt: segment.salt, position: segment.header.dataStart, limit: segment.dataEnd)
        var found: [(FrameHeader, Int)] = []
        while case .frame(let header, let position) = try scanner.step() { found.append((header, position)) }
        return found
    }

    /// Changes a byte on the disk, under everybody.
    func flip(_ segment: UInt64, at position: Int) throws {
        let path = try #require(self.spool.view.read { state in state.segments.first { $0.number == segment }?.path })
        let file = try #require(FileHandle(forUpdatingAtPath: path))
        try file.seek(toOffset: UInt64(position))
        let byte = try #require(try file.read(upToCount: 1)?.first)
        try file.seek(toOffset: UInt64(position))
        try file.write(contentsOf: Data([byte ^ 0xFF]))
        try file.close()
    }
}
