import Testing

@testable import ForebayKafka

@Suite("Kafka answers that are waited for")
struct KafkaMetadataAnswersTests {
    private static let metadata = KafkaMetadata(brokers: [1], topics: [])

    @Test("the first one counts, given before it is waited for or behind that", arguments: [false, true])
    func first(isWaited: Bool) async {
        let answer = KafkaMetadataAnswer()
        #expect(!answer.isGiven)
        let giving = Task {
            answer.give(.success(Self.metadata))
            answer.give(.failure(KafkaFailure(.timedOut)))
        }
        if !isWaited { await giving.value }
        let result = await answer.wait()
        #expect((try? result.get()) == Self.metadata)
        await giving.value
        #expect(answer.isGiven)
    }

    @Test("the client's end is an answer to all that have none")
    func end() async {
        var answers = KafkaMetadataAnswers()
        let (given, open) = (answers.add(), answers.add())
        given.give(.success(Self.metadata))
        let late = answers.add()
        answers.endAll()
        late.give(.success(Self.metadata))
        #expect((try? await given.wait().get()) == Self.metadata)
        for answer in [open, late] {
            let result = await answer.wait()
            if case .failure(let failure) = result { #expect(failure.code == .destroyed) } else { Issue.record("\(result)") }
        }
    }
}
