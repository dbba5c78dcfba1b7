import ForebayCore
import ForebayTestKit
import Foundation
import Glibc
import Testing

@testable import ForebaySpool

extension SetAsideHoleTests {
    private static func told(_ log: SetAsideLog) -> Int { Int(log.missing.reduce(0) { $0 + $1.events }) }

    @Test(
        "what stands before a hole is not taken for what was in it: another unit's last events are told, behind a husk, too",
        arguments: [1, 6, 12], [false, true])
    func behindHusk(before: Int, isHusk: Bool) async throws {
        let fixture = SetAsideFixture(segmentSize: 64 << 10)
        var log = try fixture.open()
        let large = String(repeating: "s", count: 9_000)
        var owners = [UInt64](repeating: 1, count: before)
        owners += [UInt64](repeating: 2, count: 12 - before % 6)  // Fills the first segments, and one more.
        owners += [UInt64](repeating: 3, count: 6) + [UInt64](repeating: 1, count: 3)
        for owner in owners {
            try await log.append(new: log.unit(owner) == nil ? [unit(owner, "topic \(owner)")] : [], [aside(owner, [large])])
        }
        if isHusk {
            log.settle(2, through: log.unit(2)!.end, oldestAcceptedAt: nil)
            log.end(2)
            await log.syncCursors()
        }
        await log.close()
        let third = RouteID(rawValue: 3)
        let inspection = try SpoolInspection(directory: fixture.directory)
        let holding = try inspection.segmentsWithRoutes().filter { $0.routes[third] != nil }
        let lost = try #require(holding.first)
        // Which of them is lost: what of the third unit was in it, and of the others.
        try FileManager.default.removeItem(atPath: lost.path)
        log = try fixture.open()
        #expect(Self.told(log) >= Int(lost.routes[third]!), "\(log.missing)")
        #expect(Self.told(log) <= 2 * Int(lost.end - lost.base), "\(log.missing)")
        await log.close()
    }

    @Test(
        "a unit's last frame in the newest segment can't be read at a start, and can at the next one: it is told, and newer events are not lost",
        arguments: [false, true], [false, true])
    func readableAgain(isOnlyOne: Bool, isDelivered: Bool) async throws {
        let fixture = SetAsideFixture()
        var log = try fixture.open()
        let owners: [UInt64] = isOnlyOne ? [2, 1, 2, 2] : [1, 1, 2, 2]
        for (number, owner) in owners.enumerated() {
            try await log.append(new: log.unit(owner) == nil ? [unit(owner, "topic \(owner)")] : [], [aside(owner, ["\(number)"])])
        }
        // Nobody sealed it; the frames behind say that all before them was durable.
        let crashed = try fixture.crashed()
        await log.close()
        let path = try #require(try crashed.segmentFiles().first)
        let frames = try Self.frames(in: path)
        let place = try #require(frames.dropFirst().first)
        try crashed.change(path) { $0[place + 30] ^= 1 }
        log = try crashed.open()
        #expect(Self.told(log) == 1 && log.missing.allSatisfy { $0.events == 0 || $0.sequences == 1..<2 }, "\(log.missing)")
        if log.unit(1) == nil || log.unit(1)?.end == log.unit(1)?.settled, isOnlyOne { log.end(1) }
        let number: UInt64 = isOnlyOne ? 3 : 1
        try await log.append(new: isOnlyOne ? [unit(3, "topic 1")] : [], [aside(number, ["new"])])
        if isDelivered { #expect(try log.scan([number: 0]).values(of: number) == (isOnlyOne ? ["new"] : ["0", "new"])) }
        await log.close()
        try crashed.change(path) { $0[place + 30] ^= 1 }
        log = try crashed.open()
        #expect(Self.told(log) == 1)
        #expect(try log.scan([number: 0]).values(of: number).last == "new", "what is newer was passed")
        #expect(try log.scan([2: 0]).values(of: 2) == owners.enumerated().filter { $1 == 2 }.map { "\($0.offset)" })
        await log.close()
    }

    @Test("the same while the log runs: what can be read again beyond what is known of its unit is not delivered", arguments: [1, 2])
    func readableMeanwhile(lost: Int) async throws {
        let fixture = SetAsideFixture()
        var log = try fixture.open()
        for (number, owner) in ([1, 1, 2, 2] as [UInt64]).enumerated() {
            try await log.append(new: log.unit(owner) == nil ? [unit(owner, "topic \(owner)")] : [], [aside(owner, ["\(number)"])])
        }
        let crashed = try fixture.crashed()
        await log.close()
        let path = try #require(try crashed.segmentFiles().first)
        // Of unit 1 the last frame, or both.
        let places = try Self.frames(in: path).prefix(2).suffix(lost)
        for place in places { try crashed.change(path) { $0[place + 30] ^= 1 } }
        log = try crashed.open()
        for place in places { try crashed.change(path) { $0[place + 30] ^= 1 } }
        let scan = log.scan([1: 0, 2: 0])
        #expect(try scan.all().mapValues { $0.map(\.1) } == (lost == 1 ? [1: ["0"], 2: ["2", "3"]] : [2: ["2", "3"]]))
        log.settle(1, through: scan.position(of: 1)!, oldestAcceptedAt: nil)
        await log.close()
    }

    private static func frames(in path: String) throws -> [Int] {
        let file = try SystemDisk().open(path, [])
        guard case .success(let header) = try SegmentHeader.read(from: file).0 else { return [] }
        var scanner = SegmentScanner(file: file, salt: header.salt, position: header.dataStart, limit: try file.size())
        var frames: [Int] = []
        while true {
            switch try scanner.step() {
            case .gap: continue
            case .footer, .end: return frames
            case .frame(_, let position): frames.append(position)
            }
        }
    }

    @Test("with more lines in its alarms than are kept, a segment that is gone is still known when it is back")
    func manyUnits() async throws {
        let fixture = SetAsideFixture(segmentSize: 64 << 10)
        var log = try fixture.open()
        let numbers = (1...1_050).map { UInt64($0) }
        for round in 0..<3 {
            // One has all that it has in the segment that goes.
            let all = numbers + (round == 1 ? [2_000] : [])
            try await log.append(new: all.map { unit($0, "topic \($0)") }, all.map { aside($0, ["\(round)"]) })
        }
        await log.close()
        let path = try fixture.segmentFiles()[1]
        let bytes = try Data(contentsOf: URL(filePath: path))
        try FileManager.default.removeItem(atPath: path)
        for _ in 0..<2 {
            log = try fixture.open()
            #expect(log.missing.contains { $0.isGone && $0.unit == nil && $0.events == 1 }, "\(log.missing.count)")
            #expect(log.missing.count == numbers.count + 1, "each is named, at each start")
            await log.close()
        }
        try bytes.write(to: URL(filePath: path))
        log = try fixture.open()
        #expect(log.damage.alarms.contains { $0.file == path && $0.text.contains("moved to quarantine") })
        #expect(!FileManager.default.fileExists(atPath: path))
        await log.close()
    }
}
