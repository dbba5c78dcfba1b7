import ForebayCore
import ForebayTestKit
import Foundation
import Glibc
import Testing

@testable import ForebaySpool

/// What is no file in the place of one: it is moved aside, and the log goes on.
@Suite("Spool: a folder, a socket or a link where a file of ours is to be")
struct StrayEntryTests {
    enum Stray: CaseIterable {
        case folder, fullFolder, socket, link, linkToNowhere

        func put(at path: String) throws {
            let files = FileManager.default
            try? files.removeItem(atPath: path)  // It may not be there.
            switch self {
            case .folder: try files.createDirectory(atPath: path, withIntermediateDirectories: false)
            case .fullFolder:
                try files.createDirectory(atPath: path, withIntermediateDirectories: false)
                try Data("kept".utf8).write(to: URL(filePath: path + "/inside"))
            case .socket: guard mkfifo(path, 0o600) == 0 else { throw POSIXError(.EIO) }
            case .link:
                try Data("kept".utf8).write(to: URL(filePath: path + ".elsewhere"))
                try files.createSymbolicLink(atPath: path, withDestinationPath: path + ".elsewhere")
            case .linkToNowhere: try files.createSymbolicLink(atPath: path, withDestinationPath: path + ".nowhere")
            }
        }
    }

    private static let names = [
        "registry", "registry.copy", "mark", "cursors/forward.a", "lock", "segments/prepared-1", "segments/new-2", "alarms",
        "alarms.copy.new",
    ]

    @Test("of the spool", arguments: names, Stray.allCases)
    func spool(name: String, stray: Stray) async throws {
        let fixture = SpoolFixture(segmentSize: 64 << 10)
        var spool = try fixture.open()
        var cursor = try await spool.cursor("forward/a", route: routeA)
        for number in 0..<6 { _ = try await spool.commit([submission([(routeA, ["\(number)" + String(repeating: "s", count: 20_000)])])]) }
        cursor.move(to: 2, settled: 2)
        await spool.close()
        try stray.put(at: fixture.directory + "/" + name)
        for start in 0..<2 {
            spool = try fixture.open { $0.recentBytes = 0 }
            cursor = try await spool.cursor("forward/a", route: routeA)
            #expect(cursor.sequence == (name.hasPrefix("cursors") ? 0 : 2), "\(name), start \(start)")
            #expect(try spool.events(from: cursor.sequence).map(\.0).prefix(6).suffix(4) == [2, 3, 4, 5] || start == 1)
            #expect(spool.missing.isEmpty, "\(name), start \(start)")
            let isTold = ["mark", "cursors/forward.a"].contains(name) && start == 0
            #expect(spool.alarms.isEmpty == !isTold, "\(name), start \(start): \(spool.alarms)")
            _ = try await spool.commit([submission([(routeA, ["more \(start)"])])])
            spool.report(MissingRange(sequences: 0..<1, segment: 1, position: 0, reason: "planted", events: 1))
            _ = try await spool.acknowledgeAlarms()
            await spool.close()
        }
        let kept = try Folder(SystemDisk()).entries(fixture.directory + "/quarantine")
        #expect(kept == [String(name.split(separator: "/").last!)], "\(name)")
        if stray == .fullFolder {
            #expect(FileManager.default.fileExists(atPath: fixture.directory + "/quarantine/\(kept[0])/inside"), "nothing in it is lost")
        }
    }

    @Test("of what is set aside", arguments: ["units", "mark", "registry"], Stray.allCases)
    func setAside(name: String, stray: Stray) async throws {
        let fixture = SetAsideFixture(segmentSize: 64 << 10)
        var log = try fixture.open()
        try await log.append(new: [unit(1), unit(2)], [aside(1, ["0", "1"]), aside(2, ["0"])])
        log.settle(1, through: 1, oldestAcceptedAt: nil)
        await log.close()
        try stray.put(at: fixture.directory + "/" + name)
        log = try fixture.open()
        #expect(log.units.map(\.settled) == (name == "units" ? [0, 0] : [1, 0]) && log.damage.missing.isEmpty)
        #expect(try log.scan([1: 0, 2: 0]).all().mapValues(\.count) == [1: 2, 2: 1])
        try await log.append(new: [], [aside(2, ["1"])])
        await log.close()
        #expect(try Folder(SystemDisk()).entries(fixture.directory + "/quarantine") == [name])
    }

    @Test("of the ballast", arguments: Stray.allCases)
    func ballast(stray: Stray) throws {
        let folder = NSTemporaryDirectory() + "forebay-ballast-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }  // A temporary folder.
        try stray.put(at: folder + "/ballast")
        let budget = try SpoolBudget(capacity: 64 << 20, directory: folder, ballast: 1 << 20)
        budget.makeBallast()
        #expect(try SystemDisk().kind(of: folder + "/ballast") == .file)
        #expect(try Folder(SystemDisk()).entries(folder + "/quarantine") == ["ballast"])
    }

    @Test("in the place of a folder it is refused, with the path and what to do")
    func folders() async throws {
        for name in ["segments", "cursors"] {
            let fixture = SpoolFixture()
            let spool = try fixture.open()
            await spool.close()
            let path = fixture.directory + "/" + name
            try FileManager.default.removeItem(atPath: path)
            try Data("x".utf8).write(to: URL(filePath: path))
            let error = #expect(throws: ForebayError.self) { try fixture.open() }
            #expect(error?.message == "\(path) is not a folder: move away what has that name, then start again")
        }
    }

    @Test("a file that replaces another one and can't be made whole leaves nothing behind, and the other one as it is")
    func notMade() throws {
        let watched = WatchedDisk(), path = watched.directory + "/file"
        try Data("old".utf8).write(to: URL(filePath: path))
        #expect(throws: ForebayError.self) {
            try Folder(watched.disk).quarantine(path, of: watched.directory) { place throws(ForebayError) in
                try watched.disk.open(place, [.write, .create]).write([1, 2, 3], at: 0)
                throw ForebayError(.injected, recovery: .stop, "half of it")
            }
        }
        #expect(FileManager.default.contents(atPath: path) == Data("old".utf8))
        #expect(try FileManager.default.contentsOfDirectory(atPath: watched.directory + "/quarantine").isEmpty)
    }
}
