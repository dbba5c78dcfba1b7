import ForebayCore
import ForebayTelemetry
import Glibc
import Synchronization

/// Waits with a device that gives EIO for a moment: a path that fails over, a controller that is reset, storage behind a network. What
/// can't be read is passed as lost, so a moment must not be enough.
///
/// A sector that is bad for good fails for as long, once: what else fails soon after is not waited for.
final class ReadPatience: Sendable {
    static let shared = ReadPatience()

    private struct Spell {
        var began: UInt64
        var failedLast: UInt64
    }

    /// All in ns.
    private let limit, calm, pause: UInt64
    private let now: @Sendable () -> UInt64
    private let spell = Mutex<Spell?>(nil)

    /// - Parameters:
    ///   - limit: in ms, how long a spell of failures is waited for.
    ///   - calm: in ms, after how long without a failure the next one begins another spell.
    ///   - now: a monotonic time in ns.
    init(
        limit: UInt64 = 20_000, calm: UInt64 = 60_000, pause: UInt64 = 100,
        now: @escaping @Sendable () -> UInt64 = { Surroundings.real.time.monotonicNanoseconds }
    ) {
        (self.limit, self.calm, self.pause) = (limit * 1_000_000, calm * 1_000_000, pause * 1_000_000)
        self.now = now
    }

    /// Calls `body` until it brings something else than EIO, or patience is at an end. Blocks meanwhile.
    ///
    /// - Parameter body: a system call: what it returns, and its `errno`.
    func call(_ path: String, _ body: () -> (result: Int, number: Int32)) -> (result: Int, number: Int32) {
        var answer = body()
        guard answer.result < 0, answer.number == EIO else { return answer }
        while self.waits(path) {
            usleep(UInt32(self.pause / 1000))
            answer = body()
            if answer.result < 0, answer.number == EIO { continue }
            self.spell.withLock { $0 = nil }
            Logger(label: "disk").warning("the disk can be read again", ["file": path])
            break
        }
        return answer
    }

    private func waits(_ path: String) -> Bool {
        let (isFirst, waits) = self.spell.withLock { spell in
            let now = self.now()
            guard let began = spell.flatMap({ now - $0.failedLast > self.calm ? nil : $0.began }) else {
                spell = Spell(began: now, failedLast: now)
                return (true, true)
            }
            spell = Spell(began: began, failedLast: now)
            return (false, now - began < self.limit)
        }
        if isFirst {
            Logger(label: "disk").warning(
                "the disk can't be read (EIO); trying again before that is taken for damage",
                ["file": path, "seconds": "\(self.limit / 1_000_000_000)"])
        }
        return waits
    }
}
