import ForebayCore
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Synchronization
import Testing

@testable import ForebaySpool

@Suite("Dead letters")
struct DeadLettersTests {
    private let fixture = SpoolFixture()

    private func open(_ route: String = "orders") throws -> DeadLetters {
        let budget = try SpoolBudget(capacity: 1 << 30, directory: self.fixture.directory)
        let (threads, metrics) = (self.fixture.threads, self.fixture.metrics)
        return try DeadLetters(route: route, directory: self.fixture.directory + "/letters", threads: threads) {
            folder throws(ForebayError) in
            let configuration = SpoolConfiguration(directory: folder, kind: .deadLetters, segmentSize: 64 << 10) { fatalError("\($0)") }
            return try Spool.open(configuration, budget: budget, threads: threads, metrics: SpoolMetrics(metrics))
        }
    }

    @Test("whoever lists dead letters of a disk that hangs waits for it, and none of Swift's own threads does")
    func hangingDisk() async throws {
        let (disk, gate, width) = (FaultDisk(), DispatchSemaphore(value: 0), ProcessInfo.processInfo.activeProcessorCount + 1)
        var logs: [DeadLetters] = []
        let (threads, metrics) = (self.fixture.threads, self.fixture.metrics)
        let budget = try SpoolBudget(capacity: 1 << 30, directory: self.fixture.directory)
        for number in 0..<width {
            let log = try DeadLetters(route: "r\(number)", directory: self.fixture.directory + "/r\(number)", disk: disk, threads: threads)
            {
                folder throws(ForebayError) in
                var configuration = SpoolConfiguration(directory: folder, kind: .deadLetters, segmentSize: 64 << 10) { fatalError("\($0)") }
                (configuration.disk, configuration.recentBytes) = (disk, 0)
                return try Spool.open(configuration, budget: budget, threads: threads, metrics: SpoolMetrics(metrics))
            }
            _ = try await log.append([self.letter(0)])
            logs.append(log)
        }
        let isOpen = Mutex(false), hung = Atomic(0)
        disk.fail { call, path in
            if call == .read, path.contains(".segment@"), !isOpen.withLock({ $0 }) {
                hung.wrappingAdd(1, ordering: .relaxed)
                gate.wait()
                gate.signal()
            }
            return nil
        }
        // It hangs for ten seconds at most, or nobody could tell that it does.
        Thread.detachNewThread {
            _ = DispatchSemaphore(value: 0).wait(timeout: .now() + .seconds(10))
            isOpen.withLock { $0 = true }
            gate.signal()
        }
        let listed = logs.map { log in Task { try await log.list(after: nil, limit: 9).count } }
        while hung.load(ordering: .relaxed) == 0 { await Task.yield() }
        for _ in 0..<100 { await Task.detached { await Task.yield() }.value }
        #expect(!isOpen.withLock { $0 }, "others had no thread until the disk came back")
        isOpen.withLock { $0 = true }
        gate.signal()
        for task in listed { #expect(try await task.value == 1) }
        for log in logs { await log.close() }
    }

    private func letter(_ number: UInt64, code: String = "CODE", reason: String = "why", id: String = "id") -> DeadLetter {
        var builder = BatchBuilder()
        let texts = ["topic", "key", "value"].map { Array($0.utf8) }
        var headers: [UInt8] = []
        headers.append(header: Array("own".utf8), value: Array("header".utf8))
        texts[0].withUnsafeBytes { topic in
            texts[1].withUnsafeBytes { key in
                texts[2].withUnsafeBytes { value in
                    headers.withUnsafeBytes { headers in
                        var fields = EventFields(topic: topic, value: number % 2 == 0 ? value : nil, timestamp: 77)
                        (fields.key, fields.partition, fields.headers) = (key, 5, headers)
                        builder.append(fields)
                    }
                }
            }
        }
        let record = builder.finish(route: routeA, acceptedAt: 1)!.withUnsafeBytes { Array($0) }
        return DeadLetter(
            topic: "topic", code: code, reason: reason, eventID: id, offset: Offset(lane: .spool(.none), number: number), record: record)
    }

    @Test("an event is kept as it came, with why, where it lay, and its id; a tombstone stays one")
    func kept() async throws {
        let letters = try self.open()
        #expect(letters.route == "orders" && letters.count == 0)
        let before = WallClock.milliseconds
        #expect(try await letters.append([self.letter(42), self.letter(43)]) == [0, 1])
        #expect(try await letters.append([]) == [])
        let entries = try await letters.list(after: nil, limit: 10)
        #expect(
            entries.map(\.sequence) == [0, 1] && entries.map(\.offset) == [42, 43] && entries.map(\.value) == [Array("value".utf8), nil])
        for entry in entries {
            #expect(
                (entry.topic, entry.code, entry.reason, entry.eventID, entry.timestamp, entry.partition) == (
                    "topic", "CODE", "why", "id", 77, 5
                ))
            #expect(
                entry.key == Array("key".utf8) && entry.headers.map(\.name) == ["own"] && entry.headers[0].value == Array("header".utf8))
            #expect((before...before + 600_000).contains(entry.at))
        }
        #expect(letters.count == 2)
        let damage = letters.damage
        #expect(damage == SpoolDamage())
        await letters.close()
        let left = try await letters.list(after: nil, limit: 10)
        #expect(left.isEmpty, "closed it has nothing to show")
    }

    @Test("long reasons and ids are cut")
    func cut() async throws {
        let letters = try self.open()
        let long = String(repeating: "r", count: 5000)
        _ = try await letters.append([self.letter(1, code: long, reason: long, id: long)])
        let entry = try #require(try await letters.list(after: nil, limit: 1).first)
        #expect(entry.code.count == 4096 && entry.reason.count == 4096 && entry.eventID.count == 255)
        await letters.close()
    }

    @Test("the list goes on behind any entry, and is as long as asked for, inside and outside the node")
    func list() async throws {
        let letters = try self.open()
        for group in [3, 1, 6] { _ = try await letters.append((0..<group).map { self.letter(UInt64($0)) }) }
        for after in [nil, 0, 1, 2, 3, 8, 9, 10] as [UInt64?] {
            for limit in [0, 1, 2, 5, 10, 100] {
                let expected = Array((0..<10).filter { $0 >= after.map { $0 + 1 } ?? 0 }.prefix(limit)) as [UInt64]
                let found = try await letters.list(after: after, limit: limit)
                #expect(found.map(\.sequence) == expected, "\(limit) after \(after ?? 0)")
                if limit > 0 {
                    #expect(
                        try DeadLetters.list(directory: self.fixture.directory + "/letters", after: after, limit: limit).map(\.sequence)
                            == expected)
                }
            }
        }
        #expect(letters.count == 10)
        await letters.close()
        let again = try self.open()
        #expect(again.count == 10)
        await again.close()
    }

    @Test("it tells the bytes of its files, how far it vouches for them, and what of it was lost, until that is acknowledged")
    func told() async throws {
        let segments = self.fixture.directory + "/letters/segments"
        func sizes() throws -> [Int] {
            try FileManager.default.contentsOfDirectory(atPath: segments).map {
                try Data(contentsOf: URL(filePath: segments + "/" + $0)).count
            }
        }
        let letters = try self.open()
        var witness = letters.witness
        #expect(letters.byteCount == 0 && witness == nil)
        _ = try await letters.append((0..<3).map { self.letter($0) })
        #expect(try letters.byteCount >= sizes().reduce(0, +) && letters.byteCount > 0)
        witness = letters.witness
        #expect(witness?.end == 3)
        let sound = try #require(witness)
        await letters.close()
        // A start knows its files; what is appended then goes into another one.
        let again = try self.open()
        let before = again.byteCount
        let lists = RemovedLettersFile.files.count * 40  // Nothing stands in them.
        #expect(try before == sizes().reduce(0, +) + lists)
        #expect(try await again.append([self.letter(3), self.letter(4)]) == [3, 4])
        #expect(again.byteCount > before && again.count == 5)
        await again.close()

        let path = segments + "/00000000000000000001.segment"
        var bytes = try Data(contentsOf: URL(filePath: path))
        bytes[8192 + 100] ^= 1
        try bytes.write(to: URL(filePath: path))
        let damaged = try self.open()
        let left = try await damaged.list(after: nil, limit: 10)
        #expect(left.map(\.sequence) == [3, 4])
        var damage = damaged.damage
        witness = damaged.witness
        #expect(damage.missing.map(\.sequences) == [0..<3] && witness?.covers(sound) == false, "not for what it had")
        let acknowledged = try await damaged.acknowledgeAlarms()
        #expect(acknowledged == damage)
        damage = damaged.damage
        witness = damaged.witness
        #expect(damage == SpoolDamage() && witness?.end == 5 && witness?.covers(sound) == false, "nor when that is acknowledged")
        await damaged.close()
        let nothing = try await damaged.acknowledgeAlarms()
        #expect(nothing == SpoolDamage(), "closed it has nothing to tell")
    }

    @Test("a header as the layout has it")
    func header() {
        var bytes: [UInt8] = [9]
        bytes.append(header: Array("ab".utf8), value: [1, 2, 3])
        #expect(bytes == [9, 2, 0, 0x61, 0x62, 3, 0, 0, 0, 1, 2, 3])
        bytes = []
        bytes.append(header: [UInt8](repeating: 7, count: 258), value: [])
        #expect(bytes == [2, 1] + [UInt8](repeating: 7, count: 258) + [0, 0, 0, 0])
    }
}
