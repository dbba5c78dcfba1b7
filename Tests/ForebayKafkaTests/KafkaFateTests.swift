import ForebayKafka
import Testing

@Suite("The fate of every error code")
struct KafkaFateTests {
    @Test("every code of this librdkafka has a line in the table")
    func allAreListed() {
        let unlisted = KafkaErrorCode.all.filter { $0.isError && KafkaFate.table[$0] == nil }
            .filter { !["_BEGIN", "_END"].contains($0.description) }
        // A librdkafka newer than 2.0.2 may know more; those wait with an alarm until somebody decides.
        #expect(unlisted.isEmpty || KafkaProducer.libraryVersion != "2.0.2", "\(unlisted)")
        #expect(KafkaErrorCode.all.count > 100)
    }

    @Test("a code that nobody knows yet waits, and is told")
    func unknownWaits() {
        #expect(KafkaFate(of: KafkaErrorCode(rawValue: 30_000)) == .unknown)
        #expect(KafkaFate(of: .unknownServerError) == .unknown)
    }

    @Test(
        "what the promise depends on",
        arguments: [
            (KafkaErrorCode.messageTooLarge, KafkaFate.refused), (.invalidTimestamp, .refused), (.invalidRecord, .refused),
            (.topicAuthorizationFailed, .hold(.topic)), (.unknownTopicOrPartition, .hold(.topic)), (.unknownTopic, .hold(.topic)),
            (.leaderNotAvailable, .hold(.partition)), (.notEnoughReplicas, .hold(.partition)), (.unknownPartition, .hold(.partition)),
            (.clusterAuthorizationFailed, .hold(.cluster)), (.authentication, .hold(.cluster)),
            (.transport, .wait), (.timedOut, .wait), (.outOfOrderSequence, .wait), (.purgedInQueue, .wait), (.purgedInFlight, .wait),
        ])
    func known(code: KafkaErrorCode, fate: KafkaFate) {
        #expect(KafkaFate(of: code) == fate)
    }

    @Test("names are those of the protocol")
    func names() {
        #expect(KafkaErrorCode.messageTooLarge.description == "MSG_SIZE_TOO_LARGE")
        #expect(KafkaErrorCode.purgedInQueue.description == "_PURGE_QUEUE")
    }
}
