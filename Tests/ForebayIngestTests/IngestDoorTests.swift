import ForebayCore
import ForebayNet
import ForebayTelemetry
import Synchronization
import Testing

@testable import ForebayIngest

@Suite("Ingest door", .timeLimit(.minutes(1)))
struct IngestDoorTests {
    @Test("paused, no socket is read until it is resumed; then nobody asks any more") func pause() async throws {
        let server = FakeServer()
        let asked = Mutex(0)
        let loop = try EventLoop(label: "door-test")
        try await loop.perform {
            var door = IngestDoor(server, onOpened: {})
            door.pause(loop.timer(after: 1) { asked.withLock { $0 += 1 } })
            #expect(server.isPaused && server.pauseCount == 1)
            door.resume()
            #expect(!server.isPaused)
            // Paused to the end: what asks is stopped, and whoever comes next lets sockets be read.
            door.pause(loop.timer(after: 1) { asked.withLock { $0 += 1 } })
            door.close()
            #expect(server.isPaused)
        }
        // Both would have asked before this one.
        await withCheckedContinuation { later in
            loop.execute { loop.timer(after: 5) { later.resume() } }
        }
        #expect(asked.withLock { $0 } == 0)
        await loop.stop()
    }

    @Test("tells what it tells to anybody: what is in flight, and whether anybody waits for Kafka") func facts() {
        let waiters = DeliveryWaiters(limit: 10)
        let metrics = IngestMetrics(registry: MetricsRegistry())
        let facts = IngestFacts(metrics, waiters)
        #expect(facts.all == [Fact("in_flight_bytes", .number(0)), Fact("waiting_for_kafka", .flag(false))])
        facts.tell(inFlight: 70)
        _ = waiters.expect(sequences: [1]) { _ in }
        #expect(metrics.inFlight.value == 70)
        #expect(facts.all == [Fact("in_flight_bytes", .number(70)), Fact("waiting_for_kafka", .flag(true))])
    }
}
