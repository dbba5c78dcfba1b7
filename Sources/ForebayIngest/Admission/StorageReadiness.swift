import ForebayCore
import ForebayTelemetry

/// Whether what is taken now could be stored, and found again: the disk is there and has room, and the time of day can be right.
struct StorageReadiness: ~Copyable {
    /// Between two looks, in milliseconds: it changes slowly.
    private static let interval: UInt64 = 50

    private let storage: IngestStorage
    private let clock: @Sendable () -> Int64
    private let logger = Logger(label: "ingest")
    private var lookedAt: UInt64 = 0
    private var isFull = false
    private var hasFault = false
    private var isClockSet = true
    /// The storage has refused, and not stored since.
    private var hasRefused = false

    /// - Parameter clock: the time of day, in milliseconds since 1970.
    init(_ storage: IngestStorage, clock: @escaping @Sendable () -> Int64) {
        self.storage = storage
        self.clock = clock
    }

    /// Why nothing is taken now: the answer of a buffer that would refuse, without the way to it. None: it would store.
    ///
    /// - Parameter now: milliseconds of a clock that only moves forward.
    mutating func refusal(now: UInt64) -> ProblemCode? {
        if now >= self.lookedAt + Self.interval {
            self.lookedAt = now
            self.isFull = self.storage.isFull()
            self.hasFault = self.storage.fault() != nil
            self.isClockSet = ClockRule.fault(at: self.clock()) == nil
        }
        if self.hasFault { return .unavailable }
        if !self.isClockSet { return .clockNotSet }
        return self.isFull ? .spoolFull : nil
    }

    /// What is wrong, for people. None: all is well by now, or the code says it all.
    func fault(_ code: ProblemCode) -> String? {
        switch code {
        case .clockNotSet: ClockRule.fault(at: self.clock())
        case .unavailable: self.storage.fault()
        default: nil
        }
    }

    /// The buffer refused a group.
    ///
    /// - Returns: what its requests are told, and whether others would be too: what is too large for the room that is left, others may
    ///   fit into.
    mutating func refused(_ error: ForebayError) -> (code: ProblemCode, isForAll: Bool) {
        let code: ProblemCode = error.code == .spoolFull ? .spoolFull : .unavailable
        self.logger.warning("the buffer refused", ["code": code.rawValue, "error": error.description])
        guard code != .spoolFull || self.storage.isFull() else { return (code, false) }
        self.storage.refused(error.description)
        self.hasRefused = true
        return (code, true)
    }

    /// The buffer stored a group.
    mutating func stored() {
        guard self.hasRefused else { return }
        self.hasRefused = false
        self.storage.stored()
    }
}
