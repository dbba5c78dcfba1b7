import ForebayCore
import Testing

@testable import ForebaySpool

/// What headers and footers say of ends: of their own, and of what stood before them.
extension FormatTests {
    @Test("what a segment's header knows of the one before it: where that ended, and which one is missing where sequences were left out")
    func before() {
        for (version, number, base, previousNumber, previousEnd, knownEnd, missing) in [
            (3, 5, 10, 4, 10, 10, 4), (3, 5, 10, 3, 10, 10, 3), (3, 5, 10, 3, 7, 7, 4), (3, 5, 10, 3, 9, 9, 4), (3, 5, 10, 3, 12, 10, 3),
            (3, 0, 10, 3, 7, 7, 0), (3, 1, 10, 3, 7, 7, 0), (1, 5, 10, 3, 7, 10, 3), (2, 5, 10, 3, 7, 7, 4),
        ] as [(UInt32, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64)] {
            var header = SegmentHeader(log: .none, origin: .none, number: number, base: base, salt: 1, madeAt: 0)
            (header.version, header.previousNumber, header.previousEnd) = (version, previousNumber, previousEnd)
            #expect(header.knownEnd == knownEnd && header.missingNumber == missing, "\(version), \(number), ends at \(previousEnd)")
        }
    }

    @Test("numbers of segments, its own and that of the one before it, are what a log comes to, to the last one", arguments: [32, 64])
    func segmentNumbers(place: Int) {
        for (number, isRead) in [(SpoolFormat.highestSequence - 1, true), (SpoolFormat.highestSequence, false), (.max, false)] {
            var layout = Layout(4096)
            layout.put("FBYSEG01", at: 0)
            layout.put(3, 4, at: 12)
            layout.put(number, 8, at: place)
            layout.check(12..<128, at: 8)
            #expect((layout.bytes.withUnsafeBytes { try? SegmentHeader(decoding: $0) } != nil) == isRead, "\(number)")
        }
    }

    private func footer(end: UInt64 = 50, dataEnd: Int = 8192, positions: [Int] = [], ordinals: [RouteID: UInt64] = [:]) -> SegmentFooter {
        SegmentFooter(
            end: end, dataEnd: dataEnd, checksum: 7,
            index: positions.enumerated().map { SegmentFooter.IndexEntry(sequence: UInt64($0.offset), position: $0.element) },
            ordinals: ordinals)
    }

    /// At 8192, in a file of three blocks, where its own end says that it is.
    private func read(_ footer: SegmentFooter, base: UInt64 = 0) throws -> SegmentFooter? {
        var layout = Layout(8192)
        layout.bytes += footer.encode(salt: 3)
        layout.put(8192, 8, at: 12_288 - 16)
        layout.check(12_288 - 16..<12_288 - 4, at: 12_288 - 4)
        return try SegmentFooter.read(from: MemoryFile(layout.bytes), size: 12_288, salt: 3, base: base)
    }

    @Test("what a footer says lies before it, and its end is not below its segment's beginning")
    func footerEnds() throws {
        for (dataEnd, kept) in [(8191, 8191), (8192, 8192), (8193, 8192), (4096, 4096)] {
            #expect(try self.read(self.footer(dataEnd: dataEnd))?.dataEnd == kept)
        }
        #expect(try self.read(self.footer(positions: [4096, 8191, 8192, 8193, 8000]))?.index.map(\.position) == [4096, 8191, 8000])
        for (base, isRead) in [(0, true), (49, true), (50, true), (51, false)] as [(UInt64, Bool)] {
            #expect(try (self.read(self.footer(), base: base) != nil) == isRead, "\(base)")
        }
        for (ordinal, isRead) in [(SpoolFormat.highestSequence - 1, true), (SpoolFormat.highestSequence, false), (.max, false)] {
            #expect(try (self.read(self.footer(ordinals: [routeA: ordinal, routeB: 1])) != nil) == isRead, "\(ordinal)")
        }
    }
}
