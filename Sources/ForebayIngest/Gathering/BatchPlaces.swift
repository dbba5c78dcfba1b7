/// Where the events of a group lie in the batches of its submission: with the sequences of the batches they have their own.
struct BatchPlaces {
    /// How many events each batch has.
    private let counts: [Int]
    /// Of each route the place of its first batch.
    private let bases: [Int]

    init(counts: [Int] = [], bases: [Int] = []) {
        self.counts = counts
        self.bases = bases
    }

    /// One past the last event, once the batches are numbered.
    ///
    /// The buffer writes route by route, in the order in which a whole group of submissions first names them: any batch may be the last.
    func end(_ firstSequences: [UInt64]) -> UInt64? {
        var end: UInt64?
        for (first, count) in zip(firstSequences, self.counts) { end = max(end ?? 0, first + UInt64(count)) }
        return end
    }

    /// The sequence of an event, once the batches are numbered.
    @inline(__always)
    func sequence(of position: Gathering.Position, _ firstSequences: [UInt64]) -> UInt64 {
        firstSequences[self.bases[Int(position.route)] + Int(position.batch)] + UInt64(position.index)
    }
}
