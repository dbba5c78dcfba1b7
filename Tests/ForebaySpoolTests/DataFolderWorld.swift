import ForebayCore
import ForebayTelemetry
import ForebayTestKit
import Foundation
import Testing

@testable import ForebaySpool

/// A node's storage in a folder of its own, with something in each log.
final class DataFolderWorld {
    enum How: CaseIterable {
        case moved
        /// An empty folder has its path, as where something is mounted over it.
        case replaced
    }

    let base: String
    private let isOwner: Bool
    let disk = FaultDisk()
    var threads = SpoolThreads()
    private(set) var budget: SpoolBudget!
    private(set) var spool: Spool!
    private(set) var setAside: SetAsideLog!
    private(set) var letters: DeadLetters!
    /// On which the data folder is the one that was opened.
    private(set) var held: any Disk = SystemDisk()
    private(set) var known: KnownLogs!
    private(set) var logs: DataFolderLogs!

    var data: String { self.base + "/data" }

    /// - Parameter base: of another one, that stays the owner; none: a new folder.
    init(in base: String? = nil) {
        self.base = base ?? NSTemporaryDirectory() + "forebay-away-" + UUID().uuidString
        self.isOwner = base == nil
    }

    deinit {
        self.threads.end()
        if self.isOwner { try? FileManager.default.removeItem(atPath: self.base) }  // Cleaning up is a courtesy.
    }

    /// As a node does.
    ///
    /// - Parameter formerly: names that the routes had.
    func start(_ routes: [String] = ["x"], formerly: [String] = []) throws {
        self.held = try DataFolderLogs.hold(self.data, on: self.disk)
        self.known = try KnownLogs(in: self.data, disk: self.held)
        self.budget = try SpoolBudget(capacity: 1 << 30, directory: self.data, disk: self.held)
        self.spool = try self.opening(.spool)("\(self.data)/spool")
        self.logs = DataFolderLogs(
            routes: routes.map { DataFolderLogs.Route(name: $0, formerly: formerly) }, directory: self.data, disk: self.held,
            known: self.known)
        try self.logs.prepare()
        for route in routes {
            self.setAside = try SetAsideLog(
                directory: self.logs.folder(.setAside, route).path, disk: self.held, open: self.opening(.setAside))
            self.letters = try DeadLetters(
                route: route, directory: self.logs.folder(.deadLetters, route).path, disk: self.held, threads: self.threads,
                open: self.opening(.deadLetters))
        }
        try self.known.finishStart(self.spool)
    }

    func opening(_ kind: LogKind) -> @Sendable (String) throws(ForebayError) -> Spool {
        let (known, threads, budget, held) = (self.known!, self.threads, self.budget!, self.held)
        return { folder throws(ForebayError) in
            var configuration = SpoolConfiguration(directory: folder, kind: kind, segmentSize: 64 << 10) { fatalError("\($0)") }
            configuration.disk = held
            configuration.preparesNext = false
            configuration.recentBytes = 0
            configuration.markInterval = 60_000
            return try known.open(configuration, budget: budget, threads: threads, metrics: SpoolMetrics(MetricsRegistry()))
        }
    }

    func stop() async {
        let route = self.letters.route
        let empty = await SideLogs(deadLetters: self.letters, setAside: self.setAside).close()
        await self.spool.close { self.logs.finishStop(empty: empty.map { ($0, route) }) }
        (self.spool, self.setAside, self.letters) = (nil, nil, nil)
    }

    static let size = 40_000

    /// Two events a segment.
    func commit(_ numbers: Range<Int>) async throws {
        for number in numbers {
            let value = "\(number)" + String(repeating: "v", count: Self.size)
            _ = try await self.spool.commit([submission([(number % 2 == 0 ? routeA : routeB, [value])])])
        }
    }

    func append(_ numbers: Range<Int>) async throws {
        for number in numbers {
            let value = "\(number)" + String(repeating: "v", count: Self.size)
            try await self.setAside.append(new: [unit(1)], [ForebaySpoolTests.aside(1, [value])])
            let letter = DeadLetter(
                topic: "t", code: "c", reason: "r", eventID: "id", offset: Offset(lane: .spool(.none), number: UInt64(number)),
                record: batch(routeA, [value]).withUnsafeBytes { Array($0) })
            _ = try await self.letters.append([letter])
        }
    }

    /// - Returns: puts it back.
    func take(_ name: String, _ how: How) throws -> () throws -> Void {
        let (path, away) = (self.data + name, self.base + "/away")
        try FileManager.default.moveItem(atPath: path, toPath: away)
        if how == .replaced { try SystemDisk().makeFolder(path) }
        return {
            // What stands in its place is as it was left: nothing was made there.
            if how == .replaced { try SystemDisk().removeFolder(path) }
            #expect(try SystemDisk().kind(of: path) == nil, "something was made in its place")
            try FileManager.default.moveItem(atPath: away, toPath: path)
        }
    }

    static func numbers(_ events: [(UInt64, String)]) -> [Int] { events.map { Int($0.1.prefix { $0 != "v" }) ?? -1 } }

    func isSound() -> Bool {
        [self.spool.damage, self.setAside.damage].allSatisfy { $0 == SpoolDamage() }
    }
}
