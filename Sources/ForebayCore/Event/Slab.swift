import Glibc

/// One run of bytes outside Swift's heap. Its builder alone writes it; once it is in a ``Batch`` it is only read.
///
/// librdkafka and the disk are handed pointers into it, so it never moves while anybody holds it.
package final class Slab: @unchecked Sendable {  // Safe because: written before it is shared, only read afterwards.
    package let base: UnsafeMutableRawPointer
    package let capacity: Int

    /// - Parameters:
    ///   - capacity: in bytes, at least 1.
    ///   - alignment: 4096 for what is read or written with `O_DIRECT`.
    package init(capacity: Int, alignment: Int = 16) {
        self.capacity = capacity
        guard alignment > 16 else {
            self.base = malloc(capacity)!  // Out of memory is the kernel's to report: it kills, it doesn't refuse.
            return
        }
        var pointer: UnsafeMutableRawPointer?
        precondition(posix_memalign(&pointer, alignment, capacity) == 0, "no memory for a slab of \(capacity) bytes")
        self.base = pointer!
    }

    deinit { free(self.base) }
}
