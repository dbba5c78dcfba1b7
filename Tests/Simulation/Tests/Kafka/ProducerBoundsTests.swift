import ForebayKafka
import Testing

@testable import ForebayTestKit

@Suite("What a simulated producer's properties bound")
struct ProducerBoundsTests {
    private func bounds(_ kind: KafkaProducer.Kind, _ properties: [String: String] = [:]) -> ProducerBounds {
        ProducerBounds(kind, KafkaProperties(client: properties))
    }

    @Test("what is not said is as librdkafka has it; of two names of one property either counts")
    func numbers() {
        let usual = self.bounds(.bulk, ["batch.size": "much"])
        #expect(usual.batchMessages == 10_000 && usual.batchSize == 1_000_000 && usual.inFlight == 5 && !usual.isSingle)
        let said = self.bounds(.bulk, ["batch.num.messages": "7", "batch.size": "8", "socket.timeout.ms": "9"])
        #expect(said.batchMessages == 7 && said.batchSize == 8 && said.requestTimeout == 9)
        for name in ["max.in.flight", "max.in.flight.requests.per.connection"] { #expect(self.bounds(.bulk, [name: "2"]).inFlight == 2) }
    }

    @Test("a producer of small batches has its own size, one of single events one of everything, whatever is said")
    func kinds() {
        let properties = ["batch.num.messages": "7", "batch.size": "8", "max.in.flight": "3"]
        #expect(self.bounds(.small(batchSize: 100), properties).batchSize == 100)
        let single = self.bounds(.single, properties)
        #expect(single.isSingle && single.batchMessages == 1 && single.inFlight == 1)
    }
}
