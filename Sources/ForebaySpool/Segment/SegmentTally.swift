import ForebayCore

/// What stands in a segment that is being written, as its footer will say it. It grows by whole groups, each when it is on disk.
struct SegmentTally {
    /// About so many bytes lie between two places that the index names.
    private static let indexed = 1 << 20

    /// Where the next group begins.
    private(set) var position: Int
    /// One past the last sequence.
    private(set) var end: UInt64
    private(set) var index: [SegmentFooter.IndexEntry] = []
    /// Of the frames, in their order.
    private(set) var checksum: UInt32 = 0
    private(set) var ordinals: [RouteID: UInt64] = [:]

    init(_ header: SegmentHeader) {
        self.position = header.dataStart
        self.end = header.base
    }

    /// Takes over a group.
    mutating func add(_ headers: [FrameHeader], size: Int) {
        if self.position - (self.index.last?.position ?? 0) >= Self.indexed || self.index.isEmpty {
            self.index.append(SegmentFooter.IndexEntry(sequence: headers[0].base, position: self.position))
        }
        for header in headers {
            self.checksum = SpoolFormat.crc(of: UInt64(self.checksum).littleEndian, UInt64(header.crc).littleEndian)
            self.ordinals[header.route] = header.ordinal + UInt64(header.count)
        }
        self.end = headers[headers.count - 1].end
        self.position += size
    }

    var footer: SegmentFooter {
        SegmentFooter(
            end: self.end, dataEnd: self.position, checksum: UInt64(self.checksum), index: self.index, ordinals: self.ordinals)
    }

    /// Bytes that the footer takes, with what a group more may add to it.
    var footerRoom: Int { SpoolFormat.aligned(SegmentFooter.fixed + 16 * (self.index.count + self.ordinals.count + 64) + 16) }
}
