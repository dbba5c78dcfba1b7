import Glibc

/// Keeps the memory of slabs that are done with, for the next ones. Large blocks that come fresh from the kernel cost a page fault for
/// every 4 KiB, more than all that is done with the events in them (measured: 440 against 200 ns an event of 200 B).
///
/// Blocks are powers of two; what is larger or smaller goes to `malloc`, which is good at the small ones.
final class SlabPool: @unchecked Sendable {  // Safe because: every field is read and written under `lock`.
    static let shared = SlabPool()
    private static let smallest = 64 << 10
    private static let largest = 4 << 20
    /// Of memory that is kept and not in use, in bytes.
    private static let bound = 8 << 20

    /// The loop and the disk's thread often want it at once.
    private let lock = ThreadLock()
    /// Bytes that are kept and not in use.
    private(set) var kept = 0
    /// By the power of two, from the smallest.
    private var free: [[UnsafeMutableRawPointer]] = (SlabPool.place(SlabPool.smallest)...SlabPool.place(SlabPool.largest)).map { _ in [] }

    /// The size of the block that `take` gives for it; the same if it comes from `malloc`.
    static func size(for capacity: Int) -> Int {
        guard capacity >= self.smallest, capacity <= self.largest else { return capacity }
        return 1 << (Int.bitWidth - (capacity - 1).leadingZeroBitCount)
    }

    /// - Parameter size: from ``size(for:)``.
    func take(_ size: Int) -> UnsafeMutableRawPointer {
        if Self.isPooled(size), let block = self.lock.withLock({ self.takeKept(size) }) { return block }
        return malloc(size)!  // Out of memory is the kernel's to report: it kills, it doesn't refuse.
    }

    func give(_ block: UnsafeMutableRawPointer, size: Int) {
        if Self.isPooled(size), self.lock.withLock({ self.keep(block, size) }) { return }
        Glibc.free(block)
    }

    private func takeKept(_ size: Int) -> UnsafeMutableRawPointer? {
        guard let block = self.free[Self.place(size)].popLast() else { return nil }
        self.kept -= size
        return block
    }

    private func keep(_ block: UnsafeMutableRawPointer, _ size: Int) -> Bool {
        guard self.kept + size <= Self.bound else { return false }
        self.free[Self.place(size)].append(block)
        self.kept += size
        return true
    }

    private static func isPooled(_ size: Int) -> Bool { size >= self.smallest && size <= self.largest }

    private static func place(_ size: Int) -> Int { size.trailingZeroBitCount - self.smallest.trailingZeroBitCount }
}
