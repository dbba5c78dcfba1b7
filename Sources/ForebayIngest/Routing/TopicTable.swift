/// The targets that were asked for lately, by name: a table with open addressing, so that asking makes no string.
struct TopicTable {
    /// Names come from outside: with a route for `*` there is no end of them. Beyond this number the table starts anew.
    static let limit = 4096

    private var slots = [TopicTarget?](repeating: nil, count: 64)
    private(set) var count = 0

    func find(_ name: UnsafeRawBufferPointer, hash: UInt64) -> TopicTarget? {
        var place = Int(truncatingIfNeeded: hash) & (self.slots.count - 1)
        while let target = self.slots[place] {
            if target.isNamed(name, hash: hash) { return target }
            place = (place + 1) & (self.slots.count - 1)
        }
        return nil
    }

    mutating func insert(_ target: TopicTarget) {
        if self.count >= Self.limit {
            self.slots = [TopicTarget?](repeating: nil, count: 64)
            self.count = 0
        }
        if self.count * 2 >= self.slots.count {
            let old = self.slots
            self.slots = [TopicTarget?](repeating: nil, count: old.count * 2)
            for case let target? in old { self.put(target) }
        }
        self.put(target)
        self.count += 1
    }

    private mutating func put(_ target: TopicTarget) {
        var place = Int(truncatingIfNeeded: target.hash) & (self.slots.count - 1)
        while self.slots[place] != nil { place = (place + 1) & (self.slots.count - 1) }
        self.slots[place] = target
    }

    /// FNV-1a, folded so that its low bits, which pick the place, depend on all of it. Seeded, so that nobody outside can aim for
    /// collisions.
    static func hash(_ name: UnsafeRawBufferPointer, seed: UInt64) -> UInt64 {
        var hash = seed ^ 0xcbf2_9ce4_8422_2325
        for byte in name { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        return hash ^ hash >> 32
    }
}
