import Synchronization

/// Something that one at a time may do; whoever comes meanwhile is told so, and doesn't wait.
struct OneAtATime: ~Copyable, Sendable {
    private let isTaken = Atomic(false)

    /// - Returns: whether it is the caller's now, until it leaves.
    func enter() -> Bool { !self.isTaken.exchange(true, ordering: .acquiring) }

    func leave() { self.isTaken.store(false, ordering: .releasing) }
}
