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

/// What the writer publishes and readers see: never anything above the durable mark.
final class SpoolView: Sendable {
    struct State: Sendable {
        var segments: [SegmentInfo]
        var durableEnd: UInt64
        /// Events ever appended, by route. The writer numbers frames from here.
        var ordinals: [RouteID: UInt64]
        var retention: SpoolRetention
        var recent: RecentTail
        /// Everything below it was let go of since the start.
        var released: UInt64 = 0
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
    private let hasNoFile = Atomic<Bool>(false)
    private let isPreparedClaimed = Atomic<Bool>(false)
    private let lacked = Atomic<Int>(0)
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

    /// The disk gave no room, however many bytes it says are free: no inode is left, a quota is used up, others were quicker.
    var takesNoFile: Bool { self.hasNoFile.load(ordering: .relaxed) }

    func setTakesNoFile(_ takesNoFile: Bool) {
        self.hasNoFile.store(takesNoFile, ordering: .relaxed)
    }

    /// Bytes of a segment for which there was no room when a group was refused last; 0: none was since.
    var lackedBytes: Int { self.lacked.load(ordering: .relaxed) }

    func setLacked(_ bytes: Int) { self.lacked.store(bytes, ordering: .relaxed) }

    /// One is there, or being made.
    var hasPrepared: Bool { self.isPreparedClaimed.load(ordering: .acquiring) }

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
