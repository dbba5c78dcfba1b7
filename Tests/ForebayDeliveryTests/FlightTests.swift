import Testing

@testable import ForebayDelivery

@Suite("Forward state: the ring of flights")
struct FlightTests {
    private func flight(_ record: UInt32, _ status: Flight.Status = .queued) -> Flight {
        Flight(batch: 1, record: record, bytes: 10, place: 0, status: status)
    }

    @Test("it has the flights that were added and are not retired, by their numbers, however often it grew and went round")
    func numbers() {
        var ring = FlightRing(capacity: 4)
        #expect(ring.isEmpty && ring.count == 0 && !ring.contains(0))
        for round in 0..<20 as Range<UInt32> {
            let before = ring.tail
            for record in 0...round {
                let short = ring.append(self.flight(round * 100 + record))
                #expect(ring.number(short) == before + UInt64(record))
            }
            #expect(ring.contains(ring.head) && ring.contains(ring.tail - 1) && !ring.contains(ring.tail))
            #expect(ring.head == 0 || !ring.contains(ring.head - 1))
            for record in 0...round {
                let short = UInt32(truncatingIfNeeded: before + UInt64(record))
                #expect(ring[short].record == round * 100 + record)
            }
            // All but the last one of each round are settled.
            for number in before..<ring.tail - 1 { ring[UInt32(truncatingIfNeeded: number)].status = .settled }
            if before > 0 { ring[UInt32(truncatingIfNeeded: before - 1)].status = .settled }
            ring.retire()
            #expect(ring.head == ring.tail - 1 && ring.count == 1 && !ring.isEmpty)
        }
    }

    @Test("none is retired behind one that is not settled")
    func retire() {
        for status in [Flight.Status.queued, .sent, .becomingDeadLetter, .settingAside] {
            var ring = FlightRing(capacity: 2)
            for record in 0..<5 as Range<UInt32> { _ = ring.append(self.flight(record, record == 2 ? status : .settled)) }
            ring.retire()
            #expect(ring.head == 2 && ring.count == 3, "\(status)")
            ring[2].status = .settled
            ring.retire()
            #expect(ring.isEmpty && ring.head == 5 && ring.tail == 5)
        }
    }

    @Test("what is under way weighs its bytes on a partition, what waits 256 bytes each")
    func load() {
        var partition = PartitionState(topic: 0, number: 0)
        #expect(partition.load == 0)
        (partition.events.outstandingBytes, partition.events.queued) = (1000, 3)
        #expect(partition.load == 1768)
    }
}
