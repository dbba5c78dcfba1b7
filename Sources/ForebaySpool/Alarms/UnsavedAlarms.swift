import ForebayCore
import Glibc

/// What a reporter knows and has not written: how far cursors may be written meanwhile. While only this process knows of a loss, a kill
/// would leave it to nobody once a cursor is behind it.
struct UnsavedAlarms: Sendable {
    /// ns: a disk that has given errors for so long is not going to take a line.
    private static let patience: UInt64 = 60_000_000_000

    private struct Pending {
        /// ns, on the clock that only moves forward.
        let since: UInt64
        /// Sequences below it are not concerned.
        var sequence = UInt64.max
        var units: Set<UInt64> = []
    }

    /// None: all that is known is written.
    private var pending: Pending?
    /// Something was not tried yet.
    private(set) var isDue = false
    private(set) var lastFailure: ForebayError?

    var isEmpty: Bool { self.pending == nil }

    /// Something new is known.
    ///
    /// - Parameters:
    ///   - sequence: it begins with it; none: it is nothing that a cursor passes.
    ///   - unit: the same.
    mutating func add(from sequence: UInt64? = nil, unit: UInt64? = nil, now: UInt64) {
        var pending = self.pending ?? Pending(since: now)
        pending.sequence = min(pending.sequence, sequence ?? .max)
        if let unit { pending.units.insert(unit) }
        self.pending = pending
        self.isDue = true
    }

    /// All that is known now is being written.
    mutating func begin() { self.isDue = false }

    mutating func wrote() {
        self.lastFailure = nil
        if !self.isDue { self.pending = nil }
    }

    /// - Returns: whether it is the first time in a row.
    mutating func failed(_ error: ForebayError) -> Bool {
        defer { self.lastFailure = error }
        return self.lastFailure == nil
    }

    /// Whether a cursor may be written at a sequence.
    func mayPass(_ sequence: UInt64, now: UInt64) -> Bool { self.mayPass(now) { sequence <= $0.sequence } }

    /// The same of a unit of a set-aside log.
    func mayPass(unit: UInt64, now: UInt64) -> Bool { self.mayPass(now) { !$0.units.contains(unit) } }

    /// Room comes back one day, for what lies below goes; a disk that gives errors holds up no cursor for long.
    private func mayPass(_ now: UInt64, _ isFree: (Pending) -> Bool) -> Bool {
        guard let pending, !isFree(pending) else { return true }
        guard let lastFailure, lastFailure.code != .spoolFull, lastFailure.systemCode != ENOSPC else { return false }
        return now - pending.since > Self.patience
    }
}
