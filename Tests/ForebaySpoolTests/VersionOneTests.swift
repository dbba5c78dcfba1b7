import ForebayCore
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Glibc
import Testing

@testable import ForebaySpool

/// Data folders that the release before the registry of cursors left (Fixtures/README.md): read whole, and refused by that release from
/// then on.
@Suite("Spool: format version 1")
struct VersionOneTests {
    static let names = ["clean", "killed", "aside-killed", "aside-clean", "drained", "killed-twice"]

    /// One of the folders, unpacked in a place of its own.
    private final class Folder: Sendable {
        let path = NSTemporaryDirectory() + "forebay-v1-" + UUID().uuidString
        private let manifest: Data
        let threads = SpoolThreads()

        init(_ name: String) throws {
            let fixtures = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures")
            try FileManager.default.createDirectory(atPath: self.path, withIntermediateDirectories: true)
            let tar = Process()
            tar.executableURL = URL(filePath: "/bin/tar")
            tar.arguments = ["-xzf", fixtures.appending(path: "v1-\(name).tar.gz").path, "-C", self.path]
            try tar.run()
            tar.waitUntilExit()
            self.manifest = try Data(contentsOf: fixtures.appending(path: "v1-\(name).json"))
        }

        func routes() throws -> [String: [String: Any]] {
            try #require((JSONSerialization.jsonObject(with: self.manifest) as? [String: Any])?["routes"] as? [String: [String: Any]])
        }

        deinit {
            try? FileManager.default.removeItem(atPath: self.path)  // A temporary folder.
        }

        func open(_ directory: String, _ kind: LogKind) throws(ForebayError) -> Spool {
            let budget = try SpoolBudget(capacity: 1 << 30, directory: self.path)
            let configuration = SpoolConfiguration(directory: directory, kind: kind, segmentSize: 128 << 10) { fatalError("\($0)") }
            return try Spool.open(configuration, budget: budget, threads: self.threads, metrics: SpoolMetrics(MetricsRegistry()))
        }

        /// The folder that holds the spool and the side logs.
        var data: String {
            FileManager.default.fileExists(atPath: self.path + "/spool") ? self.path : self.path + "/data"
        }
    }

    @Test("drains whole: every event with its id, in order, from where each cursor stood", arguments: Self.names)
    func drains(_ name: String) async throws {
        let log = LogCapture()
        defer { log.close() }
        let folder = try Folder(name)
        #expect(try DataFolderInspection(directory: folder.data).verify().problems.isEmpty, "as it was left")
        for start in 0..<2 {
            let spool = try folder.open(folder.data + "/spool", .spool)
            #expect(spool.missing.isEmpty && spool.alarms.isEmpty, "start \(start)")
            for (route, expected) in try folder.routes().sorted(by: { $0.key < $1.key }) {
                let cursor = try await spool.cursor("forward/\(route)", route: RouteID(name: route))
                #expect(cursor.sequence == (expected["cursor"] as? UInt64), "\(route), start \(start)")
                let events = try self.events(spool.reader(of: cursor))
                try self.compare(events, expected, "\(route), start \(start)")
                #expect(spool.lag(of: cursor) == UInt64(events.count), "\(route), start \(start)")
            }
            let told = log.records(label: "spool").filter {
                $0["folder"] == folder.data + "/spool" && $0.message.contains("format version")
            }
            #expect(told.map { $0.message.hasPrefix("the log was written in format version 1; ") } == [true], "start \(start): once")
            await spool.releasePassedSegments()
            await spool.close()
        }
        // The next start reads it as its own.
        #expect(try CursorRegistry.read(SystemDisk(), of: folder.data + "/spool").registry?.cursors.count == folder.routes().count)
        #expect(try SpoolInspection(directory: folder.data + "/spool").verify().problems.isEmpty)
    }

    @Test("a segment that was cut to its header has lost nothing, to an inspection as to a start")
    func cut() async throws {
        let folder = try Folder("clean"), directory = folder.data + "/spool"
        let segments = try SpoolInspection(directory: directory).segments
        try #require(segments.count > 1)
        #expect(truncate(segments[0].file, 4096) == 0)
        let found = try SpoolInspection(directory: directory)
        #expect(found.segments.map(\.end) == segments.map(\.end) && found.segments[0].bytes == 4096)
        let problems = try found.verify().problems
        #expect(problems.isEmpty, "\(problems)")
        let spool = try folder.open(directory, .spool)
        #expect(spool.damage == SpoolDamage())
        await spool.close()
    }

    @Test("a first start that left a mark alone is not of that version: the next one is a first one, too", arguments: [0, 100, 8192])
    func markAlone(size: Int) async throws {
        let fixture = SpoolFixture()
        try FileManager.default.createDirectory(atPath: fixture.directory, withIntermediateDirectories: true)
        try Data(count: size).write(to: URL(filePath: fixture.directory + "/mark"))
        let disk = FaultDisk()
        disk.fail { call, path in
            call == .open && path.hasSuffix("/registry.new") || call == .write && path.hasSuffix("/forward.a") ? ENOSPC : nil
        }
        #expect { try fixture.open(on: disk) } throws: { ($0 as? ForebayError)?.code == .spoolFull }
        for start in 0..<2 {
            let spool = try fixture.open()
            #expect(spool.alarms.isEmpty && spool.missing.isEmpty, "start \(start): \(spool.alarms)")
            _ = try await spool.forward("a")
            await spool.close()
            #expect(try fixture.segmentFiles().isEmpty, "no segment is begun that tells an older version to keep away")
        }
        #expect(try CursorRegistry.read(SystemDisk(), of: fixture.directory).registry?.cursors.map(\.name) == ["forward/a"])
    }

    @Test("what was set aside and the dead letters come out whole, too", arguments: ["aside-killed", "aside-clean"])
    func sideLogs(_ name: String) async throws {
        let folder = try Folder(name)
        for (route, expected) in try folder.routes() {
            let aside = try #require(expected["set_aside"] as? [[String: Any]])
            let log = try SetAsideLog(directory: folder.data + "/setaside/\(route)") { directory throws(ForebayError) in
                try folder.open(directory, .setAside)
            }
            #expect(Set(log.units.map(\.topic)) == Set(aside.compactMap { $0["topic"] as? String }))
            for unit in log.units {
                let expected = try #require(aside.first { $0["topic"] as? String == unit.topic }?["events"] as? [[String: Any]])
                let scan = log.scan([unit.number: unit.settled])
                var ids: [String] = []
                while true {
                    let batches = try scan.read(upTo: 64 << 10)
                    if batches.isEmpty { break }
                    for batch in batches { batch.forEachEvent { event, _ in ids.append(String(decoding: event.id, as: UTF8.self)) } }
                }
                // Those behind lie at or above the cursor of the route, and come from there, too.
                #expect(ids.starts(with: expected.compactMap { $0["id"] as? String }))
            }
            #expect(log.missing.isEmpty)
            await log.close()
            let dead = try #require(expected["dead_letters"] as? [[String: Any]])
            let letters = try DeadLetters(route: route, directory: folder.data + "/deadletters/\(route)", threads: folder.threads) {
                directory throws(ForebayError) in
                try folder.open(directory, .deadLetters)
            }
            let listed = try await letters.list(after: nil, limit: 100)
            #expect(listed.map(\.eventID) == dead.compactMap { $0["id"] as? String })
            #expect(listed.map(\.code) == dead.compactMap { $0["code"] as? String })
            await letters.close()
        }
    }

    @Test("the first start begins a segment that the older release refuses by name")
    func downgrade() async throws {
        let folder = try Folder("clean")
        let spool = try folder.open(folder.data + "/spool", .spool)
        await spool.close()
        let files = try FileManager.default.contentsOfDirectory(atPath: folder.data + "/spool/segments")
            .filter { $0.hasSuffix(".segment") }.sorted()
        let header = try Data(contentsOf: URL(filePath: folder.data + "/spool/segments/\(try #require(files.last))")).prefix(4096)
        // What that release looked at: the magic, a CRC at 8 over 12..<128, and the version at 12.
        Array(header).withUnsafeBytes { bytes in
            #expect(bytes.number(0, as: UInt64.self) == SpoolFormat.segmentMagic)
            #expect(bytes.number(8, as: UInt32.self) == SpoolFormat.crc(bytes.part(12, 116)))
            #expect(bytes.number(12, as: UInt32.self) == 3)
        }
    }

    private struct Found {
        let id: String
        let topic: String
        let key: String?
        let value: [UInt8]?
        let timestamp: Int64
    }

    private func events(_ reader: SpoolReader) throws -> [Found] {
        var events: [Found] = []
        while true {
            let batches = try reader.read(upTo: 64 << 10)
            if batches.isEmpty, reader.isCaughtUp { return events }
            for batch in batches {
                guard let origin = batch.origin else { continue }
                batch.forEachEvent { event, sequence in
                    let id = event.id.isEmpty ? EventID.text(origin: origin, sequence: sequence) : String(decoding: event.id, as: UTF8.self)
                    events.append(
                        Found(
                            id: id, topic: String(decoding: event.topic, as: UTF8.self),
                            key: event.key.map { String(decoding: $0, as: UTF8.self) }, value: event.value.map(Array.init),
                            timestamp: event.timestamp))
                }
            }
        }
    }

    /// Nobody was told of what was not acknowledged: each request of it is there whole, or not at all.
    private func compare(_ found: [Found], _ expected: [String: Any], _ what: String) throws {
        let acknowledged = try #require(expected["events"] as? [[String: Any]])
        var rest = found[...]
        for event in acknowledged {
            let id = try #require(event["id"] as? String)
            while let next = rest.first, next.id != id { rest.removeFirst() }
            let next = try #require(rest.first, "\(what): \(id) is lost or out of order")
            rest.removeFirst()
            #expect(next.topic == event["topic"] as? String)
            if let key = event["key"] as? String { #expect(next.key == key) }
            if let value = event["value"] as? String { #expect(next.value == Array(value.utf8)) }
            if event["value"] == nil, event["value_base64"] == nil { #expect(next.value == nil) }
            #expect(next.timestamp == event["timestamp"] as? Int64)
        }
        let unacknowledged = try #require(expected["unacknowledged"] as? [[Any]] ?? (expected["unacknowledged"] as? [Any]).map { [$0] })
        #expect(found.count >= acknowledged.count)
        if unacknowledged.allSatisfy(\.isEmpty) { #expect(found.count == acknowledged.count, "\(what)") }
    }
}
