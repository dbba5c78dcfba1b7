import CRDKafka
import Testing

@testable import ForebayKafka

@Suite("A Kafka client's open topics", .timeLimit(.minutes(1)))
struct KafkaTopicsTests {
    @Test("each is librdkafka's of that name until it is closed; with all of them closed the client can end")
    func opens() throws {
        let handle = try KafkaClientHandle(starting: KafkaConfHandle())
        var topics = KafkaTopics()
        let names = ["a", "b"]
        let open = names.map { topics.open($0, of: handle.client) }
        let (a, b) = (try #require(open[0]), try #require(open[1]))
        #expect([a, b].map { String(cString: rd_kafka_topic_name($0.raw)) } == names)
        topics.close(a)
        topics.close(a)
        #expect(String(cString: rd_kafka_topic_name(b.raw)) == "b", "which was left alone")
        let reopened = topics.open("a", of: handle.client)
        let again = try #require(reopened)
        #expect(String(cString: rd_kafka_topic_name(again.raw)) == "a")
        topics.closeAll()
        topics.closeAll()
        topics.close(b)
        handle.destroy()
    }

    @Test("a name that librdkafka does not take is none")
    func refused() throws {
        let handle = try KafkaClientHandle(starting: KafkaConfHandle())
        defer { handle.destroy() }
        var topics = KafkaTopics()
        let topic = topics.open(String(repeating: "n", count: 600), of: handle.client)
        #expect(topic == nil)
        topics.closeAll()
    }
}
