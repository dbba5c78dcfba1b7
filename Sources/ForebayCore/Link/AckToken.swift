import Synchronization

/// How the wait for durability ended.
package enum AckOutcome: Sendable {
    case durable(DurableReceipt)
    /// Nothing was stored.
    case refused(ForebayError)
    /// The stage that held the token died: may be stored, may not.
    case unknown
}

/// Completes those who wait for a submission, exactly once. Dropped unresolved, it says ``AckOutcome/unknown``: nobody hangs.
package final class AckToken: Sendable {
    private struct Waiting {
        var settle: (@Sendable (AckOutcome) -> Void)?
    }

    private let waiting: Mutex<Waiting>
    private let onNumbered: (@Sendable ([UInt64]) -> Void)?

    /// - Parameters:
    ///   - onNumbered: told the first sequence of each batch once all is durable, before anything of it can be delivered; on the commit
    ///     thread.
    ///   - settle: told the outcome; on any thread.
    package init(
        onNumbered: (@Sendable (_ firstSequences: [UInt64]) -> Void)? = nil, settle: @escaping @Sendable (AckOutcome) -> Void
    ) {
        self.onNumbered = onNumbered
        self.waiting = Mutex(Waiting(settle: settle))
    }

    deinit { self.resolve(.unknown) }

    package func numbered(_ firstSequences: [UInt64]) {
        self.onNumbered?(firstSequences)
    }

    package func resolve(_ outcome: AckOutcome) {
        let settle = self.waiting.withLock { waiting in
            defer { waiting.settle = nil }
            return waiting.settle
        }
        settle?(outcome)
    }
}
