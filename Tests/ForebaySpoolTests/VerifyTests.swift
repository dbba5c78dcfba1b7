import ForebayCore
import ForebayTestKit
import Foundation
import Glibc
import Testing

@testable import ForebaySpool

/// What a start would tell of, `verify` tells before; and changes nothing.
@Suite("Spool: verify, and the start behind it")
struct VerifyTests {
    /// A log's folder, with something waiting in it.
    private struct World {
        let directory: String
        let open: () throws -> (damage: () -> SpoolDamage, close: () async -> Void)
        /// Kept while the folder is used.
        let owner: AnyObject

        func verify() throws -> SpoolInspection.Verdict { try SpoolInspection(directory: self.directory).verify() }

        /// Every file with its bytes.
        func contents() throws -> [String: Data] {
            var found: [String: Data] = [:]
            for path in try FileManager.default.subpathsOfDirectory(atPath: self.directory) {
                found[path] = FileManager.default.contents(atPath: self.directory + "/" + path) ?? Data()
            }
            return found
        }

        func segment(_ place: Int) throws -> String {
            let files = try FileManager.default.contentsOfDirectory(atPath: self.directory + "/segments").filter {
                $0.hasSuffix(".segment")
            }
            .sorted()
            return self.directory + "/segments/" + files[place < 0 ? files.count + place : place]
        }
    }

    enum Kind: CaseIterable { case spool, setAside, deadLetters }

    private func world(_ kind: Kind, isClean: Bool) async throws -> World {
        if kind == .setAside {
            let first = SetAsideFixture(segmentSize: 64 << 10)
            let log = try first.open()
            try await log.append(new: [unit(1), unit(2)], [])
            for number in 0..<8 {
                let value = "\(number)" + String(repeating: "v", count: 12_000)
                try await log.append(new: [], [aside(1, [value]), aside(2, [value])])
            }
            log.settle(1, through: 1, oldestAcceptedAt: nil)
            let fixture = isClean ? first : try first.crashed()
            await log.close()
            return World(
                directory: fixture.directory,
                open: {
                    let log = try fixture.open()
                    return ({ log.damage }, { await log.close() })
                }, owner: fixture)
        }
        let first = SpoolFixture(segmentSize: 64 << 10)
        let logKind: LogKind = kind == .spool ? .spool : .deadLetters
        let spool = try first.open { $0.kind = logKind }
        if kind == .spool {
            for name in ["a", "b"] { _ = try await spool.cursor("forward/\(name)", route: RouteID(name: name)) }
        }
        for number in 0..<12 {
            let value = "\(number)" + String(repeating: "v", count: 20_000)
            _ = try await spool.commit([submission([(number % 2 == 0 ? routeA : routeB, [value])])])
        }
        let fixture = isClean ? first : try first.crashed()
        await spool.close()
        return World(
            directory: fixture.directory,
            open: {
                let spool = try fixture.open { $0.kind = logKind }
                return ({ spool.damage }, { await spool.close() })
            }, owner: fixture)
    }

    @Test("a sound log is sound, and verify leaves no trace", arguments: Kind.allCases, [true, false])
    func sound(kind: Kind, isClean: Bool) async throws {
        let world = try await self.world(kind, isClean: isClean)
        let before = try world.contents()
        let verdict = try world.verify()
        #expect(verdict.problems.isEmpty && verdict.events == (kind == .setAside ? 16 : 12), "\(verdict.problems)")
        #expect(try world.contents() == before)
    }

    private enum Removed: CaseIterable {
        case allSegments, newest, middle, oldest, mark, emptyMark, registries, units, emptyUnits, garbageUnits, cursor, unitsAsFolder

        func apply(_ world: World) throws {
            let files = FileManager.default, folder = world.directory
            func empty(_ name: String) throws { try Data().write(to: URL(filePath: folder + "/" + name)) }
            switch self {
            case .allSegments:
                for name in try files.contentsOfDirectory(atPath: folder + "/segments") {
                    try files.removeItem(atPath: folder + "/segments/" + name)
                }
            case .newest: try files.removeItem(atPath: world.segment(-1))
            case .middle: try files.removeItem(atPath: world.segment(1))
            case .oldest: try files.removeItem(atPath: world.segment(0))
            case .mark: try files.removeItem(atPath: folder + "/mark")
            case .emptyMark: try empty("mark")
            case .registries: for name in CursorRegistry.files { try files.removeItem(atPath: folder + "/" + name) }
            case .cursor: try files.removeItem(atPath: folder + "/cursors/forward.a")
            case .units: try files.removeItem(atPath: folder + "/units")
            case .emptyUnits: try empty("units")
            case .garbageUnits: try Data(repeating: 7, count: 16_384).write(to: URL(filePath: folder + "/units"))
            case .unitsAsFolder:
                try files.removeItem(atPath: folder + "/units")
                try files.createDirectory(atPath: folder + "/units/inside", withIntermediateDirectories: true)
            }
        }

        func isPossible(in kind: Kind) -> Bool {
            switch self {
            case .units, .emptyUnits, .garbageUnits, .unitsAsFolder: kind == .setAside
            case .cursor: kind == .spool
            default: true
            }
        }
    }

    @Test("whatever is gone or damaged is told of by verify as by the next start", arguments: Kind.allCases, [true, false])
    func rows(kind: Kind, isClean: Bool) async throws {
        for removed in Removed.allCases where removed.isPossible(in: kind) {
            let world = try await self.world(kind, isClean: isClean)
            try removed.apply(world)
            let before = try world.contents()
            let verdict = try world.verify()
            #expect(!verdict.problems.isEmpty, "\(removed) of \(kind)")
            #expect(try world.contents() == before, "\(removed) of \(kind): it left a trace")
            let (asked, close) = try world.open()
            let damage = asked()
            for alarm in damage.alarms {
                #expect(verdict.problems.contains { $0.file == alarm.file && $0.reason == alarm.text }, "\(alarm)")
            }
            for missing in damage.missing where missing.unit == nil {
                #expect(verdict.problems.contains { $0.missing.overlaps(missing.sequences) }, "\(removed) of \(kind): \(missing)")
            }
            #expect(damage != SpoolDamage() || removed == .middle, "\(removed) of \(kind): told when a cursor comes to it")
            await close()
            // What it told of stays until it is acknowledged.
            let isTold = try !world.verify().problems.isEmpty
            let losses = !damage.missing.isEmpty || damage.alarms.contains(where: \.holdsEvents)
            #expect(isTold == (losses || removed == .middle), "\(removed) of \(kind)")
            _ = try LogAlarms(directory: world.directory).acknowledge()
            let left = try world.verify().problems
            #expect(left.isEmpty || removed == .middle, "\(removed) of \(kind): \(left)")
        }
    }

    @Test("beside a running node that goes on, lets go of segments and is killed, a sound log stays sound")
    func besideANode() async throws {
        let fixture = SpoolFixture(segmentSize: 64 << 10)
        let spool = try fixture.open()
        let cursor = try await spool.cursor("forward/a", route: routeA)
        await spool.releasePassedSegments()
        let writing = Task {
            for number in 0..<200 as Range<UInt64> {
                _ = try await spool.commit([submission([(routeA, ["\(number)" + String(repeating: "r", count: 15_000)])])])
                cursor.move(to: number, settled: 1)
                await spool.syncCursors()
            }
        }
        var rounds = 0
        while rounds < 20 || cursor.sequence < 150 {
            let problems: [SpoolInspection.Problem]
            // A segment may go between the listing and the opening.
            do { problems = try SpoolInspection(directory: fixture.directory).rehearse(beside: []) } catch { continue }
            #expect(problems.isEmpty, "\(problems)")
            rounds += 1
        }
        try await writing.value
        #expect(try SpoolInspection(directory: fixture.directory).verify().problems.isEmpty)
        await spool.close()
    }
}
