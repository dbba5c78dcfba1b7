import ForebayCore
import ForebayTelemetry
import Foundation
import Testing

@testable import ForebaySpool

/// A segment of a set-aside log is gone, and the last events of a unit were in it: nobody else gets their positions, it is told, and the
/// segment can be had back.
@Suite("Set aside: a segment that is gone, with what units ended in", .timeLimit(.minutes(1)))
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
                if left.settled == left.end, left.awaited <= left.settled { log.end(unit.number) }
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

    /// Whether a file of segments, or in quarantine, has these bytes.
    private static func keeps(_ bytes: Data, _ fixture: SetAsideFixture) throws -> Bool {
        for folder in ["segments", "quarantine"] {
            let path = "\(fixture.directory)/\(folder)"
            for name in try FolderEntries.names(of: path) ?? [] where try Data(contentsOf: URL(filePath: "\(path)/\(name)")) == bytes {
                return true
            }
        }
        return false
    }

    private static func told(_ log: SetAsideLog) -> UInt64 { log.missing.reduce(0) { $0 + $1.events } }

    enum Return: CaseIterable { case beforeDelivery, afterDelivery, afterDeliveryOfNewer }

    @Test(
        "had back before and after delivery, with and without newer events: nothing newer is passed, nothing is lost without a word",
        arguments: 0..<4)
    func hadBack(lost: Int) async throws {
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
                        if start == 0 || way == .beforeDelivery {
                            #expect(log.units.map(\.number) == Self.units, "\(what), start \(start): none is over")
                        }
                        if way == .afterDelivery, start == 0 { try account.deliver(log) }
                        if start == 0 { for unit in newer where log.unit(unit) != nil { try await account.append(unit, to: log) } }
                        if way == .afterDeliveryOfNewer { try account.deliver(log) }
                        await log.tidy()
                        await log.close()
                    }
                    try bytes.write(to: URL(filePath: path))
                    let isAside = lost == 3 && !newer.isEmpty  // The newest, and the log went on without it.
                    for start in 0..<2 {
                        let log = try fixture.open()
                        let told = Self.told(log)
                        try account.deliver(log)
                        await log.tidy()
                        account.check(what)
                        let missing = Self.units.reduce(0) { $0 + account.missing($1).count }
                        if isAside {
                            #expect(!log.damage.alarms.isEmpty, "\(what), start \(start)")
                        } else if way == .beforeDelivery || lost == 3 {
                            #expect(missing == 0 && log.damage == SpoolDamage(), "\(what), start \(start): \(missing), \(log.damage)")
                            #expect(log.units.isEmpty, "\(what), start \(start): \(log.units)")
                        } else {
                            #expect(told >= missing, "\(what), start \(start): \(missing) of \(log.missing)")
                            if missing > 0 { #expect(try Self.keeps(bytes, fixture), "\(what), start \(start): nobody has it any more") }
                            // Those that had nothing behind it have waited for it.
                            let waiting: [UInt64] = lost == 0 ? [4] : [1, 3, 4]
                            if way == .afterDelivery { #expect(waiting.allSatisfy { account.missing($0).isEmpty }, "\(what)") }
                        }
                        let old = first.given.values.joined()
                        let new = Self.units.flatMap { account.missing($0) }.filter { !old.contains($0) }
                        #expect(new.isEmpty, "\(what), start \(start): what is newer was passed")
                        await log.close()
                    }
                }
            }
        }
    }

    @Test("what is delivered while a segment is missing stays until it is there, something newer is delivered, or it is acknowledged")
    func waits() async throws {
        let (fixture, first) = try await self.made()
        var account = first
        try FileManager.default.removeItem(atPath: try fixture.segmentFiles()[1])
        var log = try fixture.open()
        for _ in 0..<2 { try account.deliver(log) }
        #expect(log.units.map(\.number) == [1, 3, 4] && !log.isEmpty && log.units.allSatisfy { $0.end == $0.settled })
        try await account.append(3, to: log)
        try account.deliver(log)
        #expect(log.units.map(\.number) == [1, 4], "the third delivered something newer")
        await log.close()
        log = try fixture.open()
        #expect(log.units.map(\.number) == [1, 4] && Self.told(log) == 6)
        let told = CallCounter()
        log.whenAcknowledged { told.count() }
        _ = try await log.acknowledgeAlarms()
        #expect(told.calls == 1 && log.unit(1)?.awaited == 0)
        try account.deliver(log)
        #expect(log.units.isEmpty && log.damage == SpoolDamage())
        await log.close()
        log = try fixture.open()
        #expect(log.units.isEmpty && log.damage == SpoolDamage())
        await log.close()
        account.check("acknowledged")
    }

    @Test("a start that is cut short after it has told of a loss gives no position twice", arguments: 0..<2)
    func cutShort(lost: Int) async throws {
        let (fixture, first) = try await self.made()
        var account = first
        let path = try fixture.segmentFiles()[lost]
        let bytes = try Data(contentsOf: URL(filePath: path))
        try FileManager.default.removeItem(atPath: path)
        // All of a start but the units.
        var configuration = SpoolConfiguration(directory: fixture.directory, kind: .setAside, segmentSize: 64 << 10) { fatalError("\($0)") }
        configuration.markInterval = 60_000
        let metrics = SpoolMetrics(MetricsRegistry())
        let reporter = SpoolReporter(directory: fixture.directory, metrics: metrics, time: configuration.surroundings.time)
        let budget = try SpoolBudget(capacity: 1 << 30, directory: NSTemporaryDirectory())
        let start = try SpoolStart(configuration, budget, reporter, moved: {})
        start.lock.release()
        var log = try fixture.open()
        #expect(Self.told(log) == 6)
        for unit in Self.units { try await account.append(unit, to: log) }
        await log.close()
        try bytes.write(to: URL(filePath: path))
        log = try fixture.open()
        try account.deliver(log)
        account.check("segment \(lost)")
        #expect(account.arrived == account.given && log.damage == SpoolDamage())
        await log.close()
    }
}

private final class CallCounter: @unchecked Sendable {  // Safe because: called on the test's own task.
    private(set) var calls = 0
    func count() { self.calls += 1 }
}
