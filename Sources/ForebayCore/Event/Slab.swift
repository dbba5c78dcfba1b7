import Glibc

/// One run of bytes outside Swift's heap. Its builder alone writes it; once it is in a ``Batch`` it is only read.
///
/// librdkafka and the disk are handed pointers into it, so it never moves while anybody holds it.
package final class Slab: @unchecked Sendable {  // Safe because: written before it is shared, only read afterwards.
    package let base: UnsafeMutableRawPointer
    /// At least what was asked for.
    package let capacity: Int
    private let isPooled: Bool

    /// - Parameters:
    ///   - capacity: in bytes, at least 1.
    ///   - alignment: 4096 for what is read or written with `O_DIRECT`.
    package init(capacity: Int, alignment: Int = 16) {
        self.isPooled = alignment <= 16
        guard !self.isPooled else {
            self.capacity = SlabPool.size(for: capacity)
            self.base = SlabPool.shared.take(self.capacity)
            return
        }
        self.capacity = capacity
        var pointer: UnsafeMutableRawPointer?
        precondition(posix_memalign(&pointer, alignment, capacity) == 0, "no memory for a slab of \(capacity) bytes")
        self.base = pointer!
    }

    deinit {
        if self.isPooled { SlabPool.shared.give(self.base, size: self.capacity) } else { free(self.base) }
    }
}
