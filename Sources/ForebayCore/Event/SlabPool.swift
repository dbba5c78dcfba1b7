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

    /// A pthread mutex: `Synchronization.Mutex` is slow on Linux when two threads want it at once, and the loop and the disk's thread do.
    private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private var kept = 0
    /// By the power of two, from the smallest.
    private var free: [[UnsafeMutableRawPointer]]

    init() {
        pthread_mutex_init(self.lock, nil)
        self.free = Array(repeating: [], count: Self.place(Self.largest) + 1)
    }

    /// The size of the block that `take` gives for it; the same if it comes from `malloc`.
    static func size(for capacity: Int) -> Int {
        guard capacity >= self.smallest, capacity <= self.largest else { return capacity }
        return 1 << (Int.bitWidth - (capacity - 1).leadingZeroBitCount)
    }

    /// - Parameter size: from ``size(for:)``.
    func take(_ size: Int) -> UnsafeMutableRawPointer {
        if Self.isPooled(size) {
            pthread_mutex_lock(self.lock)
            let block = self.free[Self.place(size)].popLast()
            if block != nil { self.kept -= size }
            pthread_mutex_unlock(self.lock)
            if let block { return block }
        }
        return malloc(size)!  // Out of memory is the kernel's to report: it kills, it doesn't refuse.
    }

    func give(_ block: UnsafeMutableRawPointer, size: Int) {
        if Self.isPooled(size) {
            pthread_mutex_lock(self.lock)
            let isKept = self.kept + size <= Self.bound
            if isKept {
                self.free[Self.place(size)].append(block)
                self.kept += size
            }
            pthread_mutex_unlock(self.lock)
            if isKept { return }
        }
        Glibc.free(block)
    }

    private static func isPooled(_ size: Int) -> Bool { size >= self.smallest && size <= self.largest }

    private static func place(_ size: Int) -> Int { size.trailingZeroBitCount - self.smallest.trailingZeroBitCount }
}
