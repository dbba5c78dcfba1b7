import ForebayCore
import ForebayIngest
import ForebayTelemetry
import Synchronization

/// Whether what is stored now could be found again: what the folders of the node say, and what the buffer said last.
final class StorageHealth: Sendable {
    /// For how long a refusal by the buffer makes the node unready, in nanoseconds: then the next request may try. Nobody else would find
    /// out that there is room again.
    static let refusalHolds: UInt64 = 10_000_000_000

    private struct State {
        var fault: String?
        var refusal: (reason: String, until: UInt64)?
        var fullSince: Int64?
    }

    private let state = Mutex(State())
    private let now: @Sendable () -> UInt64

    /// - Parameter now: nanoseconds of a clock that only moves forward.
    init(now: @escaping @Sendable () -> UInt64 = { MonotonicClock.nanoseconds }) {
        self.now = now
    }

    /// Why no event may be taken: it could be acknowledged, and lost.
    var fault: String? { self.state.withLock { $0.fault } }

    /// Why the node is not ready; none as far as is known here.
    var unreadyReason: String? {
        if let fault { return fault }
        let now = self.now()
        return self.state.withLock { state in state.refusal.flatMap { $0.until > now ? $0.reason : nil } }
    }

    /// What ingest asks, and tells.
    func ingest(isFull: @escaping @Sendable () -> Bool) -> IngestStorage {
        IngestStorage(isFull: isFull, fault: { self.fault }, refused: { self.refused($0) }, stored: { self.stored() })
    }

    func refused(_ reason: String) {
        let until = self.now() + Self.refusalHolds
        self.state.withLock { $0.refusal = ("nothing can be stored: \(reason)", until) }
    }

    func stored() { self.state.withLock { $0.refusal = nil } }

    /// Since when the spool is full, in milliseconds since 1970, to the second; none if it isn't.
    var fullSince: Int64? { self.state.withLock { $0.fullSince } }

    func found(isFull: Bool) {
        self.state.withLock { $0.fullSince = isFull ? $0.fullSince ?? WallClock.milliseconds : nil }
    }

    /// - Returns: whether that is news.
    func found(_ fault: String?) -> Bool {
        self.state.withLock { state in
            defer { state.fault = fault }
            return state.fault != fault
        }
    }
}

/// Asks the storage of a running node for its folders: whoever deletes or moves them leaves it writing into files that a start may never
/// find again.
///
/// Once a second, on a thread of its own: a disk that hangs must hold up nobody.
actor StorageWatch {
    private let health: StorageHealth
    private let storageFault: @Sendable () -> String?
    private let isFull: @Sendable () -> Bool
    private let thread: ThreadExecutor
    private let logger = Logger(label: "node")

    nonisolated var unownedExecutor: UnownedSerialExecutor { self.thread.asUnownedSerialExecutor() }

    /// - Parameters:
    ///   - storageFault: why what is stored could not be found again, and until when; none if all is well. It may ask the disk.
    ///   - isFull: whether new events are refused for want of room.
    init(_ health: StorageHealth, storageFault: @escaping @Sendable () -> String?, isFull: @escaping @Sendable () -> Bool) {
        self.isFull = isFull
        self.health = health
        self.storageFault = storageFault
        self.thread = ThreadExecutor(label: "fb-storage")
    }

    /// Until the task is cancelled.
    func run() async {
        while !Task.isCancelled {
            self.look()
            // Cancelled: the loop ends.
            try? await Task.sleep(for: .seconds(1))
        }
    }

    /// After ``run()``.
    nonisolated func end() { self.thread.end() }

    func look() {
        self.health.found(isFull: self.isFull())
        let fault = self.storageFault()
        guard self.health.found(fault) else { return }
        if let fault {
            self.logger.error("what is stored now could be lost", ["reason": fault])
        } else {
            self.logger.warning("the node's folders are back in their places; events are accepted again", [:])
        }
    }
}
