import Synchronization

/// A number that rises and falls. Any thread; no lock.
package final class Gauge: Sendable {
    private let cell = Atomic<UInt64>(0)  // The bit pattern of a Double; all zeros is 0.0.

    package init() {}

    package func set(_ value: Double) {
        self.cell.store(value.bitPattern, ordering: .relaxed)
    }

    package func set(_ value: some BinaryInteger) {
        self.set(Double(value))
    }

    /// Adds `amount`, which may be negative. For a number that several threads move; `set` is cheaper where one owns it.
    package func add(_ amount: Double) {
        self.cell.addDouble(amount)
    }

    package var value: Double { Double(bitPattern: self.cell.load(ordering: .relaxed)) }
}

extension Atomic where Value == UInt64 {
    /// Adds to the Double whose bits this holds. Another thread's success is the only reason to try again, so somebody always gets on.
    func addDouble(_ amount: Double) {
        var old = self.load(ordering: .relaxed)
        while true {
            let new = (Double(bitPattern: old) + amount).bitPattern
            let (exchanged, original) = self.weakCompareExchange(expected: old, desired: new, ordering: .relaxed)
            if exchanged { return }
            old = original
        }
    }
}
