import ForebayCore
import Synchronization

/// The parts of segments that were read from the disk last: readers who are near to each other read and check each part once together.
///
/// Who needs a part asks here before the disk, and who had to read one leaves it here; nobody ever waits for another. A bounded number of
/// bytes is held while two or more read, the oldest go first; what was let go of is found for as long as somebody has the memory, as a
/// delivery has with its batches in flight, so another follows it through its whole window for nothing. A part is known by its segment's
/// number and salt and holds only what was durable when it was read, which never changes; a reader looks no further than its own durable
/// mark. Only what the device gave whole comes here, and what looks damaged in a part that another has read is read from the disk again: so
/// damage and failures are told to each reader by the disk itself, and tried again by each who waits for it. Where the device failed is
/// known to all: who does not wait does not ask there. A frame that one reader has found sound is
/// marked in its part, and not checked again.
final class ReadCache: Sendable {
    /// Numbers are used again when a log is made anew; salts are random.
    struct Segment: Sendable, Equatable {
        let number: UInt64
        let salt: UInt64
    }

    /// A run of a segment's bytes, in memory that nobody writes again.
    struct Part: Sendable {
        var slab: Slab
        /// Where it lies in the file; the slab begins with its lower bound.
        let range: Range<Int>
        let sound: SoundFrames

        init(slab: Slab, range: Range<Int>, sound: SoundFrames = SoundFrames()) {
            (self.slab, self.range, self.sound) = (slab, range, sound)
        }

        func holds(_ position: Int, _ count: Int) -> Bool {
            position >= self.range.lowerBound && position <= self.range.upperBound && count <= self.range.upperBound - position
        }
    }

    private struct Entry {
        let segment: Segment
        let range: Range<Int>
        let sound: SoundFrames
        let memory: Memory
    }

    private final class Memory {
        weak var slab: Slab?
        /// None: it was let go of.
        var held: Slab?

        init(_ slab: Slab) { (self.slab, self.held) = (slab, slab) }
    }

    private struct State {
        /// The oldest first. Those before `head` are not held.
        var entries: [Entry] = []
        var head = 0
        var bytes = 0
        var readers = 0
        var failing = FailingPlaces()
    }

    /// Parts that are known, held or not.
    private static let most = 512

    private let limit: Int
    private let state = Mutex(State())

    /// - Parameter limit: bytes that are held; 0: none are.
    init(limit: Int) {
        self.limit = limit
    }

    /// Bytes that are held.
    var byteCount: Int { self.state.withLock { $0.bytes } }

    /// The part with these bytes that reaches furthest.
    func find(_ segment: Segment, _ position: Int, _ count: Int) -> Part? {
        self.state.withLock { state in
            var found: Part?
            for entry in state.entries.reversed() {
                guard position >= entry.range.lowerBound, entry.range.upperBound - position >= count, entry.segment == segment,
                    entry.range.upperBound > found?.range.upperBound ?? 0, let slab = entry.memory.slab
                else { continue }
                found = Part(slab: slab, range: entry.range, sound: entry.sound)
            }
            return found
        }
    }

    /// Lets go of the oldest until there is room for so many bytes.
    ///
    /// - Returns: memory of about that size that nobody else has any more, to read into: what comes fresh from the kernel costs more than
    ///   the reading.
    func makeRoom(for bytes: Int) -> Slab? {
        self.state.withLock { self.makeRoom(for: bytes, &$0) }
    }

    private func makeRoom(for bytes: Int, _ state: inout State) -> Slab? {
        var spare: Slab?
        while state.bytes + bytes > self.limit, state.head < state.entries.count {
            let memory = state.entries[state.head].memory
            state.bytes -= memory.held?.capacity ?? 0
            // Not one that is far larger: it counts, and is held, as what it is.
            if isKnownUniquelyReferenced(&memory.held), let slab = memory.held, slab.capacity >= bytes, slab.capacity / 2 < bytes {
                // Whoever writes to it is the only one who has it.
                (spare, memory.slab) = (slab, nil)
            }
            memory.held = nil
            state.head += 1
        }
        return spare
    }

    /// Leaves a part for the others, if there are any.
    ///
    /// - Returns: whether it may be found now.
    func put(_ part: Part, of segment: Segment) -> Bool {
        guard self.limit > 0, !part.range.isEmpty else { return false }
        return self.state.withLock { state in
            guard state.readers > 1 else { return false }
            _ = self.makeRoom(for: part.slab.capacity, &state)
            let memory = Memory(part.slab)
            state.entries.append(Entry(segment: segment, range: part.range, sound: part.sound, memory: memory))
            if part.slab.capacity > self.limit {
                state.head = state.entries.count
                memory.held = nil
            }
            state.bytes += memory.held?.capacity ?? 0
            if state.entries.count > Self.most { Self.prune(&state) }
            return true
        }
    }

    /// Forgets those that nobody has any more, or else the older half.
    private static func prune(_ state: inout State) {
        let count = state.entries.count
        state.entries = state.entries[..<state.head].filter { $0.memory.slab != nil } + state.entries[state.head...]
        state.head -= count - state.entries.count
        let excess = max(0, state.entries.count - Self.most / 2)
        for entry in state.entries[min(state.head, excess)..<excess] { state.bytes -= entry.memory.held?.capacity ?? 0 }
        state.entries.removeFirst(excess)
        state.head = max(0, state.head - excess)
    }

    // MARK: Where the device fails

    func fails(_ segment: Segment, _ range: Range<Int>) -> Bool { self.state.withLock { $0.failing.has(segment, range) } }

    /// See ``FailingPlaces``.
    func asked(_ segment: Segment, _ range: Range<Int>, failed: [Range<Int>]) {
        self.state.withLock { $0.failing.asked(segment, range, failed: failed) }
    }

    // MARK: Who reads

    /// Somebody who reads the disk, for as long as it is kept.
    final class Attendance: Sendable {
        private let cache: ReadCache

        fileprivate init(_ cache: ReadCache) { self.cache = cache }

        deinit { self.cache.leave() }
    }

    func attend() -> Attendance {
        self.state.withLock { $0.readers += 1 }
        return Attendance(self)
    }

    private func leave() {
        self.state.withLock { state in
            state.readers -= 1
            if state.readers == 0 { (state.entries, state.head, state.bytes, state.failing) = ([], 0, 0, FailingPlaces()) }
        }
    }
}

/// Which frames of a part are sound, by where they begin: a bit for each 64 bytes, as no two frames begin so near to each other.
final class SoundFrames: Sendable {
    private let bits = Mutex<[UInt64]>([])

    func has(_ offset: Int) -> Bool {
        let (word, bit) = Self.place(of: offset)
        return self.bits.withLock { word < $0.count && $0[word] & bit != 0 }
    }

    func add(_ offset: Int, in size: Int) {
        let (word, bit) = Self.place(of: offset)
        self.bits.withLock { bits in
            if bits.isEmpty { bits = [UInt64](repeating: 0, count: Self.place(of: size).word + 1) }
            if word < bits.count { bits[word] |= bit }
        }
    }

    private static func place(of offset: Int) -> (word: Int, bit: UInt64) {
        let line = offset / SpoolFormat.frameHeader
        return (line / 64, 1 << UInt64(line % 64))
    }
}
