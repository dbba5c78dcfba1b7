import ForebayCore
import ForebayTelemetry
import Glibc

/// The part of a segment's file that a scanner has before it, and how it goes on: about a MiB at a time where it reads through, little
/// behind a jump.
///
/// Parts begin with the frame that reached over the end of the one before, whoever's it is: so those of all readers begin at the same
/// places, and nothing is read twice.
struct SegmentWindow {
    /// A frame of the usual size with its header, wherever in a block it begins. More only where one payload is larger.
    static let size = SpoolFormat.framePayload + 2 * SpoolFormat.block
    /// What is read behind a jump: payloads that are passed over are not read.
    private static let glimpse = 16 << 10
    /// What is passed over within so many bytes is read: that costs less than another call.
    private static let through = 64 << 10

    private let file: any DiskFile
    private let sharing: Sharing?
    /// Whether blocks that the device does not give are taken for zeros, or the failure is thrown.
    private let isTolerant: Bool
    private let counter: Counter?
    /// What lies at or behind it is not looked at.
    var limit: Int
    private var part: ReadCache.Part?
    /// Whether all of it was read here, not by another.
    private var isOwn = true
    /// Whether others may find it.
    private var isShared = false
    private var isDistrusting = false
    private var reach = Self.glimpse
    /// Positions of blocks that the device did not give.
    private var unread: Set<Int> = []
    /// Reads of which the device did not give all.
    private(set) var failures = 0
    /// Bytes read from the disk so far.
    private(set) var bytesRead = 0
    /// The same, with those that were found.
    private(set) var bytesTaken = 0

    init(file: any DiskFile, sharing: Sharing?, isTolerant: Bool, counter: Counter?, limit: Int) {
        self.file = file
        self.sharing = sharing
        self.isTolerant = isTolerant
        self.counter = counter
        self.limit = limit
    }

    /// The end of what is in memory.
    var end: Int { self.part?.range.upperBound ?? 0 }

    /// Lets go of what was read ahead; it is read again.
    mutating func release() {
        self.part = nil
    }

    /// Whether something of it was looked at, and the device did not give it.
    func couldNotRead(_ range: Range<Int>) -> Bool {
        !self.unread.isEmpty && self.unread.contains { range.overlaps($0..<$0 + SpoolFormat.block) }
    }

    /// What another has read may have been damaged in memory, or be whole on the disk by now.
    ///
    /// - Returns: whether it was another's: then what is asked for next is read from the disk.
    mutating func distrust() -> Bool {
        guard !self.isOwn else { return false }
        self.part = nil
        (self.isOwn, self.isDistrusting) = (true, true)
        return true
    }

    /// - Parameters:
    ///   - most: as many as there are up to here.
    ///   - frame: where the next part is to begin if it goes on from this one.
    ///   - trusting: whether another may have read it.
    /// - Returns: `count` bytes (up to `most`), none if the limit comes first.
    mutating func bytes(
        at position: Int, count: Int, orLess most: Int? = nil, from frame: Int? = nil, trusting: Bool = true
    ) throws(ForebayError) -> UnsafeRawBufferPointer? {
        guard position + count <= self.limit else { return nil }
        if !(self.part?.holds(position, count) ?? false) {
            try self.move(to: position, count, from: frame, trusting)
        }
        guard let part, part.holds(position, count) else { return nil }
        let available = min(most ?? count, self.limit - position, part.range.upperBound - position)
        return UnsafeRawBufferPointer(start: part.slab.base + (position - part.range.lowerBound), count: available)
    }

    /// Bytes that ``bytes(at:count:orLess:from:trusting:)`` gave, as a part of a slab that nobody writes again.
    func slab(_ position: Int, _ count: Int) -> (slab: Slab, range: Range<Int>) {
        let offset = position - self.part!.range.lowerBound
        return (self.part!.slab, offset..<offset + count)
    }

    // MARK: What was found sound

    func isSound(_ frame: Int) -> Bool {
        guard self.isShared, let part, part.range.contains(frame) else { return false }
        return part.sound.has(frame - part.range.lowerBound)
    }

    func markSound(_ frame: Int) {
        guard self.isShared, let part, part.range.contains(frame) else { return }
        part.sound.add(frame - part.range.lowerBound, in: part.range.count)
    }

    // MARK: Going on

    private mutating func move(to position: Int, _ count: Int, from frame: Int?, _ trusting: Bool) throws(ForebayError) {
        let range = self.part?.range ?? 0..<0
        let goesOn = !range.isEmpty && position >= range.lowerBound && position - range.upperBound <= Self.through
        self.reach = goesOn ? min(Self.size, self.reach * 2) : Self.glimpse
        defer { self.isDistrusting = false }
        if trusting, !self.isDistrusting, let sharing, let found = sharing.cache.find(sharing.segment, position, count) {
            self.part = found
            (self.isOwn, self.isShared) = (false, true)
            self.bytesTaken += found.range.count
            return
        }
        // Whole blocks, so that the same code reads with O_DIRECT.
        let first = if goesOn, let frame, range.contains(frame) { frame } else { position }
        let start = first / SpoolFormat.block * SpoolFormat.block
        let end = SpoolFormat.aligned(min(self.limit, max(position + count, start + self.reach)))
        try self.read(start, end)
    }

    private mutating func read(_ start: Int, _ end: Int) throws(ForebayError) {
        let slab = self.memory(for: end - start)
        let carried = self.carry(start, into: slab)
        let isOwn = self.isOwn || carried == 0
        if slab === self.part?.slab { self.part = nil }
        let buffer = UnsafeMutableRawBufferPointer(start: slab.base + carried, count: end - start - carried)
        let count = try self.ask(into: buffer, at: start + carried)
        self.bytesRead += count
        self.bytesTaken += count
        self.counter?.increment(by: UInt64(count))
        let part = ReadCache.Part(slab: slab, range: start..<start + carried + count)
        (self.part, self.isOwn, self.isShared) = (part, isOwn, false)
        // What lies beyond the limit may be written yet.
        guard let sharing, part.range.upperBound <= self.limit, !self.couldNotRead(part.range) else { return }
        self.isShared = sharing.cache.put(part, of: sharing.segment)
    }

    private mutating func ask(into buffer: UnsafeMutableRawBufferPointer, at position: Int) throws(ForebayError) -> Int {
        let place = position..<position + buffer.count, file = self.file
        guard self.isTolerant else {
            guard let sharing else { return try file.read(into: buffer, at: position) }
            return try sharing.unlessFailing(place, of: file.path) { () throws(ForebayError) in try file.read(into: buffer, at: position) }
        }
        let count = try file.readTolerant(into: buffer, at: position, unread: &self.unread)
        let failed: Set<Int> = self.couldNotRead(place) ? self.unread.filter(place.contains) : []
        if !failed.isEmpty { self.failures += 1 }
        self.sharing?.asked(place, failed: failed)
        return count
    }

    /// Memory to read into: what this one had, or the cache, where nobody else has it any more.
    private mutating func memory(for bytes: Int) -> Slab {
        if !self.isShared, let had = self.part?.slab.capacity, had >= bytes, bytes > had / 2,
            isKnownUniquelyReferenced(&self.part!.slab)
        {
            return self.part!.slab
        }
        let capacity = bytes > Self.size / 2 ? max(bytes, Self.size) : bytes
        return self.sharing?.cache.makeRoom(for: capacity) ?? Slab(capacity: capacity, alignment: SpoolFormat.block)
    }

    /// Whole blocks from the end of this part that the next one begins with.
    private func carry(_ start: Int, into slab: Slab) -> Int {
        guard let part, part.range.contains(start), !self.couldNotRead(part.range) else { return 0 }
        let count = min(part.range.upperBound / SpoolFormat.block * SpoolFormat.block - start, slab.capacity)
        guard count > 0 else { return 0 }
        memmove(slab.base, part.slab.base + (start - part.range.lowerBound), count)
        return count
    }
}
