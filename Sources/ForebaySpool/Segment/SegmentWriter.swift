import ForebayCore
import Glibc

/// Writes one segment, from its header to its footer. Not shared: the ``SpoolWriter`` alone holds it.
final class SegmentWriter {
    let header: SegmentHeader
    let path: String
    /// Bytes that the file may have.
    private(set) var capacity: Int
    /// Whether its blocks are on disk already, so that a sync has only data to write.
    let isPrepared: Bool
    private let file: any DiskFile
    private let syncsItself: Bool
    /// Of the groups that are on disk.
    private(set) var tally: SegmentTally
    /// Something of a group that was refused stands behind these and can't be taken back: nothing may be written over its beginning.
    private var holdsRefused = false
    private var staging: Slab
    private static let usualStaging = 4 << 20

    /// Makes a segment, durably: header written and synced, given its final name, folder synced. Only then it may be used.
    ///
    /// - Parameters:
    ///   - prepared: the file to begin with; none: a new one.
    ///   - capacity: bytes that the file may have, until it is told to grow.
    /// - Throws: with `EEXIST` if another file has the segment's name: no segment is ever replaced. The prepared file can be used again.
    static func make(
        _ header: SegmentHeader, in folder: String, on disk: any Disk, prepared: PreparedSegment?, capacity: Int
    ) throws(ForebayError) -> SegmentWriter {
        let new = "\(folder)/new-\(header.number)"
        let (file, syncsItself) =
            if let prepared { (prepared.file, prepared.syncsItself) } else {
                try disk.openForDurableWrites(new, [.create, .truncate])
            }
        let path = SegmentFile.path(of: header.number, in: folder)
        let writer = SegmentWriter(
            header: header, file: file, syncsItself: syncsItself, path: path, capacity: capacity, isPrepared: prepared != nil)
        do throws(ForebayError) {
            header.encode(to: UnsafeMutableRawBufferPointer(start: writer.staging.base, count: header.dataStart))
            try writer.writeStaged(header.dataStart, at: 0)
            try file.sync()
            try disk.renameCreating(prepared?.path ?? new, to: path)
        } catch {
            if prepared == nil { try? disk.remove(new) }  // Taken away at the next start, too.
            throw error
        }
        do throws(ForebayError) {
            try disk.syncFolder(folder)
        } catch {
            // It may be there after a crash, or not: while the one before it goes on, it must not be (``SpoolRecovery`` knows such).
            do throws(ForebayError) { try disk.remove(path) } catch { throw .syncFailed("remove", path, error.systemCode ?? EIO) }
            throw error
        }
        return writer
    }

    private init(header: SegmentHeader, file: any DiskFile, syncsItself: Bool, path: String, capacity: Int, isPrepared: Bool) {
        self.syncsItself = syncsItself
        self.isPrepared = isPrepared
        self.header = header
        self.file = file
        self.path = path
        self.capacity = capacity
        self.tally = SegmentTally(header)
        self.staging = Slab(capacity: 64 << 10, alignment: SpoolFormat.block)
    }

    /// Whether its file still has its name: what is written to one that was deleted under us is not kept.
    var hasName: Bool { (try? self.file.hasName()) ?? true }  // A call that fails says nothing of the name.

    /// Whether a group of `size` bytes fits, with the footer behind it.
    func fits(_ size: Int) -> Bool {
        !self.holdsRefused && self.lack(of: size) == 0
    }

    /// Bytes that its capacity is short of for a group of `size` bytes to fit.
    func lack(of size: Int) -> Int { max(0, self.tally.position + size + self.tally.footerRoom - self.capacity) }

    /// The file may have more.
    func grow(by bytes: Int) { self.capacity += bytes }

    /// What of its capacity the file does not have yet.
    var ahead: Int { self.isPrepared ? 0 : self.capacity - self.tally.position }

    /// Beside the group there is room for the header and the footer, and for some small groups more.
    static func capacity(for groupSize: Int, segmentSize: Int) -> Int {
        max(segmentSize, groupSize + (72 << 10))
    }

    var room: Int { self.holdsRefused ? 0 : max(0, self.capacity - self.tally.footerRoom - self.tally.position) }

    /// Lays out and writes a group, not synced yet. Changes nothing of the writer's state; ``advance(_:size:)`` does.
    ///
    /// - Returns: the frames as written.
    func write(
        _ plan: GroupPlan, durable: UInt64, ordinals: [RouteID: UInt64]
    ) throws(ForebayError) -> [FrameHeader] {
        self.fit(staging: plan.size)
        var headers: [FrameHeader] = []
        var ordinals = ordinals
        let base = self.tally.end
        var at = 0
        for (number, frame) in plan.frames.enumerated() {
            var flags: FrameHeader.Flags = []
            if number == 0 { flags.insert(.opensGroup) }
            if number == plan.frames.count - 1 { flags.insert(.closesGroup) }
            let ordinal = ordinals[frame.route, default: 0]
            var header = FrameHeader(
                length: frame.length, count: frame.count, flags: flags, base: base + frame.first, route: frame.route,
                ordinal: ordinal, durable: durable, acceptedAt: frame.acceptedAt)
            ordinals[frame.route] = ordinal + UInt64(frame.count)
            var next = at + SpoolFormat.frameHeader
            for piece in frame.pieces {
                memcpy(self.staging.base + next, piece.slab.base + piece.range.lowerBound, piece.range.count)
                next += piece.range.count
            }
            let payload = UnsafeRawBufferPointer(start: self.staging.base + at + SpoolFormat.frameHeader, count: frame.length)
            header.encode(to: self.staging.base + at, payload: payload, salt: self.header.salt)
            memset(self.staging.base + next, 0, at + header.span - next)
            at += header.span
            headers.append(header)
        }
        memset(self.staging.base + at, 0, plan.size - at)
        try self.writeStaged(plan.size, at: self.tally.position)
        return headers
    }

    func sync() throws(ForebayError) {
        if !self.syncsItself { try self.file.syncData() }
    }

    /// Takes over a group that is on disk.
    func advance(_ headers: [FrameHeader], size: Int) { self.tally.add(headers, size: size) }

    /// A write that ran out of room: the file ends again where its sound data does, durably. Of a small group all may stand there where a
    /// file system's blocks are smaller than ours, and what was refused must not come after a power cut.
    func withdraw() throws(ForebayError) {
        self.holdsRefused = true
        try self.file.truncate(to: self.tally.position)
        try self.file.sync()
        self.holdsRefused = false
    }

    /// Ends the segment: footer, and the file cut to its length, synced.
    func seal() throws(ForebayError) -> Int {
        let bytes = self.tally.footer.encode(salt: self.header.salt), position = self.tally.position
        self.fit(staging: bytes.count)
        bytes.withUnsafeBytes { UnsafeMutableRawBufferPointer(start: self.staging.base, count: $0.count).copyMemory(from: $0) }
        try self.writeStaged(bytes.count, at: position)
        try self.file.truncate(to: position + bytes.count)
        try self.file.sync()
        return position + bytes.count
    }

    /// Whole blocks from aligned memory.
    private func writeStaged(_ count: Int, at position: Int) throws(ForebayError) {
        try self.file.write(UnsafeRawBufferPointer(start: self.staging.base, count: count), at: position)
    }

    private func fit(staging size: Int) {
        let isTooSmall = self.staging.capacity < size
        let isTooLarge = self.staging.capacity > Self.usualStaging && size <= Self.usualStaging
        guard isTooSmall || isTooLarge else { return }
        let wanted = size <= Self.usualStaging ? min(Self.usualStaging, max(size, self.staging.capacity) * 2) : size
        self.staging = Slab(capacity: SpoolFormat.aligned(wanted), alignment: SpoolFormat.block)
    }
}
