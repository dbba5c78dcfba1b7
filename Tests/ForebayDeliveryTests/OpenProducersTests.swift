import ForebayCore
import ForebayKafka
import ForebayTelemetry
import ForebayTestKit
import Testing

@testable import ForebayDelivery

@Suite("An engine's open producers")
struct OpenProducersTests {
    private static func cluster() -> ScriptedCluster {
        let process = SimulatedProcess(machine: SimulatedMachine(), seed: 1)
        return ScriptedCluster(loop: SimulatedLoop(process), time: process.surroundings.time)
    }

    private static func producers(_ cluster: ScriptedCluster) -> OpenProducers {
        OpenProducers(cluster, properties: KafkaProperties(client: [:]), name: "forward/r", registry: MetricsRegistry())
    }

    @Test("each slot has a client of its own name, and only the main one counts for it; a closed one keeps its batches and is gone")
    func slots() throws {
        let cluster = Self.cluster()
        var producers = Self.producers(cluster)
        #expect(producers.isEmpty)
        try producers.open(.main, .bulk, now: 5, reviewAt: 9) {}
        try producers.open(.single, .single, now: 6, reviewAt: 9) {}
        #expect(cluster.takeCalls() == ["forward/r: opened as bulk with metrics", "forward/r/single: opened as single"])
        #expect(producers[.main]?.openedAt == 5 && producers[.single]?.kind == .single && producers[.small] == nil && !producers.isEmpty)
        let first = producers[.main]!.producer
        #expect(producers.isOpen(first, .main) && !producers.isOpen(first, .single) && !producers.isOpen(first, .small))
        producers.close(.main) { [EventFactory.batch([EventFactory.Sample("t", value: "v")], spool: .none, first: 0)] }
        #expect(cluster.producers["forward/r"]?.isClosed == true && cluster.producers["forward/r"]?.kept.count == 1)
        #expect(producers[.main] == nil && !producers.isOpen(first, .main))
        producers.close(.main) {
            Issue.record("there is none to keep them for")
            return []
        }
        try producers.open(.main, .bulk, now: 7, reviewAt: 9) {}
        #expect(!producers.isOpen(first, .main), "its successor is another one")
    }

    @Test("a client that can't be made leaves the slot as it was")
    func failure() throws {
        let cluster = Self.cluster()
        var producers = Self.producers(cluster)
        cluster.openFailure = ForebayError(.systemCall, recovery: .stop, "no threads")
        #expect(throws: ForebayError.self) { try producers.open(.main, .bulk, now: 0, reviewAt: 0) {} }
        #expect(producers.isEmpty)
    }

    @Test("a topic is opened once by its index, and closed at every producer that has it; the index is free for another one then")
    func topics() throws {
        let cluster = Self.cluster()
        var producers = Self.producers(cluster)
        for (slot, kind) in [(ProducerSlot.main, KafkaProducer.Kind.bulk), (.single, .single)] {
            try producers.open(slot, kind, now: 0, reviewAt: 0) {}
        }
        let (main, single) = (producers[.main]!, producers[.single]!)
        let handle = main.open(2, "t")
        #expect(handle != nil && main.open(2, "t") == handle && main.topics == [nil, nil, handle] && main.openedCount == 1)
        _ = single.open(0, "u")
        _ = cluster.takeCalls()
        producers.close(topics: [2, 7])
        producers.close(topics: [2])
        #expect(cluster.takeCalls() == ["forward/r: closed t"] && main.topics[2] == nil && single.topics[0] != nil)
        #expect(main.open(2, "w") != handle && main.openedCount == 2, "the client never forgets the first")
    }

    @Test("a producer is asked whether it has seen too many topics beyond a number, now and then; at twice as many at once")
    func reviews() throws {
        var settings = DeliverySettings()
        (settings.openedTopics, settings.renewalInterval) = (2, 100)
        var producers = Self.producers(Self.cluster())
        try producers.open(.main, .bulk, now: 0, reviewAt: 10) {}
        let main = producers[.main]!
        func isToBeReviewed(at now: UInt64, with count: Int) -> Bool {
            for topic in main.openedCount..<count { _ = main.open(topic, "t\(topic)") }
            return main.isToBeReviewed(now: now, settings)
        }
        #expect(!isToBeReviewed(at: 500, with: 2), "so many are not too many")
        #expect(!isToBeReviewed(at: 9, with: 3) && isToBeReviewed(at: 10, with: 3) && !isToBeReviewed(at: 109, with: 4))
        #expect(isToBeReviewed(at: 109, with: 5), "more than twice as many")
        #expect(!isToBeReviewed(at: 110, with: 7) && isToBeReviewed(at: 110, with: 8), "and half as many more than then")
    }
}
