/// Where a device was asked last in vain: who does not wait for it need not ask it there once more. It is asked by those who wait.
struct FailingPlaces {
    /// Of more, the oldest are forgotten: then they are asked for again.
    private static let most = 256

    private var places: [(segment: ReadCache.Segment, range: Range<Int>)] = []

    func has(_ segment: ReadCache.Segment, _ range: Range<Int>) -> Bool {
        self.places.contains { $0.segment == segment && $0.range.overlaps(range) }
    }

    /// It was asked for all of a range, and has given what is not among `failed`.
    mutating func asked(_ segment: ReadCache.Segment, _ range: Range<Int>, failed: [Range<Int>]) {
        guard !failed.isEmpty || self.has(segment, range) else { return }
        self.places = self.places.flatMap { place in
            place.segment == segment ? place.range.parts(without: [range]).map { (segment, $0) } : [place]
        }
        for range in failed { self.add(segment, range) }
        self.places.removeFirst(max(0, self.places.count - Self.most))
    }

    /// Joined to what it touches: a dead zone is one place, however many blocks it has.
    private mutating func add(_ segment: ReadCache.Segment, _ range: Range<Int>) {
        var whole = range
        self.places.removeAll { place in
            guard place.segment == segment, place.range.lowerBound <= range.upperBound, range.lowerBound <= place.range.upperBound else {
                return false
            }
            whole = min(whole.lowerBound, place.range.lowerBound)..<max(whole.upperBound, place.range.upperBound)
            return true
        }
        self.places.append((segment, whole))
    }
}
