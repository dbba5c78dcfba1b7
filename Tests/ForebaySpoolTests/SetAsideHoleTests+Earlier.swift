import ForebayCore
import Foundation
import Testing

@testable import ForebaySpool

extension SetAsideHoleTests {
    /// A log with so many events of one unit, six a segment.
    private func made(_ count: Int) async throws -> SetAsideFixture {
        let fixture = SetAsideFixture(segmentSize: 64 << 10)
        let log = try fixture.open()
        let large = String(repeating: "s", count: 9_000)
        for number in 0..<count { try await log.append(new: number == 0 ? [unit(1)] : [], [aside(1, ["\(number)" + large])]) }
        await log.close()
        return fixture
    }

    @Test(
        "what an earlier hole took is not the share of a later one: a unit's last events in that are told, too",
        arguments: [0, 1], [false, true])
    func oneAfterTheOther(first: Int, isAcknowledged: Bool) async throws {
        let fixture = SetAsideFixture(segmentSize: 64 << 10)
        var log = try fixture.open()
        // The second unit is in the fourth segment alone.
        let owners = [UInt64](repeating: 1, count: 18) + [UInt64](repeating: 2, count: 6) + [UInt64](repeating: 1, count: 5)
        for owner in owners {
            let value = String(repeating: "s", count: 9_000)
            try await log.append(new: log.unit(owner) == nil ? [unit(owner, "topic \(owner)")] : [], [aside(owner, [value])])
        }
        await log.close()
        let files = try fixture.segmentFiles()
        #expect(files.count == 5)
        func told() -> Int { Int(log.missing.reduce(0) { $0 + $1.events }) }
        try FileManager.default.removeItem(atPath: files[first])
        log = try fixture.open()
        #expect(told() == 6, "\(log.missing)")
        if isAcknowledged { _ = try await log.acknowledgeAlarms() }
        await log.close()
        for _ in 0..<2 {
            log = try fixture.open()
            #expect(told() == (isAcknowledged ? 0 : 6))
            await log.close()
        }
        try FileManager.default.removeItem(atPath: files[3])
        for _ in 0..<2 {
            log = try fixture.open()
            #expect(told() == (isAcknowledged ? 6 : 12), "\(log.missing)")
            await log.close()
        }
    }

    @Test("a loss names the segment that is gone, and its topic also when nothing of that is left, over restarts", arguments: 0..<3)
    func named(lost: Int) async throws {
        let fixture = SetAsideFixture(segmentSize: 64 << 10)
        var log = try fixture.open()
        try await log.append(new: [unit(1, "orders"), unit(2, "a topic", partition: 3)], [])
        for number in 0..<24 {
            try await log.append(new: [], [aside(number % 2 == 0 ? 1 : 2, ["\(number)" + String(repeating: "s", count: 9_000)])])
        }
        await log.close()
        try FileManager.default.removeItem(atPath: try fixture.segmentFiles()[lost])
        for start in 0..<3 {
            log = try fixture.open()
            let lines = log.missing.filter { $0.unit != nil }
            #expect(Set(lines.map(\.topic)) == ["orders", "a topic"] && lines.allSatisfy { $0.events == 3 }, "start \(start): \(lines)")
            #expect(lines.allSatisfy { $0.segment == UInt64(lost + 1) && $0.isGone && $0.reason == "a segment is gone" })
            if start == 0 {
                for unit in log.units {
                    log.settle(unit.number, through: unit.end, oldestAcceptedAt: nil)
                    log.end(unit.number)
                }
                await log.syncCursors()
                try await log.append(new: [unit(3, "another")], [aside(3, ["x"])])
            }
            await log.close()
        }
    }

    @Test("where the newest is lost, and then the one behind it and the mark, too, what is newer is not taken for what was lost")
    func newestTwice() async throws {
        let fixture = try await self.made(18)
        try FileManager.default.removeItem(atPath: try #require(try fixture.segmentFiles().last))
        var log = try fixture.open()
        try await log.append(new: [], [aside(1, ["lost"])])
        await log.close()
        try FileManager.default.removeItem(atPath: try #require(try fixture.segmentFiles().last))
        try FileManager.default.removeItem(atPath: fixture.directory + "/mark")
        for start in 0..<3 {
            log = try fixture.open()
            try await log.append(new: [unit(UInt64(start) + 10)], [aside(UInt64(start) + 10, ["new \(start)"])])
            await log.close()
        }
        log = try fixture.open()
        #expect(!log.damage.alarms.contains { $0.text.contains("moved to quarantine") }, "\(log.damage.alarms)")
        for start in 0..<3 { #expect(try log.scan([UInt64(start) + 10: 0]).values(of: UInt64(start) + 10) == ["new \(start)"]) }
        await log.close()
    }

    @Test("a unit whose entry is lost with its older segment settles nothing of that: what it had there is told of, and the rest comes")
    func entryAndSegment() async throws {
        let fixture = try await self.made(9)
        try FileManager.default.removeItem(atPath: try fixture.segmentFiles()[0])
        try FileManager.default.removeItem(atPath: fixture.tablePath)
        for start in 0..<2 {
            let log = try fixture.open()
            #expect(log.missing.map(\.sequences) == [0..<6] && log.missing.map(\.unit) == [1], "start \(start): \(log.missing)")
            let found = try log.scan([1: try #require(log.unit(1)).settled]).all()[1] ?? []
            #expect(found.map(\.0) == [6, 7, 8], "start \(start)")
            await log.close()
        }
    }

    @Test("with the mark gone, too, an oldest segment that is missed and put back is kept for the operator")
    func markAndOldest() async throws {
        let fixture = try await self.made(15)
        let path = try fixture.segmentFiles()[0]
        let bytes = try Data(contentsOf: URL(filePath: path))
        for file in [path, fixture.directory + "/mark"] { try FileManager.default.removeItem(atPath: file) }
        var log = try fixture.open()
        #expect(log.missing.reduce(0) { $0 + $1.events } == 6, "\(log.missing)")
        await log.close()
        try bytes.write(to: URL(filePath: path))
        log = try fixture.open()
        let kept = try FileManager.default.contentsOfDirectory(atPath: fixture.directory + "/quarantine")
        #expect(kept == [path.split(separator: "/").last.map(String.init)!])
        await log.close()
    }

    @Test("with the mark gone what was let go of at the beginning is not missed", arguments: [false, true])
    func markGone(isEnded: Bool) async throws {
        let fixture = SetAsideFixture(segmentSize: 64 << 10)
        let large = String(repeating: "s", count: 9_000)
        var log = try fixture.open()
        for number in 0..<15 { try await log.append(new: number == 0 ? [unit(1), unit(2)] : [], [aside(1, ["\(number)" + large])]) }
        try await log.append(new: [], [aside(2, ["other"])])
        log.settle(1, through: isEnded ? 15 : 12, oldestAcceptedAt: nil)
        if isEnded { log.end(1) }
        await log.syncCursors()
        await log.close()
        #expect(try fixture.segmentFiles().first?.hasSuffix("1.segment") == false)
        try FileManager.default.removeItem(atPath: fixture.directory + "/mark")
        for _ in 0..<2 {
            log = try fixture.open()
            #expect(log.missing.isEmpty, "\(log.missing)")
            await log.close()
        }
    }
}
