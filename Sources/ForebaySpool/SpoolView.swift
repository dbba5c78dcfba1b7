import ForebayCore
import Synchronization

/// One segment as its readers see it.
struct SegmentInfo: Sendable {
    let number: UInt64
    let path: String
    let base: UInt64
    let salt: UInt64
    /// One past its last sequence that counts; of the active segment: the durable end.
    var end: UInt64
    /// Where its data ends, as far as it may be read.
    var dataEnd: Int
    /// Bytes of the file.
    var size: Int
    var isActive: Bool
    /// Some groups' places, about one a MiB, rising.
    var index: [SegmentFooter.IndexEntry]
    var isDamaged = false
    /// The ordinal after each route's last event in it; none: not known (no footer, not read).
    var routes: RouteTable?
    /// Without one it ends where its successor begins, so the successor's header must stay as long as it does.
    var hasFooter = false
    /// Being removed from the disk just now.
    var isLeaving = false

    /// Nothing but a header: it stays to say where the one before it ends.
    var isHusk: Bool { !self.isActive && self.size <= SpoolFormat.block }

    /// A place at or before the frame that holds `sequence`.
    func position(of sequence: UInt64) -> Int {
        self.index.last { $0.sequence <= sequence }?.position ?? SpoolFormat.block
    }
}

/// A hole: events that were acknowledged and can't be read any more.
package struct MissingRange: Sendable, Equatable {
    /// Sequences of the log; in a set-aside log: positions of ``unit``.
    package let sequences: Range<UInt64>
    package let segment: UInt64
    /// Position in the segment's file.
    package let position: Int
    package let reason: String
    package let unit: UInt64?

    init(sequences: Range<UInt64>, segment: UInt64, position: Int, reason: String, unit: UInt64? = nil) {
        self.sequences = sequences
        self.segment = segment
        self.position = position
        self.reason = reason
        self.unit = unit
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
        var missing: [MissingRange] = []
        var observers: [UInt64: AsyncStream<Void>.Continuation] = [:]
        var lastObserver: UInt64 = 0
    }

    private let state: Mutex<State>
    /// Bytes of groups that fit without a new file.
    private let room = Atomic<Int>(0)

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

    func report(_ missing: MissingRange) -> Bool {
        self.state.withLock { state in
            guard !state.missing.contains(where: { $0.sequences == missing.sequences && $0.unit == missing.unit }) else { return false }
            state.missing.append(missing)
            if let index = state.segments.firstIndex(where: { $0.number == missing.segment }) { state.segments[index].isDamaged = true }
            return true
        }
    }
}
