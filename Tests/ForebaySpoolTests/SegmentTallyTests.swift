import ForebayCore
import Testing

@testable import ForebaySpool

@Suite("Spool: what stands in a segment that is written")
struct SegmentTallyTests {
    private let header = SegmentHeader(
        log: spoolID("0123456789ABCDEF"), origin: spoolID("0123456789ABCDEF"), number: 3, base: 100, salt: 77, madeAt: 1)

    private func frame(_ base: UInt64, _ count: Int, _ route: RouteID, ordinal: UInt64, crc: UInt32 = 1) -> FrameHeader {
        var frame = FrameHeader(
            length: 10, count: count, flags: [], base: base, route: route, ordinal: ordinal, durable: 0, acceptedAt: 1)
        frame.crc = crc
        return frame
    }

    @Test("it begins with nothing, and grows by whole groups: the last ordinal of each route, and every frame's checksum, in order")
    func grows() {
        var tally = SegmentTally(self.header)
        #expect(tally.position == self.header.dataStart && tally.end == 100 && tally.index.isEmpty && tally.checksum == 0)
        #expect(tally.footer.ordinals.isEmpty && tally.footer.dataEnd == self.header.dataStart && tally.footer.end == 100)
        tally.add([self.frame(100, 2, routeA, ordinal: 7, crc: 5), self.frame(102, 3, routeB, ordinal: 0, crc: 6)], size: 8192)
        tally.add([self.frame(105, 1, routeA, ordinal: 9, crc: 7)], size: 4096)
        var other = SegmentTally(self.header)
        other.add([self.frame(100, 2, routeA, ordinal: 7, crc: 6), self.frame(102, 3, routeB, ordinal: 0, crc: 5)], size: 8192)
        other.add([self.frame(105, 1, routeA, ordinal: 9, crc: 7)], size: 4096)
        let footer = tally.footer
        #expect(tally.position == self.header.dataStart + 12_288 && footer.dataEnd == tally.position)
        #expect(tally.end == 106 && footer.end == 106 && footer.ordinals == [routeA: 10, routeB: 3])
        #expect(footer.checksum == UInt64(tally.checksum) && tally.checksum != other.checksum)
    }

    @Test("about one group a MiB has its place in the index, the first among them")
    func index() {
        var tally = SegmentTally(self.header), expected: [SegmentFooter.IndexEntry] = []
        for number in 0..<2000 as Range<UInt64> {
            let size = number == 700 ? 3 << 20 : 4096
            if tally.position - (expected.last?.position ?? -(1 << 20)) >= 1 << 20 {
                expected.append(SegmentFooter.IndexEntry(sequence: 100 + number, position: tally.position))
            }
            tally.add([self.frame(100 + number, 1, routeA, ordinal: number)], size: size)
        }
        #expect(tally.index == expected && expected.count > 7 && tally.footer.index == expected)
    }

    @Test("the room that is kept free is enough for the footer, also behind a group more of 60 routes")
    func footerRoom() {
        var tally = SegmentTally(self.header), next: UInt64 = 100
        for round in 0..<20 as Range<UInt64> {
            let room = tally.footerRoom
            tally.add(
                (0..<60).map { self.frame(next + $0, 1, RouteID(rawValue: round * 60 + $0), ordinal: 0) }, size: 1 << 20)
            next += 60
            #expect(tally.footer.encode(salt: 77).count <= room && room % 4096 == 0)
        }
    }
}
