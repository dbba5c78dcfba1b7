import Synchronization

/// A number that only rises. Any thread; one atomic addition.
package final class Counter: Sendable {
    private let cell = Atomic<UInt64>(0)

    package init() {}

    package func increment(by amount: UInt64 = 1) {
        self.cell.wrappingAdd(amount, ordering: .relaxed)
    }

    package var value: UInt64 { self.cell.load(ordering: .relaxed) }
}
