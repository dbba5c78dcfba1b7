import ForebayCore
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Glibc
import Testing

@testable import ForebaySpool

/// A segment of a set-aside log is gone: it is told, and the units go on without it. One that is put back is kept, and not taken up again.
@Suite("Set aside: a segment that is gone, and is put back", .timeLimit(.minutes(1)))
struct SetAsideHoleTests {
    /// By segment: the first unit ends in the second one, the third stands in that alone, as the fourth does in the first; the second goes on
    /// to the last.
    private static let owners: [[UInt64]] = [
        [1, 1, 4, 1, 1, 1], [1, 2, 3, 1, 2, 1], [2, 2, 2, 2, 2, 2], [2, 2, 2, 2, 2],
    ]
    private static let units: [UInt64] = [1, 2, 3, 4]

    /// What was set aside, and what of it has arrived.
    private struct Account {
        var given: [UInt64: [String]] = [:]
        var arrived: [UInt64: [String]] = [:]
        private var count = 0

        mutating func append(_ unit: UInt64, to log: SetAsideLog) async throws {
            let value = "\(self.count)" + String(repeating: "s", count: 9_000)
            self.count += 1
            self.given[unit, default: []].append(value)
            try await log.append(new: log.unit(unit) == nil ? [ForebaySpoolTests.unit(unit, "topic \(unit)")] : [], [aside(unit, [value])])
        }

        /// As the drain does.
        mutating func deliver(_ log: SetAsideLog) throws {
            let scan = log.scan(Dictionary(uniqueKeysWithValues: log.units.map { ($0.number, $0.settled) }))
            for (unit, events) in try scan.all() { self.arrived[unit, default: []] += events.map(\.1) }
            for unit in log.units {
                let end = max(unit.settled, scan.position(of: unit.number) ?? 0)
                log.settle(unit.number, through: end, oldestAcceptedAt: nil)
                let left = log.unit(unit.number)!
                if left.settled == left.end { log.end(unit.number) }
            }
        }

        func missing(_ unit: UInt64) -> [String] {
            let arrived = Set(self.arrived[unit] ?? [])
            return (self.given[unit] ?? []).filter { !arrived.contains($0) }
        }

        /// Each once, and in order.
        func check(_ what: String) {
            for unit in SetAsideHoleTests.units {
                let (given, arrived) = (self.given[unit] ?? [], self.arrived[unit] ?? [])
                #expect(Set(arrived).count == arrived.count, "\(what), unit \(unit): twice")
                #expect(given.filter(Set(arrived).contains) == arrived.filter(Set(given).contains), "\(what), unit \(unit): order")
            }
        }
    }

    private func made() async throws -> (SetAsideFixture, Account) {
        let fixture = SetAsideFixture(segmentSize: 64 << 10)
        let log = try fixture.open()
        var account = Account()
        for owner in Self.owners.joined() { try await account.append(owner, to: log) }
        await log.close()
        #expect(try fixture.segmentFiles().count == Self.owners.count)
        return (fixture, account)
    }

    @Test("one that was cut counts as far as it is gone, also for units of which nothing stands behind it", arguments: 0..<3)
    func cut(place: Int) async throws {
        var (fixture, account) = try await self.made()
        let path = try fixture.segmentFiles()[place]
        // Its header, and one group.
        try Data(contentsOf: URL(filePath: path)).prefix(8192 + 12_288).write(to: URL(filePath: path))
        for isAgain in [false, true] {
            let log = try fixture.open()
            if !isAgain { try account.deliver(log) }
            let missing = Self.units.reduce(0) { $0 + account.missing($1).count }
            #expect(missing > 0 && log.missing.reduce(0) { $0 + Int($1.events) } == missing, "\(log.missing)")
            account.check("cut")
            await log.close()
        }
    }

    private static func quarantined(_ fixture: SetAsideFixture) throws -> [Data] {
        let path = "\(fixture.directory)/quarantine"
        return try (FolderEntries.names(of: path) ?? []).map { try Data(contentsOf: URL(filePath: "\(path)/\($0)")) }
    }

    /// Events told of as lost.
    private static func told(_ log: SetAsideLog) -> Int { Int(log.missing.reduce(0) { $0 + $1.events }) }

    private static let wayOfAlarm = "it is moved to quarantine, and its events are not delivered"

    enum Return: CaseIterable { case beforeDelivery, afterDelivery, afterDeliveryOfNewer }

    @Test(
        "put back before and after delivery, with and without newer events: it is kept, what it had stays told, nothing newer is passed",
        arguments: 0..<4)
    func putBack(lost: Int) async throws {
        let (pristine, first) = try await self.made()
        for way in Return.allCases {
            for newer in [[], [1, 2, 3, 4], [3], [1, 1]] as [[UInt64]] {
                for starts in 1...2 {
                    let what = "segment \(lost + 1), \(way), newer \(newer), \(starts) starts"
                    var account = first
                    let fixture = try pristine.crashed()
                    let path = try fixture.segmentFiles()[lost]
                    let bytes = try Data(contentsOf: URL(filePath: path))
                    try FileManager.default.removeItem(atPath: path)
                    for start in 0..<starts {
                        let log = try fixture.open()
                        #expect(Self.told(log) == Self.owners[lost].count, "\(what), start \(start): \(log.missing)")
                        if way == .afterDelivery, start == 0 { try account.deliver(log) }
                        if start == 0 { for unit in newer where log.unit(unit) != nil { try await account.append(unit, to: log) } }
                        if way == .afterDeliveryOfNewer { try account.deliver(log) }
                        await log.syncCursors()
                        await log.close()
                    }
                    try bytes.write(to: URL(filePath: path))
                    for start in 0..<2 {
                        let log = try fixture.open()
                        #expect(Self.told(log) == Self.owners[lost].count, "\(what), start \(start): \(log.missing)")
                        #expect(log.damage.alarms.count { $0.text.contains(Self.wayOfAlarm) } == 1, "\(what): \(log.damage.alarms)")
                        #expect(!log.damage.alarms.contains { $0.file.hasSuffix("/units") }, "\(what): \(log.damage.alarms)")
                        #expect(try Self.quarantined(fixture) == [bytes], "\(what), start \(start)")
                        try account.deliver(log)
                        await log.syncCursors()
                        account.check(what)
                        #expect(Self.units.reduce(0) { $0 + account.missing($1).count } == Self.owners[lost].count, "\(what)")
                        let new = Self.units.flatMap { account.missing($0) }.filter { !first.given.values.joined().contains($0) }
                        #expect(new.isEmpty, "\(what), start \(start): what is newer was passed")
                        #expect(log.units.isEmpty, "\(what), start \(start): \(log.units)")
                        await log.close()
                    }
                }
            }
        }
    }

    @Test("put back once more after it was acknowledged: it is told of again, and not taken up", arguments: 0..<4)
    func acknowledged(lost: Int) async throws {
        let (fixture, first) = try await self.made()
        var account = first
        let path = try fixture.segmentFiles()[lost]
        let bytes = try Data(contentsOf: URL(filePath: path))
        try FileManager.default.removeItem(atPath: path)
        for round in 1...3 {
            let log = try fixture.open()
            if round == 1 { #expect(Self.told(log) == Self.owners[lost].count) } else { #expect(Self.told(log) == 0) }
            #expect(log.damage.alarms.contains { $0.text.contains(Self.wayOfAlarm) } == (round > 1), "\(round): \(log.damage.alarms)")
            _ = try await log.acknowledgeAlarms()
            #expect(log.damage == SpoolDamage())
            for unit in Self.units where log.unit(unit) != nil { try await account.append(unit, to: log) }
            try account.deliver(log)
            await log.close()
            let again = try fixture.open()
            #expect(again.damage == SpoolDamage(), "\(round): \(again.damage)")
            #expect(try Self.quarantined(fixture).count == round - 1)
            await again.close()
            try bytes.write(to: URL(filePath: path))
        }
        account.check("acknowledged")
        #expect(Self.units.reduce(0) { $0 + account.missing($1).count } == Self.owners[lost].count)
    }

    @Test("one that is back and can't be moved away stops a start, but for want of room: what it has is not taken up")
    func staysInPlace() async throws {
        let (fixture, _) = try await self.made(), disk = FaultDisk()
        let path = try fixture.segmentFiles()[1]
        let bytes = try Data(contentsOf: URL(filePath: path))
        try FileManager.default.removeItem(atPath: path)
        var log = try fixture.open()
        await log.close()
        try bytes.write(to: URL(filePath: path))
        disk.fail { call, to in call == .rename && to.contains("/quarantine/") ? EIO : nil }
        #expect(throws: ForebayError.self) { try fixture.open(on: disk) }
        #expect(FileManager.default.contents(atPath: path) == bytes)
        disk.fail { call, to in call == .rename && to.contains("/quarantine/") ? ENOSPC : nil }
        log = try fixture.open(on: disk)
        #expect(Self.told(log) == Self.owners[1].count && FileManager.default.contents(atPath: path) == bytes)
        await log.close()
    }

    @Test("the newest, of which no mark tells what it had, is gone and put back", arguments: [false, true], [[], [3], [1, 2, 3, 4]])
    func newestUnmarked(isDelivered: Bool, newer: [UInt64]) async throws {
        let fixture = SetAsideFixture(segmentSize: 64 << 10)
        let log = try fixture.open()
        var account = Account()
        for owner in Self.owners.joined() { try await account.append(owner, to: log) }
        // The mark is written once a minute: it has told of the segment, and of nothing in it.
        let crashed = try fixture.crashed()
        await log.close()
        let path = try crashed.segmentFiles().last!
        let bytes = try Data(contentsOf: URL(filePath: path))
        try FileManager.default.removeItem(atPath: path)
        var again = try crashed.open()
        #expect(again.damage.alarms.contains { $0.text.contains("the newest segment is gone") })
        if isDelivered { try account.deliver(again) }
        // A number that was ended is not given again.
        for unit in newer { try await account.append(isDelivered ? unit + 10 : unit, to: again) }
        try account.deliver(again)
        await again.close()
        try bytes.write(to: URL(filePath: path))
        again = try crashed.open()
        #expect(again.damage.alarms.count { $0.text.contains(Self.wayOfAlarm) } == 1)
        #expect(try Self.quarantined(crashed) == [bytes])
        try account.deliver(again)
        account.check("newest")
        #expect(Self.units.reduce(0) { $0 + account.missing($1).count } == Self.owners[3].count)
        await again.close()
    }
}
