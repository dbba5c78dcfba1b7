import Synchronization

/// Counts observations by bucket. Any thread; no lock.
///
/// A reader may see an observation in its bucket before it sees it in the sum: scrapes are seconds apart, so nobody can tell.
package final class Histogram: Sendable {
    /// Upper bounds in base units (seconds, bytes), rising; one more bucket without a bound follows.
    package let bounds: [Double]
    private let cells: AtomicCells
    private let total = Atomic<UInt64>(0)  // The bit pattern of a Double.

    package init(bounds: [Double]) {
        precondition(zip(bounds, bounds.dropFirst()).allSatisfy { $0 < $1 }, "bounds must rise")
        precondition(bounds.allSatisfy { $0.isFinite }, "the bucket without a bound is there already")
        self.bounds = bounds
        self.cells = AtomicCells(count: bounds.count + 1)
    }

    /// - Parameters:
    ///   - value: in the unit of the bounds. A value below zero is a clock that was set back, and counts as 0; NaN is ignored.
    ///   - count: how many observations had that value; for the events of one batch.
    package func observe(_ value: Double, count: UInt64 = 1) {
        guard !value.isNaN, count > 0 else { return }
        let value = max(0, value)
        // Most values are small and the arrays short: a plain search from below beats halving.
        let index = self.bounds.firstIndex { value <= $0 } ?? self.bounds.count
        self.cells.add(count, at: index)
        self.total.addDouble(value * Double(count))
    }

    /// The number of observations up to each bound, and at last of all.
    package var cumulative: [UInt64] {
        var running: UInt64 = 0
        return self.cells.values.map { cell in
            running &+= cell
            return running
        }
    }

    package var count: UInt64 { self.cells.values.reduce(0, &+) }
    package var sum: Double { Double(bitPattern: self.total.load(ordering: .relaxed)) }
}

/// A fixed run of counters beside each other, which an array of `Atomic` can't be.
// Safe because: the pointer is set once and freed by the last owner, and what it points to is touched by atomic operations only.
private final class AtomicCells: @unchecked Sendable {
    private let cells: UnsafeMutablePointer<Atomic<UInt64>>
    private let count: Int

    init(count: Int) {
        self.count = count
        self.cells = .allocate(capacity: count)
        for index in 0..<count { (self.cells + index).initialize(to: Atomic(0)) }
    }

    deinit {
        self.cells.deinitialize(count: self.count)
        self.cells.deallocate()
    }

    func add(_ amount: UInt64, at index: Int) {
        precondition(index < self.count)
        self.cells[index].wrappingAdd(amount, ordering: .relaxed)
    }

    var values: [UInt64] { (0..<self.count).map { self.cells[$0].load(ordering: .relaxed) } }
}
