package import ForebayNet
package import ForebayTelemetry
import Synchronization

/// Feels the pulse of one event loop: a timer on it notes the time, and anybody can see how long ago that was.
package final class LoopPulse: Sendable {
    /// Between two beats, in milliseconds.
    static let interval: UInt64 = 1000
    /// A loop that did not come round for this long will not come round again; below it a slow disk or a stopped debugger may be the cause.
    static let limit: UInt64 = 30_000

    package let label: String
    /// Of the monotonic clock, in ms.
    private let last: Atomic<UInt64>
    private let delay: Histogram

    package init(label: String, metrics: MetricsRegistry) {
        self.label = label
        self.last = Atomic(Self.now)
        self.delay = metrics.histogram(
            "forebay_event_loop_delay_seconds", help: "How late a loop runs a timer: how long something held its thread.",
            labels: ["loop": label], bounds: Buckets.latency)
    }

    /// Begins to beat. On the loop.
    ///
    /// - Returns: the timer; cancel it to end.
    package func start(on loop: EventLoop, each body: @escaping () -> Void = {}) -> Timer {
        self.beat(at: Self.now)
        return loop.timer(every: Int(Self.interval)) {
            self.beat(at: Self.now)
            body()
        }
    }

    func beat(at now: UInt64) {
        let previous = self.last.exchange(now, ordering: .relaxed)
        guard now >= previous + Self.interval else { return }
        self.delay.observe(Double(now - previous - Self.interval) / 1000)
    }

    /// Milliseconds since the last beat.
    func age(at now: UInt64) -> UInt64 {
        let last = self.last.load(ordering: .relaxed)
        return now > last ? now - last : 0
    }

    func check(at now: UInt64) -> NodeHealth.Check {
        let age = self.age(at: now)
        return NodeHealth.Check(name: "loop \(self.label)", isPassed: age < Self.limit, detail: "moved \(age) ms ago")
    }

    static var now: UInt64 { UInt64(Timestamp.monotonic()) }
}
