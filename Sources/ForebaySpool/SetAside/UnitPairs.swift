/// Whose the pairs of slots in the file `units` are: each is a unit's, kept for one that could not be written yet, or free.
struct UnitPairs {
    /// A pair, by its place in the file, and the generation that the next writing must be above.
    typealias Place = (pair: Int, generation: UInt64)

    private(set) var count: Int
    /// To be used again.
    private var free: [Place]
    /// Of units that could not be written yet: tried again at the same place, so that no number stands in two.
    private var reserved: [UInt64: Place] = [:]
    /// How many of them the budget knows.
    private var counted = 0

    /// - Parameter free: those of them that are nobody's.
    init(count: Int = 0, free: [Place] = []) {
        self.count = count
        self.free = free
    }

    /// Keeps a pair for a unit until it is written there: the same one, however often it is asked for.
    mutating func reserve(for unit: UInt64) -> Place {
        var place = self.reserved[unit] ?? self.free.popLast()
        if place == nil {
            place = (self.count, 0)
            self.count += 1
        }
        self.reserved[unit] = place
        return place!
    }

    /// It stands there now.
    mutating func take(for unit: UInt64) { self.reserved[unit] = nil }

    /// Nothing needs what stands there any more.
    mutating func give(back place: Place) { self.free.append(place) }

    var byteCount: Int { self.count * UnitPair.size }

    /// Bytes by which the file has grown since this was asked last; all of it the first time.
    mutating func takeGrowth() -> Int {
        defer { self.counted = self.count }
        return (self.count - self.counted) * UnitPair.size
    }
}
