import ForebayCore
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Synchronization
import Testing

@testable import ForebaySpool

/// What a list of dead letters reads of the disk, and what it makes of events that are none.
@Suite("Dead letters: lists")
struct DeadLetterListTests {
    private let fixture = SpoolFixture(segmentSize: 64 << 10)
    private let disk = FaultDisk()

    private func opening() throws -> @Sendable (String) throws(ForebayError) -> Spool {
        let budget = try SpoolBudget(capacity: 1 << 30, directory: self.fixture.directory, disk: self.disk)
        let (threads, metrics, disk) = (self.fixture.threads, SpoolMetrics(self.fixture.metrics), self.disk)
        return { folder throws(ForebayError) in
            var configuration = SpoolConfiguration(directory: folder, kind: .deadLetters, segmentSize: 64 << 10) { fatalError("\($0)") }
            (configuration.disk, configuration.recentBytes) = (disk, 0)
            return try Spool.open(configuration, budget: budget, threads: threads, metrics: metrics)
        }
    }

    private func open() throws -> DeadLetters {
        try DeadLetters(
            route: "a", directory: self.fixture.directory, disk: self.disk, threads: self.fixture.threads, open: self.opening())
    }

    @Test("a list reads no further than it is long, inside and outside the node")
    func readsNoFurther() async throws {
        let letters = try self.open()
        let record = batch(routeA, [String(repeating: "l", count: 40_000)]).withUnsafeBytes { Array($0) }
        let letter = DeadLetter(
            topic: "t", code: "c", reason: "r", eventID: "id", offset: Offset(lane: .spool(.none), number: 3), record: record)
        // Two a segment.
        for _ in 0..<6 { _ = try await letters.append([letter]) }
        let read = Mutex<Set<String>>([])
        self.disk.fail { call, path in
            // The data of a segment, and not its header.
            guard call == .read, let place = path.split(separator: "@").last?.split(separator: "+").first, let place = Int(place),
                (8192..<8192 + 81_920).contains(place)
            else { return nil }
            read.withLock { _ = $0.insert(String(path.split(separator: "@")[0].suffix(9))) }
            return nil
        }
        func segments() -> Set<String> {
            read.withLock { read in
                defer { read = [] }
                return read
            }
        }
        #expect(try await letters.list(after: nil, limit: 2).map(\.sequence) == [0, 1])
        #expect(segments() == ["1.segment"])
        #expect(try await letters.list(after: nil, limit: 0).isEmpty && segments().isEmpty)
        #expect(try await letters.list(after: 3, limit: 9).map(\.sequence) == [4, 5])
        #expect(segments() == ["3.segment"])
        await letters.close()
        _ = segments()
        let list = { after, limit in
            try DeadLetters.list(directory: self.fixture.directory, after: after, limit: limit, disk: self.disk).map(\.sequence)
        }
        #expect(try list(nil, 2) == [0, 1] && segments() == ["1.segment"])
        #expect(try list(nil, 3) == [0, 1, 2] && segments() == ["1.segment", "2.segment"])
    }

    @Test("an event that is no dead letter is listed with no code, and from nowhere")
    func plain() async throws {
        let spool = try self.opening()(self.fixture.directory)
        try await spool.append("a", ["x"])
        await spool.close()
        let entry = try #require(try DeadLetters.list(directory: self.fixture.directory, after: nil, limit: 1).first)
        #expect(entry.code == "" && entry.reason == "" && entry.offset == 0 && entry.value == Array("x".utf8) && entry.at == 1000)
    }

    @Test("a log that was opened and holds nothing says so when it is closed, and one with a single letter does not")
    func closed() async throws {
        for count in 0...1 {
            let letters = try self.open()
            let letter = DeadLetter(
                topic: "t", code: "c", reason: "r", eventID: "id", offset: Offset(lane: .spool(.none), number: 3),
                record: batch(routeA, ["x"]).withUnsafeBytes { Array($0) })
            _ = try await letters.append([DeadLetter](repeating: letter, count: count))
            #expect(await letters.close() == (count == 0))
        }
    }
}
