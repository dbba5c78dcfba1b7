/// Where the events of a batch stand that do not follow each other in their lane: compaction and transactions leave holes in a partition.
///
/// An object: nearly all batches have none, and those that travel stay small.
package final class HoledPlaces: Sendable {
    /// From the first place that the batch covers to each of its events; rising.
    package let distances: [UInt32]
    /// How many places the batch covers.
    package let length: UInt64

    package init(distances: [UInt32], length: UInt64) {
        precondition(zip(distances, distances.dropFirst()).allSatisfy { $0 < $1 }, "places rise")
        precondition(distances.last.map { UInt64($0) < length } ?? true, "what is covered holds the events")
        self.distances = distances
        self.length = length
    }

    /// How many events stand before a distance.
    func count(below distance: UInt64) -> Int {
        var (low, high) = (0, self.distances.count)
        while low < high {
            let middle = (low + high) / 2
            if UInt64(self.distances[middle]) < distance { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// - Parameter count: of events before `distance`.
    func split(at distance: UInt64, count: Int) -> (head: HoledPlaces, rest: HoledPlaces) {
        (
            HoledPlaces(distances: Array(self.distances[..<count]), length: distance),
            HoledPlaces(
                distances: self.distances[count...].map { $0 - UInt32(truncatingIfNeeded: distance) }, length: self.length - distance)
        )
    }
}
