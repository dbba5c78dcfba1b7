import Testing

@testable import ForebayIngest

@Suite("Places in the batches of a submission")
struct BatchPlacesTests {
    @Test("the end of a group is above all its batches, in whatever order the buffer wrote them") func ends() {
        #expect(BatchPlaces().end([]) == nil)
        let places = BatchPlaces(counts: [3, 1, 2], bases: [0])
        for (firsts, end) in [([0, 3, 4], 6), ([3, 0, 1], 6), ([10, 90, 20], 91), ([7, 3, 4], 10)] as [([UInt64], UInt64)] {
            #expect(places.end(firsts) == end)
        }
    }

    @Test("an event's sequence: that of its batch, which is counted from the first one of its route") func sequences() {
        // Two batches of the first route, none of the second, one of the third.
        let places = BatchPlaces(counts: [3, 1, 2], bases: [0, 2, 2])
        let firsts: [UInt64] = [100, 50, 7]
        for (route, batch, index, sequence) in [(0, 0, 0, 100), (0, 0, 2, 102), (0, 1, 0, 50), (2, 0, 1, 8)]
            as [(Int32, Int32, Int32, UInt64)]
        {
            #expect(places.sequence(of: .init(route: route, batch: batch, index: index), firsts) == sequence)
        }
    }
}
