import ForebayCore
import ForebayTestKit
import Foundation
import Testing

@testable import ForebaySpool

/// Files that no forebay would write, or that are another log's.
extension InspectionTableTests {
    @Test("records that do not fit their frame, and a footer that says another end")
    func crafted() async throws {
        let segments = try await self.made()
        let second = segments[1], salt = second.salt
        let pristine = try Data(contentsOf: URL(filePath: second.path))
        try self.change(second.path) { bytes in
            // One event less than it says, sealed again.
            var header = Array(bytes[second.header.dataStart..<second.header.dataStart + 64])
            let frame = header.withUnsafeBytes { FrameHeader(decoding: $0, salt: salt)! }
            var changed = frame
            let payload =
                Array(bytes[second.header.dataStart + 64..<second.header.dataStart + 64 + frame.length].dropLast(8))
                + [UInt8](repeating: 0xFF, count: 8)
            var broken = payload
            broken[0] ^= 0x10
            header.withUnsafeMutableBytes { target in
                broken.withUnsafeBytes { changed.encode(to: target.baseAddress!, payload: $0, salt: salt) }
            }
            bytes.replaceSubrange(second.header.dataStart..<second.header.dataStart + 64, with: header)
            bytes.replaceSubrange(second.header.dataStart + 64..<second.header.dataStart + 64 + frame.length, with: broken)
        }
        #expect(
            try self.problems() == [
                "\(self.name(2)) \(second.header.dataStart) \(second.base)..<\(second.base + 1) the records of a frame do not fit it"
            ])
        var seen: [UInt64] = []
        try self.inspect().dump(from: 0) { _, sequence, _ in
            seen.append(sequence)
            return true
        }
        #expect(seen == (0..<12).filter { $0 != second.base }, "it is passed over")
        try pristine.write(to: URL(filePath: second.path))
        try self.change(second.path) { bytes in
            let footer = SegmentFooter(end: second.end + 2, dataEnd: second.dataEnd, checksum: 0, index: [], ordinals: [:]).encode(
                salt: salt)
            bytes.replaceSubrange(second.dataEnd..<second.dataEnd + footer.count, with: footer)
        }
        #expect(
            try self.problems() == [
                "\(self.name(2)) \(second.dataEnd) \(second.end)..<\(second.end + 2) the footer names another end",
                "\(self.name(3)) 0 \(second.end)..<\(second.end + 2) the segment before it has the same sequences",
            ])
    }

    @Test("segments of another log are named and not counted; where there is no spool that is said")
    func foreign() async throws {
        let segments = try await self.made()
        let other = SpoolFixture(segmentSize: 64 << 10)
        let spool = try other.open()
        for _ in 0..<2 { _ = try await spool.commit([submission([(routeA, [String(repeating: "o", count: 40_000)])])]) }
        await spool.close()
        for name in CursorRegistry.files { try FileManager.default.removeItem(atPath: other.directory + "/" + name) }
        #expect(try SpoolInspection(directory: other.directory).verify().events == 2, "by its segments alone")
        let last = segments.last!.number + 1
        var bytes = try Data(contentsOf: URL(filePath: try other.segmentFiles()[0]))
        for copy in [0, 4096] {
            bytes[copy + 32] = UInt8(last)
            bytes.withUnsafeMutableBytes { buffer in
                buffer.baseAddress!.put(SpoolFormat.crc(UnsafeRawBufferPointer(buffer).part(copy + 12, 116)), at: copy + 8)
            }
        }
        try bytes.write(to: URL(filePath: self.fixture.segmentsFolder + "/" + self.name(last)))
        #expect(try self.problems() == ["\(self.name(last)) 0 0..<0 a segment of another log; it is moved to quarantine"])
        #expect(try self.inspect().verify().segments == segments.count)
        bytes[12] = 9
        bytes.withUnsafeMutableBytes { $0.baseAddress!.put(SpoolFormat.crc(UnsafeRawBufferPointer($0).part(12, 116)), at: 8) }
        try bytes.write(to: URL(filePath: self.fixture.segmentsFolder + "/" + self.name(last)))
        #expect(try self.problems().map { $0.hasSuffix("has format version 9; this forebay reads versions up to 3") } == [true])
        let error = #expect(throws: ForebayError.self) {
            try SpoolInspection(directory: NSTemporaryDirectory() + "none-" + UUID().uuidString)
        }
        #expect(error?.message.hasPrefix("there is no spool in ") == true && error?.code == .spoolUnreadable)
    }
}
