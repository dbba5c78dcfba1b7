import ForebayCore
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Synchronization
import Testing

@testable import ForebaySpool

/// The side logs of routes that are renamed or given up, with the process killed at every call that changes the disk.
@Suite("Side logs: taken over, given up")
struct SideLogFolderTests {
    private let data = NSTemporaryDirectory() + "forebay-side-" + UUID().uuidString

    /// A log has several segments.
    private static let padding = String(repeating: "p", count: 100_000)

    private func fill(_ kind: SideLogFolder.Kind, _ route: String, _ count: Int) async throws {
        let folder = SideLogFolder(kind, of: route, in: self.data)
        let budget = try SpoolBudget(capacity: 1 << 30, directory: self.data)
        let threads = SpoolThreads()
        let metrics = SpoolMetrics(MetricsRegistry())
        let open = { @Sendable (path: String) throws(ForebayError) in
            try Spool.open(
                SpoolConfiguration(
                    directory: path, kind: kind == .setAside ? .setAside : .deadLetters, segmentSize: 256 << 10,
                    onDiskFailure: { fatalError("\($0)") }), budget: budget, threads: threads, metrics: metrics)
        }
        switch kind {
        case .setAside:
            let log = try SetAsideLog(directory: folder.path, open: open)
            try await log.append(new: [unit(1)], [aside(1, (0..<max(1, count)).map { "\(route)\($0)" + Self.padding })])
            // One that was drained has a log and no events.
            if count == 0 { log.settle(1, through: 1, oldestAcceptedAt: nil) }
            await log.close()
        case .deadLetters:
            let log = try DeadLetters(route: route, directory: folder.path, threads: threads, open: open)
            let record = batch(RouteID(name: route), ["dead" + Self.padding]).withUnsafeBytes { Array($0) }
            for number in 0..<count {
                _ = try await log.append([
                    DeadLetter(
                        topic: "t", code: "C", reason: "r", eventID: "\(route)\(number)",
                        offset: Offset(lane: .partition(topic: "t", 0), number: 0),
                        record: record)
                ])
            }
            await log.close()
        }
    }

    private func counts(_ kind: SideLogFolder.Kind) throws -> [String: UInt64] {
        Dictionary(uniqueKeysWithValues: try SideLogFolder.all(kind, in: self.data).map { ($0.route, try $0.eventCount()) })
    }

    /// Runs the body again and again, each time killed one call later, until it is through; each time a start follows that is not killed.
    private func killedEverywhere(
        _ restore: () async throws -> Void, _ body: (any Disk) throws -> Void, _ check: (_ call: Int) throws -> Void
    ) async throws {
        for kill in 0... {
            try? FileManager.default.removeItem(atPath: self.data)  // What the last one left, or nothing.
            try await restore()
            let disk = FaultDisk()
            let calls = Mutex(0)
            disk.fail { call, _ in
                guard [.rename, .remove, .syncFolder, .makeFolder, .write, .sync, .truncate].contains(call) else { return nil }
                return calls.withLock { calls in
                    calls += 1
                    return calls > kill ? EIO : nil
                }
            }
            let isThrough: Bool
            do {
                try body(disk)
                isThrough = true
            } catch { isThrough = false }
            try body(SystemDisk())
            try check(kill)
            if isThrough { break }
            #expect(kill < 100)
        }
        try? FileManager.default.removeItem(atPath: self.data)  // Cleaning up is a courtesy.
    }

    @Test("a log goes to the new name whole, over one of its own that is empty, whenever the process is killed", arguments: [false, true])
    func takenOver(hasEmptyOne: Bool) async throws {
        try await self.killedEverywhere {
            try await self.fill(.setAside, "old", 5)
            try await self.fill(.setAside, "other", 3)
            if hasEmptyOne { try await self.fill(.setAside, "new", 0) }
        } _: { disk in
            try SideLogFolder.removeLeftovers(in: self.data, disk: disk)
            let old = SideLogFolder(.setAside, of: "old", in: self.data, disk: disk)
            _ = try SideLogFolder(.setAside, of: "new", in: self.data, disk: disk).takeOver(old)
        } _: { kill in
            let (counts, left) = (try self.counts(.setAside), try SystemDisk().entries("\(self.data)/forgotten") ?? [])
            #expect(counts == ["new": 5, "other": 3] && left.isEmpty, "killed at call \(kill)")
        }
    }

    @Test("one that has events of its own, or something in quarantine, is not replaced")
    func refused() async throws {
        for kind in SideLogFolder.Kind.allCases {
            try await self.fill(kind, "old", 2)
            try await self.fill(kind, "new", 1)
            let (old, new) = (SideLogFolder(kind, of: "old", in: self.data), SideLogFolder(kind, of: "new", in: self.data))
            #expect(try new.takeOver(old) == .refused)
            #expect(try self.counts(kind) == ["old": 2, "new": 1])
            #expect(try new.takeOver(SideLogFolder(kind, of: "nobody", in: self.data)) == .nothing)
        }
        try await self.fill(.setAside, "kept", 0)
        let kept = SideLogFolder(.setAside, of: "kept", in: self.data)
        try FileManager.default.createDirectory(atPath: kept.path + "/quarantine", withIntermediateDirectories: true)
        _ = FileManager.default.createFile(atPath: kept.path + "/quarantine/00000000000000000001.segment", contents: Data([1]))
        #expect(try kept.takeOver(SideLogFolder(.setAside, of: "old", in: self.data)) == .refused)
        try? FileManager.default.removeItem(atPath: self.data)  // Cleaning up is a courtesy.
    }

    @Test("a takeover that is refused because the route has events of its own does not read them all, at each start")
    func refusedAtOnce() async throws {
        let bytes = Mutex(0), disk = FaultDisk()
        disk.fail { call, path in
            if call == .read, let count = path.split(separator: "+").last.flatMap({ Int($0) }) { bytes.withLock { $0 += count } }
            return nil
        }
        for kind in SideLogFolder.Kind.allCases {
            try await self.fill(kind, "old", 2)
            try await self.fill(kind, "new", 40)
            let old = SideLogFolder(kind, of: "old", in: self.data, disk: disk)
            let new = SideLogFolder(kind, of: "new", in: self.data, disk: disk)
            let size = try new.size()
            bytes.withLock { $0 = 0 }
            #expect(try new.takeOver(old) == .refused)
            let read = bytes.withLock { $0 }
            #expect(size > 2 << 20 && read < size / 4, "\(kind): \(read) of \(size) bytes")
        }
        try? FileManager.default.removeItem(atPath: self.data)  // Cleaning up is a courtesy.
    }

    @Test("what is given up goes whole, and its room with it, whenever the process is killed")
    func givenUp() async throws {
        try await self.killedEverywhere {
            for kind in SideLogFolder.Kind.allCases {
                try await self.fill(kind, "old", 5)
                try await self.fill(kind, "other", 3)
            }
        } _: { disk in
            try SideLogFolder.removeLeftovers(in: self.data, disk: disk)
            for kind in SideLogFolder.Kind.allCases {
                let folder = SideLogFolder(kind, of: "old", in: self.data, disk: disk)
                let count = try folder.eventCount()
                #expect(count == 5 || count == 0, "whole, or gone")
                try folder.giveUp()
            }
        } _: { kill in
            for kind in SideLogFolder.Kind.allCases {
                let counts = try self.counts(kind)
                #expect(counts == ["other": 3], "killed at call \(kill)")
            }
            let left = try SystemDisk().entries("\(self.data)/forgotten") ?? []
            #expect(left.isEmpty, "killed at call \(kill)")
        }
    }

    @Test("a file that can't be looked at stops nothing")
    func unreadable() async throws {
        try await self.fill(.deadLetters, "old", 1)
        let disk = FaultDisk()
        disk.fail { call, path in call == .open && path.hasSuffix(".segment") ? EACCES : nil }
        let folder = SideLogFolder(.deadLetters, of: "old", in: self.data, disk: disk)
        #expect(try folder.size() > 0, "the others")
        try folder.giveUp()
        #expect(try folder.holdsLog == false)
        try? FileManager.default.removeItem(atPath: self.data)  // Cleaning up is a courtesy.
    }

    @Test("the budget gets back what the log had taken")
    func budget() async throws {
        try await self.fill(.setAside, "old", 5)
        let folder = SideLogFolder(.setAside, of: "old", in: self.data)
        let budget = try SpoolBudget(capacity: 1 << 30, directory: self.data)
        let (threads, metrics) = (SpoolThreads(), SpoolMetrics(MetricsRegistry()))
        let log = try SetAsideLog(directory: folder.path) { path throws(ForebayError) in
            try Spool.open(
                SpoolConfiguration(directory: path, kind: .setAside, segmentSize: 256 << 10, onDiskFailure: { fatalError("\($0)") }),
                budget: budget, threads: threads, metrics: metrics)
        }
        #expect(budget.usedBytes > 0)
        await log.close()
        try folder.giveUp(budget)
        #expect(budget.usedBytes == 0)
        try? FileManager.default.removeItem(atPath: self.data)  // Cleaning up is a courtesy.
    }
}
