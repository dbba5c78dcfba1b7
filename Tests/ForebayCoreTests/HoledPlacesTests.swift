import ForebayTestKit
import Testing

@testable import ForebayCore

@Suite("Batches with holes")
struct HoledPlacesTests {
    private func batch(_ places: [UInt64], covers: Range<UInt64>) -> Batch {
        let samples = places.map { EventFactory.Sample("t", value: "\($0)") }
        let spool = EventFactory.batch(samples.isEmpty ? [EventFactory.Sample("t", value: "")] : samples, spool: .none, first: 0)
        return Batch(
            lane: .partition(topic: "t", 3, generation: 7), origin: nil, first: covers.lowerBound, count: places.count,
            holes: HoledPlaces(
                distances: places.map { UInt32($0 - covers.lowerBound) }, length: covers.upperBound - covers.lowerBound),
            route: spool.route, acceptedAt: 1, slab: spool.slab, range: samples.isEmpty ? 0..<0 : spool.range)
    }

    private func events(_ batch: Batch) -> [UInt64] {
        var found: [UInt64] = []
        batch.forEachEvent { event, place in
            #expect(event.value.map { String(decoding: $0, as: UTF8.self) } == "\(place)")
            found.append(place)
        }
        return found
    }

    @Test("each event knows its place; holes before, between and behind them are covered", arguments: 0..<20)
    func places(seed: UInt64) {
        var random = SplitMix(seed: seed)
        let covers = UInt64(1000)..<UInt64(1000 + Int.random(in: 1...30, using: &random))
        let places = covers.filter { _ in Bool.random(using: &random) }
        let batch = self.batch(places, covers: covers)
        #expect(batch.first == covers.lowerBound && batch.end == covers.upperBound && batch.isWellFormed)
        #expect(self.events(batch) == places)
        for place in 990...1040 as ClosedRange<UInt64> {
            #expect(batch.count(below: place) == places.count { $0 < place })
            let (head, rest) = batch.split(at: place)
            #expect(self.events(head) == places.filter { $0 < place } && self.events(rest) == places.filter { $0 >= place })
            let middle = min(max(place, covers.lowerBound), covers.upperBound)
            #expect(head.first == covers.lowerBound && head.end == middle && rest.first == middle && rest.end == covers.upperBound)
            #expect(head.isWellFormed && rest.isWellFormed && rest.lane == batch.lane)
            #expect(self.events(batch.dropping(below: place)) == places.filter { $0 >= place })
        }
    }
}
