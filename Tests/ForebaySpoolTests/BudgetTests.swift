import ForebayCore
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Glibc
import Testing

@testable import ForebaySpool

/// How much all logs may take, to the byte: what is left for whom, and what the file of the reserve does.
@Suite("Spool: budget and reserve")
struct BudgetTests {
    private let watched = WatchedDisk()

    private func budget(_ capacity: Int, free: Int, total: Int, ballast: Int = 0) throws -> SpoolBudget {
        self.watched.disk.tell((free: free, total: total))
        return try SpoolBudget(capacity: capacity, directory: self.watched.directory, disk: self.watched.disk, ballast: ballast)
    }

    private var ballast: String { self.watched.directory + "/ballast" }

    private var ballastSize: Int? {
        (try? FileManager.default.attributesOfItem(atPath: self.ballast))?[.size] as? Int
    }

    @Test("a twentieth of the smaller of the limit and the disk is kept for what must go on")
    func reserve() throws {
        for (capacity, total, reserve) in [(2000, 100_000, 100), (100_000, 2000, 100), (2019, 9000, 100), (2020, 9000, 101)] {
            #expect(try self.budget(capacity, free: total, total: total).reserve == reserve)
        }
    }

    @Test("what is left is what the limit leaves, or the disk if that is less; the spool leaves the reserve")
    func room() throws {
        let budget = try self.budget(10_000, free: 50_000, total: 100_000)
        #expect(budget.limit == 10_000 && budget.reserve == 500 && budget.usedBytes == 0 && budget.capacity == 10_000)
        #expect(budget.room(for: .spool) == 9500 && budget.room(for: .setAside) == 10_000 && budget.room(for: .deadLetters) == 10_000)
        budget.add(4000)
        #expect(budget.usedBytes == 4000 && budget.capacity == 10_000 && budget.roomBesideBallast == 6000)
        #expect(budget.room(for: .spool) == 5500 && budget.room(for: .setAside) == 6000)
        self.watched.disk.tell((free: 1000, total: 100_000))
        #expect(budget.room(for: .spool) == 5500, "nobody has asked yet")
        budget.refresh()
        #expect(budget.room(for: .spool) == 500 && budget.room(for: .setAside) == 1000 && budget.capacity == 5000)
        budget.add(300)
        #expect(budget.room(for: .setAside) == 700 && budget.usedBytes == 4300 && budget.capacity == 5000)
        budget.add(-4300)
        #expect(budget.room(for: .setAside) == 5000 && budget.usedBytes == 0)
        self.watched.fail { $0.hasPrefix("space") ? EIO : nil }
        budget.refresh()
        #expect(budget.room(for: .setAside) == 5000, "a disk that can't tell says nothing new")
        self.watched.fail(nil)
        self.watched.disk.tell((free: -5, total: 100_000))
        budget.refresh()
        #expect(budget.capacity == 0 && budget.room(for: .setAside) == -5)
    }

    @Test("what is charged ahead of its writing is nobody else's, and neither a file's yet nor counted once more as what the disk has")
    func ahead() throws {
        let budget = try self.budget(100_000, free: 6000, total: 8000)
        func expect(files: Int, room: Int, told free: Int, sourceLocation: SourceLocation = #_sourceLocation) {
            for isAsked in [false, true] {
                if isAsked {
                    self.watched.disk.tell((free: free, total: 8000))
                    budget.refresh()
                }
                #expect(budget.fileBytes == files && budget.capacity == 8000, sourceLocation: sourceLocation)
                #expect(budget.room(for: .deadLetters) == room, sourceLocation: sourceLocation)
            }
        }
        budget.found(2000)
        expect(files: 2000, room: 6000, told: 6000)
        budget.add(4000, ahead: 4000)
        #expect(budget.usedBytes == 6000)
        expect(files: 2000, room: 2000, told: 6000)
        budget.wrote(1000)
        expect(files: 3000, room: 2000, told: 5000)
        budget.add(500, ahead: 500)
        expect(files: 3000, room: 1500, told: 5000)
        // Cut to what was written, and a footer.
        budget.add(1200 - 4500, ahead: -3500)
        #expect(budget.usedBytes == 3200)
        expect(files: 3200, room: 4800, told: 4800)
        budget.add(-3200)
        expect(files: 0, room: 8000, told: 8000)
    }

    @Test("the reserve's file is made in pieces, synced, where there is ample room; what it takes is counted, and given back")
    func ballastFile() throws {
        let mib = 1 << 20
        var budget = try self.budget(100 * mib, free: 10 * mib, total: 1000 * mib, ballast: 5 * mib / 2 + 100)
        #expect(budget.reserve == 5 * mib)
        budget.makeBallast()
        #expect(self.ballastSize == nil && budget.usedBytes == 0, "twice the reserve is not enough")
        self.watched.disk.tell((free: 10 * mib + 1, total: 1000 * mib))
        budget.refresh()
        _ = self.watched.calls()
        budget.makeBallast()
        #expect(self.ballastSize == 5 * mib / 2 && budget.usedBytes == 5 * mib / 2, "whole blocks")
        #expect(FileManager.default.contents(atPath: self.ballast) == Data(count: 5 * mib / 2), "zeros")
        #expect(self.watched.calls() == ["open ballast"] + (0..<3).flatMap { _ in ["write ballast", "sync ballast"] } + ["sync ballast"])
        #expect(budget.roomBesideBallast == 10 * mib + 1 - 5 * mib / 2)
        #expect(budget.room(for: .setAside) == 10 * mib + 1 && budget.room(for: .spool) == 10 * mib + 1 - 5 * mib)
        budget.makeBallast()
        #expect(self.watched.calls().isEmpty, "it is there")

        // An earlier process made it.
        self.watched.disk.tell((free: 50 * mib, total: 1000 * mib))
        budget = try SpoolBudget(
            capacity: 100 * mib, directory: self.watched.directory, disk: self.watched.disk, ballast: 5 * mib / 2 + 100)
        #expect(budget.usedBytes == 5 * mib / 2 && budget.room(for: .setAside) == 50 * mib + 5 * mib / 2)
        self.watched.fail { $0 == "remove ballast" ? EIO : nil }
        #expect(!budget.giveUpBallast() && budget.usedBytes == 5 * mib / 2)
        self.watched.fail(nil)
        #expect(budget.giveUpBallast() && self.ballastSize == nil && budget.usedBytes == 0)
        #expect(budget.room(for: .setAside) == 50 * mib, "asked again")
        _ = self.watched.calls()
        #expect(!budget.giveUpBallast() && self.watched.calls().isEmpty, "once")
        budget.makeBallast()
        #expect(self.ballastSize == 5 * mib / 2)

        // Another size is wanted now, or it was cut.
        budget = try self.budget(100 * mib, free: 50 * mib, total: 1000 * mib, ballast: mib)
        #expect(self.ballastSize == nil && budget.usedBytes == 0)
        budget.makeBallast()
        #expect(self.ballastSize == mib)
        budget = try self.budget(100 * mib, free: 50 * mib, total: 1000 * mib)
        #expect(self.ballastSize == nil, "none is wanted")
        budget.makeBallast()
        #expect(self.ballastSize == nil && !budget.giveUpBallast())
        #expect(try self.budget(100 * mib, free: 50 * mib, total: 1000 * mib, ballast: 90 * mib).reserve == 5 * mib)
    }

    @Test("a reserve's file that can't be made whole is none", arguments: ["open ballast", "write ballast", "sync ballast"])
    func ballastFails(call: String) throws {
        let budget = try self.budget(100 << 20, free: 50 << 20, total: 1000 << 20, ballast: 1 << 20)
        self.watched.fail { $0 == call ? ENOSPC : nil }
        budget.makeBallast()
        #expect(self.ballastSize == nil && budget.usedBytes == 0)
        self.watched.fail(nil)
        budget.makeBallast()
        #expect(self.ballastSize == 1 << 20 && budget.usedBytes == 1 << 20)
    }

    @Test("what finds no room is tried once more when the reserve was given up; other failures are not")
    func withReserve() throws {
        let log = LogCapture()
        defer { log.close() }
        let budget = try self.budget(100 << 20, free: 50 << 20, total: 1000 << 20, ballast: 3 << 20)
        var calls = 0
        func attempt(_ code: ForebayError.Code, succeedsAt: Int = .max) throws(ForebayError) -> Int {
            calls = 0
            return try budget.withReserve { () throws(ForebayError) in
                calls += 1
                guard calls >= succeedsAt else { throw ForebayError(code, recovery: .retry, "planted") }
                return calls
            }
        }
        #expect(try attempt(.spoolFull, succeedsAt: 1) == 1)
        #expect(throws: ForebayError.self) { try attempt(.spoolFull) }
        #expect(calls == 1, "there is no reserve to give up")
        budget.makeBallast()
        #expect(throws: ForebayError.self) { try attempt(.systemCall) }
        #expect(calls == 1 && self.ballastSize == 3 << 20)
        self.watched.fail { $0 == "remove ballast" ? EIO : nil }
        #expect(throws: ForebayError.self) { try attempt(.spoolFull, succeedsAt: 2) }
        #expect(calls == 1 && self.ballastSize == 3 << 20, "it can't be given up")
        self.watched.fail(nil)
        #expect(try attempt(.spoolFull, succeedsAt: 2) == 2)
        #expect(self.ballastSize == nil && budget.usedBytes == 0)
        let told = log.records(label: "spool").filter { $0["bytes"] == "\(3 << 20)" }
        #expect(told.map(\.level) == [.warning], "the operator is told")
        budget.makeBallast()
        #expect(throws: ForebayError.self) { try attempt(.spoolFull) }
        #expect(calls == 2 && self.ballastSize == nil)
    }
}
