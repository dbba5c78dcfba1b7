import ForebayCore
import Synchronization

/// One segment as its readers see it.
struct SegmentInfo: Sendable {
    let header: SegmentHeader
    let path: String
    /// One past its last sequence that counts; of the active segment: the durable end.
    var end: UInt64
    /// Where its data ends, as far as it may be read.
    var dataEnd: Int
    /// Bytes of the file.
    var size: Int
    var isActive = false
    /// Some groups' places, about one a MiB, rising.
    var index: [SegmentFooter.IndexEntry] = []
    var isDamaged = false
    /// The ordinal after each route's last event in it.
    var routes = RouteTable()
    /// Without one it ends where its successor begins, so the successor's header must stay as long as it does.
    var hasFooter = false
    /// Being removed from the disk just now.
    var isLeaving = false

    var number: UInt64 { self.header.number }
    var base: UInt64 { self.header.base }
    var salt: UInt64 { self.header.salt }

    /// Nothing but a header and a footer (in version 1: a header): cut to that when nobody needed it, it stays to say where the one before
    /// it ends, and that it went rightly.
    var isHusk: Bool {
        guard !self.isActive, self.dataEnd <= self.header.dataStart else { return false }
        return self.hasFooter || self.header.version == 1 && self.size <= self.header.dataStart
    }

    /// A place at or before the frame that holds `sequence`.
    func position(of sequence: UInt64) -> Int {
        self.index.last { $0.sequence <= sequence }?.position ?? self.header.dataStart
    }
}

/// A hole: events that were acknowledged and can't be read any more.
package struct MissingRange: Sendable, Equatable {
    /// Sequences of the log; of a ``unit``: its positions.
    package internal(set) var sequences: Range<UInt64>
    /// How many of these nobody had settled: these are lost, the others had been delivered.
    package internal(set) var events: UInt64
    /// Whether who noticed it knows that number.
    let isCounted: Bool
    package let segment: UInt64
    /// Position in the segment's file.
    package let position: Int
    package let reason: String
    package let unit: UInt64?
    /// A file that is gone holds them: should it come back, they are there again.
    let isGone: Bool
    /// When it was first noticed, ms since 1970.
    package var noticedAt: Int64 = 0

    /// - Parameter events: none: to be counted, and no more than there are sequences.
    init(
        sequences: Range<UInt64>, segment: UInt64, position: Int, reason: String, unit: UInt64? = nil, events: UInt64? = nil,
        isGone: Bool = false
    ) {
        self.isGone = isGone
        self.sequences = sequences
        self.isCounted = events != nil
        self.events = events ?? (sequences.upperBound - sequences.lowerBound)
        self.segment = segment
        self.position = position
        self.reason = reason
        self.unit = unit
    }
}

extension MissingRange {
    /// The parts of it that none of the others has.
    func parts(without others: [MissingRange]) -> [MissingRange] {
        var left = [self.sequences]
        for other in others where other.unit == self.unit {
            left = left.flatMap { range -> [Range<UInt64>] in
                let known = other.sequences.clamped(to: range)
                guard !known.isEmpty else { return [range] }
                return [range.lowerBound..<known.lowerBound, known.upperBound..<range.upperBound].filter { !$0.isEmpty }
            }
        }
        if left == [self.sequences] { return [self] }
        return left.map { range in
            var part = self
            part.sequences = range
            part.events = min(self.events, range.upperBound - range.lowerBound)
            return part
        }
    }

    /// None unless the other goes on where this one ends.
    func joined(with other: MissingRange) -> MissingRange? {
        guard self.unit == other.unit, self.segment == other.segment, self.reason == other.reason,
            self.sequences.upperBound == other.sequences.lowerBound
        else { return nil }
        var joined = MissingRange(
            sequences: self.sequences.lowerBound..<other.sequences.upperBound, segment: self.segment, position: self.position,
            reason: self.reason, unit: self.unit, isGone: self.isGone)
        joined.events = self.events + other.events
        joined.noticedAt = self.noticedAt
        return joined
    }
}

/// Something of ours on the disk that is damaged or gone, beside the events that a ``MissingRange`` names.
package struct SpoolAlarm: Sendable, Equatable {
    package enum Kind: Sendable {
        case damage
        /// It is sound, nobody needs it, and it can't be removed: until it is.
        case stays
    }

    package let file: String
    /// What is wrong, and what was done about it.
    package internal(set) var text: String
    package let kind: Kind
    /// Whether events may be lost with it.
    let holdsEvents: Bool
    /// When it was noticed, ms since 1970.
    package var noticedAt: Int64

    init(file: String, text: String, kind: Kind = .damage, holdsEvents: Bool = false, noticedAt: Int64 = 0) {
        self.holdsEvents = holdsEvents
        self.file = file
        self.text = text
        self.kind = kind
        self.noticedAt = noticedAt
    }
}

/// All that was found lost or damaged in a log.
package struct SpoolDamage: Sendable, Equatable {
    package var missing: [MissingRange] = []
    package var alarms: [SpoolAlarm] = []
}

/// What the writer publishes and readers see: never anything above the durable mark.
final class SpoolView: Sendable {
    struct State: Sendable {
        var segments: [SegmentInfo]
        var durableEnd: UInt64
        /// Events ever appended, by route. The writer numbers frames from here.
        var ordinals: [RouteID: UInt64]
        var retention: SpoolRetention
        var recent: RecentTail
        /// Why nothing can be kept any more, until the process is started again.
        var fault: String?

        /// The first sequence still on disk.
        var start: UInt64 { self.segments.first?.base ?? self.durableEnd }

        var observers: [UInt64: AsyncStream<Void>.Continuation] = [:]
        var lastObserver: UInt64 = 0
    }

    private let state: Mutex<State>
    /// Bytes of groups that fit without a new file.
    private let room = Atomic<Int>(0)
    private let isPreparedClaimed = Atomic<Bool>(false)
    private let isLookingForRoom = Atomic<Bool>(false)

    init(_ state: State) {
        self.state = Mutex(state)
    }

    func read<Result>(_ body: (borrowing State) -> Result) -> Result {
        self.state.withLock { body($0) }
    }

    func change(_ body: (inout State) -> Void) {
        self.state.withLock { body(&$0) }
    }

    var roomWithoutNewFile: Int { self.room.load(ordering: .relaxed) }

    func setRoom(_ bytes: Int) {
        self.room.store(bytes, ordering: .relaxed)
    }

    /// Whoever gets it may make the one ``PreparedSegment`` there is at a time.
    func claimPrepared() -> Bool { !self.isPreparedClaimed.exchange(true, ordering: .acquiringAndReleasing) }

    /// It is a segment now, or gone.
    func releasePrepared() { self.isPreparedClaimed.store(false, ordering: .releasing) }

    /// Whether somebody has to look for room: nobody does yet.
    func wantsLookForRoom() -> Bool { !self.isLookingForRoom.exchange(true, ordering: .relaxed) }

    func lookedForRoom() { self.isLookingForRoom.store(false, ordering: .relaxed) }

    /// Tells all readers that there is more to read.
    func announce() {
        for observer in self.state.withLock({ Array($0.observers.values) }) { observer.yield() }
    }

    /// Wakes whenever there may be more to read; at least once.
    func signals() -> AsyncStream<Void> {
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let id = self.state.withLock { state in
            state.lastObserver += 1
            state.observers[state.lastObserver] = continuation
            return state.lastObserver
        }
        continuation.onTermination = { [weak self] _ in
            self?.change { $0.observers[id] = nil }
        }
        continuation.yield()
        return stream
    }

    /// The segment that holds `sequence`, or the next one behind it.
    func segment(holding sequence: UInt64) -> SegmentInfo? {
        self.read { state in state.segments.first { $0.end > sequence } }
    }

    /// Whether a segment still has what it had: it is not being removed, and was not cut.
    func holds(_ segment: UInt64) -> Bool {
        self.read { state in state.segments.contains { $0.number == segment && !$0.isLeaving && !$0.isHusk } }
    }

    /// It is kept for the operator when nobody needs it any more.
    func damaged(_ segment: UInt64) {
        self.change { $0.with(segment) { $0.isDamaged = true } }
    }
}
