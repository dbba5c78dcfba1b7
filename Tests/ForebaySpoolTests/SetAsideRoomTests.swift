import ForebayCore
import ForebayTestKit
import Foundation
import Testing

@testable import ForebaySpool

@Suite("Set-aside log: its units count in the budget, and give their room back", .timeLimit(.minutes(2)))
struct SetAsideRoomTests {
    private let fixture = SetAsideFixture(segmentSize: 256 << 10)
    /// What a log may take that has nothing: a segment, and the pairs that are not worth cutting.
    private let empty = (256 << 10) + 9 * 8192

    private func budget(_ capacity: Int = 1 << 30) throws -> SpoolBudget {
        try SpoolBudget(capacity: capacity, directory: NSTemporaryDirectory())
    }

    private func add(_ numbers: ClosedRange<UInt64>, to log: SetAsideLog) async throws {
        try await log.append(new: numbers.map { unit($0, "t\($0)") }, numbers.map { aside($0, ["of \($0)"]) })
    }

    private func end(_ numbers: some Sequence<UInt64>, of log: SetAsideLog) {
        for number in numbers {
            log.settle(number, through: 1, oldestAcceptedAt: nil)
            log.end(number)
        }
    }

    private func tableSize() throws -> Int { try Data(contentsOf: URL(filePath: self.fixture.tablePath)).count }

    /// - Returns: the number of the last unit that there was room for.
    private func fill(_ log: SetAsideLog, from first: UInt64) async throws -> UInt64 {
        var last = first - 1
        while true {
            do {
                try await self.add(last + 1...last + 20, to: log)
                last += 20
            } catch let error as ForebayError where error.code == .spoolFull {
                return last
            }
        }
    }

    @Test("units that there is no room for are refused, with nothing stored; the room comes back when they are over, and others have it")
    func refused() async throws {
        let capacity = 2 << 20, budget = try self.budget(capacity), log = try self.fixture.open(budget: budget)
        var first: UInt64 = 1
        for _ in 0..<3 {
            let last = try await self.fill(log, from: first)
            #expect(log.units.map(\.number) == Array(first...last) && last - first > 150)
            #expect(budget.usedBytes == log.byteCount)
            #expect(budget.usedBytes <= capacity)
            // What needs no new unit goes on.
            try await log.append(new: [], [aside(first, ["more"])])
            log.settle(first, through: 2, oldestAcceptedAt: nil)
            self.end(first...last, of: log)
            await log.syncCursors()
            #expect(log.isEmpty && log.byteCount <= self.empty && budget.usedBytes == log.byteCount)
            #expect(try self.tableSize() <= 9 * 8192)
            first = last + 1
        }
        await log.close()
        let again = try self.fixture.open()
        #expect(again.nextNumber == first && again.byteCount <= self.empty && again.damage == SpoolDamage())
        await again.close()
    }

    @Test("what ended before a kill gives its room back to the next process")
    func killed() async throws {
        let log = try self.fixture.open()
        try await self.add(1...300, to: log)
        self.end(1...299, of: log)
        let killed = try self.fixture.crashed(), budget = try self.budget()
        let again = try killed.open(budget: budget)
        // The newest segment has frames of all.
        #expect(again.units.map(\.number) == [300] && again.byteCount > 300 * 8192)
        self.end([300], of: again)
        let last = try killed.crashed()
        await again.close()
        await log.close()
        let emptied = try last.open(budget: try self.budget())
        #expect(await eventually { emptied.byteCount <= self.empty })
        #expect(emptied.nextNumber == 301)
        try await self.add(301...302, to: emptied)
        #expect(try emptied.scan([302: 0]).values(of: 302) == ["of 302"])
        await emptied.close()
    }

    @Test("pairs that a version before left behind go with the start")
    func leftBehind() async throws {
        let log = try self.fixture.open()
        try await self.add(1...3, to: log)
        await log.close()
        try self.fixture.change(self.fixture.tablePath) { $0.append(Data(count: 1000 * 8192)) }
        let budget = try self.budget(), again = try self.fixture.open(budget: budget)
        #expect(try self.tableSize() == 3 * 8192 && budget.usedBytes == again.byteCount && again.units.count == 3)
        await again.close()
    }

    @Test("units that come and go beside one that stays hold no more than what a segment of theirs would")
    func flapping() async throws {
        let log = try self.fixture.open()
        try await self.add(1...1, to: log)
        for round in 0..<60 as Range<UInt64> {
            let numbers = 2 + round * 20...21 + round * 20
            try await self.add(numbers, to: log)
            self.end(numbers, of: log)
            await log.syncCursors()
            #expect(log.byteCount < 2 << 20, "\(round)")
        }
        #expect(try log.scan([1: 0]).values(of: 1) == ["of 1"] && log.missing.isEmpty)
        self.end([1], of: log)
        await log.syncCursors()
        #expect(log.byteCount <= self.empty)
        await log.close()
        #expect(try SpoolInspection(directory: self.fixture.directory).verify().problems.isEmpty)
    }

    @Test("a segment that is worth little is not left, nor one that somebody needs")
    func stays() async throws {
        let log = try self.fixture.open()
        try await self.add(1...20, to: log)
        let files = try self.fixture.segmentFiles()
        self.end(1...20, of: log)
        await log.syncCursors()
        #expect(try self.fixture.segmentFiles() == files)
        try await self.add(21...50, to: log)
        self.end(21...49, of: log)
        await log.syncCursors()
        #expect(try self.fixture.segmentFiles() == files && log.units.map(\.number) == [50])
        self.end([50], of: log)
        await log.syncCursors()
        #expect(try self.fixture.segmentFiles() != files && log.byteCount <= self.empty)
        await log.close()
    }

    @Test("the newest file can go for room where its units take more than itself")
    func newest() async throws {
        let log = try self.fixture.open()
        try await self.add(1...20, to: log)
        #expect(log.oldestFile { _, _ in true } == nil)
        try await self.add(21...40, to: log)
        #expect(log.oldestFile { _, _ in true }?.count == 40)
        #expect(log.oldestFile { _, _ in false } == nil)
        await log.close()
    }
}
