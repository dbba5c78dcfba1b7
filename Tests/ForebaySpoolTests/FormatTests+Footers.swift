import ForebayCore
import Testing

@testable import ForebaySpool

/// The footer of a segment, and the trailer by which it is found.
extension FormatTests {
    private func footer(index: Int = 2, routes: Int = 2) -> SegmentFooter {
        SegmentFooter(
            end: 0x0012_1314_1516_1718, dataEnd: 0x0203_0000, checksum: 0x5152_5354,
            index: (0..<index).map { SegmentFooter.IndexEntry(sequence: 0x61 + UInt64($0), position: 0x7000 + $0) },
            ordinals: Dictionary(uniqueKeysWithValues: (0..<routes).map { (RouteID(rawValue: 0xF0 - UInt64($0)), 0x80 + UInt64($0)) }))
    }

    private func layout(_ footer: SegmentFooter, padded: Int) -> Layout {
        let length = 48 + 16 * (footer.index.count + footer.ordinals.count)
        var layout = Layout(padded)
        layout.put("FBYE", at: 0)
        layout.put(UInt64(length), 4, at: 8)
        layout.put(UInt64(footer.index.count), 4, at: 12)
        layout.put(UInt64(footer.ordinals.count), 4, at: 16)
        layout.put(footer.end, 8, at: 24)
        layout.put(UInt64(footer.dataEnd), 8, at: 32)
        layout.put(footer.checksum, 8, at: 40)
        var next = 48
        for entry in footer.index {
            layout.put(entry.sequence, 8, at: next)
            layout.put(UInt64(entry.position), 8, at: next + 8)
            next += 16
        }
        for (route, ordinal) in footer.ordinals.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            layout.put(route.rawValue, 8, at: next)
            layout.put(ordinal, 8, at: next + 8)
            next += 16
        }
        layout.check(8..<length, [Self.salt], at: 4)
        layout.put(UInt64(footer.dataEnd), 8, at: padded - 16)
        layout.put("FBYZ", at: padded - 8)
        layout.check(padded - 16..<padded - 4, at: padded - 4)
        return layout
    }

    private func isFooter(_ bytes: UnsafeRawBufferPointer) -> Bool { SegmentFooter(decoding: bytes, salt: Self.salt) != nil }

    @Test(
        "a footer, its index and routes, and the trailer behind it",
        arguments: [(0, 0, 4096), (2, 2, 4096), (200, 52, 4096), (200, 53, 8192)])
    func segmentFooter(index: Int, routes: Int, padded: Int) {
        let footer = self.footer(index: index, routes: routes)
        let bytes = footer.encode(salt: Self.salt)
        #expect(bytes == self.layout(footer, padded: padded).bytes)
        #expect(bytes.withUnsafeBytes { SegmentFooter(decoding: $0, salt: Self.salt) } == footer)
        #expect(bytes.withUnsafeBytes { SegmentFooter(decoding: $0, salt: Self.salt + 1) } == nil)
        #expect(Array(bytes.suffix(16)).withUnsafeBytes { SegmentFooter.position(trailer: $0) } == 0x0203_0000)
    }

    @Test("a footer is read if it is whole and as long as its parts, and a trailer if it is whole")
    func segmentFooterDamage() {
        let bytes = self.footer().encode(salt: Self.salt), length = 48 + 16 * 4
        #expect(isCovered(bytes, 0..<length, self.isFooter) && !isCovered(bytes, length..<length + 1, self.isFooter))
        #expect(Array(bytes[..<length]).withUnsafeBytes(self.isFooter) && !Array(bytes[..<(length - 1)]).withUnsafeBytes(self.isFooter))
        for count in 0..<48 { #expect(!Array(bytes[..<count]).withUnsafeBytes(self.isFooter)) }
        func isRead(_ length: Int, _ index: UInt64, _ routes: UInt64, end: UInt64 = 5) -> Bool {
            var layout = self.layout(self.footer(), padded: 4096)
            layout.put(UInt64(length), 4, at: 8)
            layout.put(index, 4, at: 12)
            layout.put(routes, 4, at: 16)
            layout.put(end, 8, at: 24)
            layout.check(8..<min(4096, length), [Self.salt], at: 4)
            return layout.bytes.withUnsafeBytes(self.isFooter)
        }
        #expect(isRead(length, 2, 2) && isRead(length, 3, 1) && isRead(length, 0, 4))
        #expect(!isRead(length, 2, 1) && !isRead(length, 2, 3) && !isRead(length - 1, 2, 2) && !isRead(length + 1, 2, 2))
        #expect(!isRead(48 + 16 * 256, 128, 128), "longer than there is")
        #expect(isRead(length, 2, 2, end: (1 << 56) - 1) && !isRead(length, 2, 2, end: 1 << 56))
        let trailer = Array(bytes.suffix(16))
        #expect(isCovered(trailer, 0..<16) { SegmentFooter.position(trailer: $0) != nil })
        #expect((trailer + [0]).withUnsafeBytes { SegmentFooter.position(trailer: $0) } == nil)
        #expect(Array(trailer[..<15]).withUnsafeBytes { SegmentFooter.position(trailer: $0) } == nil)
    }

    @Test("a footer is found by the end of the file, where it begins with a block")
    func footerInAFile() throws {
        /// A file whose trailer says where the footer is, and whose footer is there or elsewhere.
        func find(trailer: UInt64, at place: Int, size: Int = 12_288) throws -> SegmentFooter? {
            var layout = Layout(size)
            let footer = self.footer()
            layout.bytes.replaceSubrange(place..<place + 112, with: footer.encode(salt: Self.salt)[..<112])
            layout.put(trailer, 8, at: size - 16)
            layout.put("FBYZ", at: size - 8)
            layout.check(size - 16..<size - 4, at: size - 4)
            return try SegmentFooter.read(from: MemoryFile(layout.bytes), size: size, salt: Self.salt)
        }
        /// What it says of places behind itself does not count.
        func found(at place: Int) -> SegmentFooter {
            var footer = self.footer()
            (footer.dataEnd, footer.index) = (place, [])
            return footer
        }
        #expect(try find(trailer: 8192, at: 8192) == found(at: 8192))
        #expect(try find(trailer: 4096, at: 4096) == found(at: 4096))
        #expect(try find(trailer: 4096, at: 4096, size: 8192) == found(at: 4096))
        #expect(try find(trailer: 4096, at: 8192) == nil && find(trailer: 12_288, at: 8192) == nil)
        #expect(try find(trailer: 20_480, at: 8192) == nil && find(trailer: .max, at: 8192) == nil)
        #expect(try find(trailer: 4608, at: 4608) == nil, "no block begins there")
        #expect(try find(trailer: 0, at: 0) == nil, "there the header is")
        #expect(try find(trailer: 8192, at: 8192, size: 12_289) == nil, "whole blocks")
        let file = MemoryFile(self.footer().encode(salt: Self.salt))
        #expect(try SegmentFooter.read(from: file, size: 0, salt: Self.salt) == nil && file.reads.isEmpty)
        #expect(try SegmentFooter.read(from: file, size: 8192, salt: Self.salt) == nil, "shorter than was said")
    }
}
