/// Whose the pairs of slots in the file `units` are: each is a unit's, kept for one that could not be written yet, or free.
struct UnitPairs {
    /// A pair, by its place in the file, and the generation that the next writing must be above.
    typealias Place = (pair: Int, generation: UInt64)

    private(set) var count: Int
    /// To be used again: the lowest last.
    private var free: [Place]
    /// Of units that could not be written yet: tried again at the same place, so that no number stands in two.
    private var reserved: [UInt64: Place] = [:]
    /// How many of them the budget knows.
    private var counted = 0

    /// - Parameter free: those of them that are nobody's.
    init(count: Int = 0, free: [Place] = []) {
        self.count = count
        self.free = free.sorted { $0.pair > $1.pair }
    }

    /// Keeps a pair for a unit until it is written there: the same one, however often it is asked for; the lowest that is free.
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

    /// It will not be tried again.
    mutating func release(for unit: UInt64) {
        if let place = self.reserved.removeValue(forKey: unit) { self.give(back: [place]) }
    }

    /// Nothing needs what stands there any more.
    mutating func give(back places: [Place]) {
        guard !places.isEmpty else { return }
        self.free = (self.free + places).sorted { $0.pair > $1.pair }
    }

    // MARK: Their file

    var byteCount: Int { self.count * UnitPair.size }

    /// Bytes by which the file will grow when these units, which have no pair, get one each.
    func growth(for units: [UInt64]) -> Int {
        max(0, units.count { self.reserved[$0] == nil } - self.free.count) * UnitPair.size
    }

    /// Bytes by which the file has grown since this was asked last; all of it the first time. Below 0: it has shrunk.
    mutating func takeGrowth() -> Int {
        defer { self.counted = self.count }
        return (self.count - self.counted) * UnitPair.size
    }

    /// Whether so many are free that the file is worth cutting: so its size follows what is in it, and not each unit that comes and goes
    /// costs a sync.
    var isWorthCutting: Bool { self.free.count >= max(8, (self.count - self.free.count) / 8) }

    /// A free one before another pair, to move what stands there.
    mutating func takeFree(before pair: Int) -> Place? {
        guard let lowest = self.free.last, lowest.pair < pair else { return nil }
        return self.free.popLast()
    }

    /// One past the last that is not free.
    var end: Int { self.count - zip(self.free, 1...).prefix { $0.pair == self.count - $1 }.count }

    /// The file ends there now.
    ///
    /// - Parameter end: none behind it is anybody's.
    mutating func cut(to end: Int) {
        precondition(end >= self.end, "a pair that is somebody's")
        self.free.removeAll { $0.pair >= end }
        self.count = end
    }
}
