import ForebayCore
import Foundation
import Testing

@testable import ForebaySpool

/// What frames say of units whose entries in the table are damaged.
@Suite("Set aside: units of which only frames are left")
struct UnitInventoryTests {
    private let fixture = SetAsideFixture()

    /// A log with so many events of unit 1, each in a frame of its own, and of unit 2 behind them.
    private func made(_ count: Int) async throws -> (log: SpoolID, segment: SegmentInfo) {
        let log = try self.fixture.open()
        try await log.append(new: [unit(1), unit(2)], [])
        for number in 0..<count { try await log.append(new: [], [aside(1, ["\(number)"])]) }
        try await log.append(new: [], [aside(2, ["other"])])
        await log.close()
        let inspection = try SpoolInspection(directory: self.fixture.directory)
        return (try #require(inspection.id), try #require(inspection.segmentsWithRoutes().first))
    }

    @Test("a unit is taken up from its first frame on, with the topic of the first that can be read; without any it is lost")
    func firstReadable() async throws {
        let (log, segment) = try await self.made(3)
        for bad in 0...3 {
            let fixture = try self.fixture.crashed()
            var info = SegmentInfo(
                header: segment.header, path: try fixture.segmentFiles()[0], end: segment.end, dataEnd: segment.dataEnd, size: segment.size)
            info.routes = segment.routes
            for frame in 0..<bad { try fixture.change(info.path) { $0[segment.header.dataStart + frame * 4096 + 70] ^= 1 } }
            let found = try UnitInventory(table: nil, log: log, segments: [info], disk: SystemDisk())
            #expect(found.units.map(\.number) == (bad < 3 ? [1, 2] : [2]) && found.lost == (bad < 3 ? [] : [1]), "\(bad) bad frames")
            #expect(found.units.allSatisfy { $0.topic == "topic" && $0.settled == 0 } && found.highest == 2, "\(bad) bad frames")
            #expect(found.units.map(\.end) == (bad < 3 ? [3, 1] : [1]), "\(bad) bad frames")
        }
    }

    @Test("what stands behind a segment's end was never acknowledged: no unit is taken up from it")
    func behindTheEnd() async throws {
        let (log, segment) = try await self.made(2)
        var info = SegmentInfo(
            header: segment.header, path: segment.path, end: segment.base + 1, dataEnd: segment.dataEnd, size: segment.size)
        info.routes = RouteTable([RouteID(rawValue: 1): 1])
        let whole = try UnitInventory(table: nil, log: log, segments: [info], disk: SystemDisk())
        #expect(whole.units.map(\.number) == [1] && whole.units.map(\.end) == [1])
        try self.fixture.change(info.path) { $0[segment.header.dataStart + 70] ^= 1 }
        let found = try UnitInventory(table: nil, log: log, segments: [info], disk: SystemDisk())
        #expect(found.units.isEmpty && found.lost == [1])
    }

    @Test("frames of numbers that no unit has are nobody's, and of segments with no others' none is opened")
    func numbers() async throws {
        let (log, segment) = try await self.made(1)
        var info = segment
        info.routes = RouteTable(
            [0, SpoolFormat.highestMark - 1, SpoolFormat.highestMark, .max].reduce(into: [:]) { $0[RouteID(rawValue: $1)] = 1 })
        let found = try UnitInventory(table: nil, log: log, segments: [info], disk: SystemDisk())
        #expect(found.units.isEmpty && found.lost == [SpoolFormat.highestMark - 1] && found.highest == SpoolFormat.highestMark - 1)
        let table = try SystemDisk().open(self.fixture.tablePath, [])
        let gone = SegmentInfo(
            header: segment.header, path: "/none", end: segment.end, dataEnd: segment.dataEnd, size: segment.size, routes: segment.routes)
        #expect(try UnitInventory(table: table, log: log, segments: [gone], disk: SystemDisk()).units.map(\.number) == [1, 2])
    }

    @Test("of units in one segment only those are taken from their frames whose entries are damaged")
    func damagedAlone() async throws {
        let (log, segment) = try await self.made(2)
        let bytes = try Data(contentsOf: URL(filePath: self.fixture.tablePath))
        #expect(bytes.count == 2 * UnitPair.size)
        let table = MemoryFile([UInt8](repeating: 0, count: UnitPair.size) + bytes[UnitPair.size...])
        let found = try UnitInventory(table: table, log: log, segments: [segment], disk: SystemDisk())
        #expect(found.orphans.map(\.number) == [1] && found.units.map(\.number) == [1, 2] && found.lost.isEmpty)
        #expect(found.units.map(\.code) == ["UNKNOWN", "UNKNOWN_TOPIC_OR_PART"])
    }
}
