import ForebayCore
import ForebayTelemetry
import Glibc
import Synchronization

/// Waits with a device that gives EIO for a moment: a path that fails over, a controller that is reset, storage behind a network. What
/// can't be read is passed as lost, so a moment must not be enough.
///
/// A sector that is bad for good fails for as long, once: what else of its file fails soon after is not waited for. Nor is a disk on which
/// several files are bad for good.
final class ReadPatience: Sendable {
    static let shared = ReadPatience()

    private struct State {
        /// When each file's began.
        var spells: [String: UInt64] = [:]
        var waitedLast: UInt64 = 0
    }

    /// Files that are waited for between two calms.
    private static let most = 3
    /// All in ns.
    private let limit, calm, pause: UInt64
    private let now: @Sendable () -> UInt64
    private let rest: @Sendable (_ nanoseconds: UInt64) -> Void
    private let state = Mutex(State())

    /// - Parameters:
    ///   - limit: in ms, how long a file's failures are waited for.
    ///   - calm: in ms, after how long without such a wait all files are waited for again.
    ///   - pause: in ms, how long it rests between two tries; less than a second.
    ///   - now: a monotonic time in ns.
    ///   - rest: blocks for as long.
    init(
        limit: UInt64 = 20_000, calm: UInt64 = 60_000, pause: UInt64 = 100,
        now: @escaping @Sendable () -> UInt64 = { Surroundings.real.time.monotonicNanoseconds },
        rest: @escaping @Sendable (_ nanoseconds: UInt64) -> Void = ReadPatience.sleep
    ) {
        (self.limit, self.calm, self.pause) = (limit * 1_000_000, calm * 1_000_000, pause * 1_000_000)
        (self.now, self.rest) = (now, rest)
    }

    private static func sleep(_ nanoseconds: UInt64) {
        var time = timespec(tv_sec: .zero, tv_nsec: Int(nanoseconds))
        nanosleep(&time, nil)
    }

    /// Calls `body` until it brings something else than EIO, or patience is at an end. Blocks meanwhile.
    ///
    /// - Parameter body: a system call: what it returns, and its `errno`.
    func call(_ path: String, _ body: () -> (result: Int, number: Int32)) -> (result: Int, number: Int32) {
        var answer = body()
        guard answer.result < 0, answer.number == EIO else { return answer }
        while self.waits(path) {
            self.rest(self.pause)
            answer = body()
            if answer.result < 0, answer.number == EIO { continue }
            self.state.withLock { $0.spells[path] = nil }
            Logger(label: "disk").warning("the disk can be read again", ["file": path])
            break
        }
        return answer
    }

    private func waits(_ path: String) -> Bool {
        let (isFirst, waits) = self.state.withLock { state in
            let now = self.now()
            if now - state.waitedLast > self.calm { state.spells = [:] }
            let began = state.spells[path]
            guard began != nil || state.spells.count < Self.most, now - (began ?? now) < self.limit else { return (false, false) }
            state.spells[path] = began ?? now
            state.waitedLast = now
            return (began == nil, true)
        }
        if isFirst {
            Logger(label: "disk").warning(
                "the disk can't be read (EIO); trying again before that is taken for damage",
                ["file": path, "seconds": "\(self.limit / 1_000_000_000)"])
        }
        return waits
    }
}
