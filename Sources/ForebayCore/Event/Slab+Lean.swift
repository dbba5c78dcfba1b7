import Glibc

extension Slab {
    /// The bytes of a part, in a slab of their own if they are few: a small batch must not keep much memory that nobody counts.
    package func lean(_ range: Range<Int>) -> (slab: Slab, range: Range<Int>) {
        guard range.count * 4 < self.capacity else { return (self, range) }
        let kept = Slab(capacity: max(1, range.count))
        memcpy(kept.base, self.base + range.lowerBound, range.count)
        return (kept, 0..<range.count)
    }
}
