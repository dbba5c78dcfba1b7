import Synchronization

/// A call whose target is known only later.
final class Wake: Sendable {
    private let target = Mutex<(@Sendable () -> Void)?>(nil)

    func set(_ target: @escaping @Sendable () -> Void) {
        self.target.withLock { $0 = target }
    }

    func call() {
        self.target.withLock { $0 }?()
    }
}
