import ForebayCore
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Synchronization
import Testing

@testable import ForebaySpool

/// A dead-letter log in a folder of its own, as a node has it.
final class LettersWorld {
    let fixture: SpoolFixture
    let disk: any Disk
    let budget: SpoolBudget

    init(_ fixture: SpoolFixture = SpoolFixture(), disk: any Disk = SystemDisk(), capacity: Int = 1 << 30) throws {
        self.fixture = fixture
        self.disk = disk
        self.budget = try SpoolBudget(capacity: capacity, directory: fixture.directory, disk: disk)
    }

    /// Where it lies: as a node's.
    var directory: String { self.fixture.directory + "/deadletters/orders" }

    func opening(_ kind: LogKind = .deadLetters) -> @Sendable (String) throws(ForebayError) -> Spool {
        let (budget, threads, metrics, disk) = (self.budget, self.fixture.threads, SpoolMetrics(self.fixture.metrics), self.disk)
        return { folder throws(ForebayError) in
            var configuration = SpoolConfiguration(directory: folder, kind: kind, segmentSize: 64 << 10) { fatalError("\($0)") }
            (configuration.disk, configuration.markInterval) = (disk, 60_000)
            return try Spool.open(configuration, budget: budget, threads: threads, metrics: metrics)
        }
    }

    func open() throws -> DeadLetters {
        try DeadLetters(
            route: "orders", directory: self.directory, disk: self.disk, threads: self.fixture.threads, open: self.opening())
    }

    /// The folder as it is now, in another place: what a kill at this instant would leave.
    func crashed() throws -> LettersWorld { try LettersWorld(self.fixture.crashed()) }

    func path(_ name: String) -> String { self.directory + "/" + name }

    /// Names and sizes of the segments' files.
    func segments() throws -> [UInt64: Int] {
        var sizes: [UInt64: Int] = [:]
        for name in try FileManager.default.contentsOfDirectory(atPath: self.path("segments")) {
            guard let number = SegmentFile.number(ofName: name) else { continue }
            sizes[number] = try Data(contentsOf: URL(filePath: self.path("segments/" + name))).count
        }
        return sizes
    }

    static func letter(_ number: Int, topic: String = "topic", code: String = "CODE", size: Int = 10) -> DeadLetter {
        var headers: [UInt8] = []
        headers.append(header: "own".utf8, value: [0xFF, UInt8(truncatingIfNeeded: number)])
        headers.append(header: "null".utf8, value: [])
        for place in 1...4 { headers[headers.count - place] = 0xFF }
        let value = Array(("\(number) " + String(repeating: "v", count: size)).utf8)
        var builder = BatchBuilder()
        Array(topic.utf8).withUnsafeBytes { topic in
            value.withUnsafeBytes { value in
                headers.withUnsafeBytes { headers in
                    var fields = EventFields(topic: topic, value: number % 3 == 0 ? nil : value, timestamp: Int64(number))
                    fields.headers = headers
                    fields.key = number % 2 == 0 ? topic : nil
                    builder.append(fields)
                }
            }
        }
        return DeadLetter(
            topic: topic, code: code, reason: "why", eventID: "id-\(number)", offset: Offset(lane: .spool(.none), number: UInt64(number)),
            record: builder.finish(route: routeA, acceptedAt: 1)!.withUnsafeBytes { Array($0) })
    }
}

extension DeadLetters {
    /// What is listed, in pages of some entries.
    func all(page: Int = 7) async throws -> [DeadLetterEntry] {
        var entries: [DeadLetterEntry] = []
        while true {
            let more = try await self.list(after: entries.last?.sequence, limit: page)
            entries += more
            if more.count < page { return entries }
        }
    }

    func numbers() async throws -> [UInt64] { try await self.all().map(\.sequence) }

    /// What a pass finds, piece by piece.
    func selected(limit: Int, bytes: Int = 1 << 20, _ matches: @escaping @Sendable (DeadLetterHead) -> Bool) async throws -> [UInt64] {
        var pass = LetterPass(matches: matches)
        (pass.limit, pass.bytes, pass.end) = (limit, bytes, self.end)
        var numbers: [UInt64] = []
        while true {
            let found = try await self.select(pass)
            numbers += found.sequences.flatMap { Array($0) }
            guard let next = found.next else { return numbers }
            pass.from = next
        }
    }
}
