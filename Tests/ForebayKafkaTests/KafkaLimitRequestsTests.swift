import Testing

@testable import ForebayKafka

@Suite("Kafka questions for limits")
struct KafkaLimitRequestsTests {
    private static func told(_ topic: String, _ bytes: Int) -> KafkaTopicLimit { KafkaTopicLimit(topic: topic, bytes: bytes, error: .none) }

    /// Asks, and does something with the question's number.
    private func ask(
        _ topics: [String], _ requests: inout KafkaLimitRequests, _ body: (inout KafkaLimitRequests, UInt) -> Void
    ) async -> [KafkaTopicLimit] {
        await withUnsafeContinuation { waiting in
            let number = requests.add(topics, waiting)
            body(&requests, number)
        }
    }

    @Test("an answer goes to who asked, whichever comes first; a number that is answered already, or was never given, is nobody's")
    func answers() async {
        var requests = KafkaLimitRequests()
        var first: UInt = 0
        let second = await self.ask(["b"], &requests) { requests, number in
            requests.answer(number + 1, [Self.told("b", 1)], .none)
            requests.answer(number, [Self.told("b", 2)], .none)
            requests.answer(number, [Self.told("b", 3)], .none)
            first = number
        }
        #expect(second == [Self.told("b", 2)])
        let third = await self.ask(["c"], &requests) { requests, number in
            #expect(number != first)
            requests.answer(first, [Self.told("c", 1)], .none)
            requests.answer(number, [Self.told("c", 2)], .none)
        }
        #expect(third == [Self.told("c", 2)])
    }

    @Test("each topic has one answer: of which nothing is told has the question's failure, or one that may be asked again")
    func missing() async {
        var requests = KafkaLimitRequests()
        for (error, expected) in [(KafkaErrorCode.timedOut, KafkaErrorCode.timedOut), (.none, .unknownServerError)] {
            let limits = await self.ask(["a", "b"], &requests) { $0.answer($1, [Self.told("b", 5)], error) }
            #expect(limits == [Self.told("b", 5), KafkaTopicLimit(topic: "a", bytes: nil, error: expected)])
        }
    }

    @Test("who waits still when the client is gone is told so, once")
    func end() async {
        var requests = KafkaLimitRequests()
        let limits = await self.ask(["a", "b"], &requests) { requests, number in
            requests.endAll()
            requests.answer(number, [Self.told("a", 1)], .none)
            requests.endAll()
        }
        #expect(limits == ["a", "b"].map { KafkaTopicLimit(topic: $0, bytes: nil, error: .destroyed) })
    }
}
