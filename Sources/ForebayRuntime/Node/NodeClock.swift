import ForebayCore
import ForebayIngest
import ForebayTelemetry
import Synchronization

/// The time of day as a node's events get it, and whether it can be right. Until it can, no event is taken.
package final class NodeClock: Sendable {
    /// Milliseconds since 1970.
    let now: @Sendable () -> Int64
    private let isTold = Mutex(false)
    private let logger = Logger(label: "node")

    package init(now: @escaping @Sendable () -> Int64 = { WallClock.milliseconds }) {
        self.now = now
    }

    var fault: String? { ClockRule.fault(at: self.now()) }

    /// Looks at it once a second, until the task is cancelled.
    func run() async {
        while !Task.isCancelled {
            self.look()
            // Cancelled: the loop ends.
            try? await Task.sleep(for: .seconds(1))
        }
    }

    func look() {
        let fault = self.fault
        let isNews = self.isTold.withLock { isTold in
            defer { isTold = fault != nil }
            return isTold != (fault != nil)
        }
        guard isNews else { return }
        if let fault {
            self.logger.error("no event is taken: it would get a wrong time", ["reason": fault])
        } else {
            self.logger.warning("the clock is set; events are accepted again", [:])
        }
    }
}
