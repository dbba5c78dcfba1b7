/// That a server takes no more connections, and who waits until it has none.
final class Drain {
    private(set) var hasBegun = false
    private var waiters: [CheckedContinuation<Void, Never>] = []

    func begin() { self.hasBegun = true }

    /// Until ``complete()``.
    func wait(_ waiter: CheckedContinuation<Void, Never>) { self.waiters.append(waiter) }

    /// The last connection is gone.
    func complete() {
        for waiter in self.waiters { waiter.resume() }
        self.waiters = []
    }
}
