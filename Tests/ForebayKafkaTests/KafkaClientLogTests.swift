import ForebayTelemetry
import Testing

@testable import ForebayKafka

@Suite("What is told of a Kafka client")
struct KafkaClientLogTests {
    private let capture = LogCapture()
    private let client = "client-\(UInt64.random(in: 0...UInt64.max))"

    /// What is told of this suite's client.
    private func told(_ body: (KafkaClientLog) -> Void) -> [LogRecord] {
        let log = KafkaClientLog(
            client: self.client, advice: KafkaAdvice(properties: KafkaProperties(client: ["bootstrap.servers": "k:1"])))
        body(log)
        self.capture.close()
        return self.capture.records(label: "kafka").filter { $0["client"] == self.client }
    }

    @Test("a failure is a warning with advice; that a broker closes a connection is none")
    func failures() throws {
        let records = self.told {
            $0.tell(KafkaFailure(.allBrokersDown, reason: "1/1 brokers are down"))
            $0.tell(KafkaFailure(.transport, reason: "k:1/1: Disconnected"))
            $0.tell(KafkaFailure(.transport, reason: "k:1/1: Connect failed"))
        }
        #expect(records.map(\.level) == [.warning, .info, .warning])
        #expect(records[0]["code"] == "_ALL_BROKERS_DOWN" && records[0]["reason"] == "1/1 brokers are down")
        #expect(records[0]["advice"]?.contains("check that Kafka runs and can be reached (k:1)") == true)
        #expect(records[1].message == "a broker closed a connection" && records[1]["advice"] == nil)
    }

    @Test("librdkafka's lines are never higher than info, and what it says at each start of our own settings is for debugging")
    func lines() {
        let lines: [(facility: String, text: String, level: Int32, told: LogLevel)] = [
            ("FAIL", "broken", 3, .info), ("FAIL", "broken", 4, .info), ("CONN", "connected", 6, .debug),
            ("CONFWARN", "enable.gapless.guarantee is experimental", 4, .debug), ("CONFWARN", "another one", 4, .info),
        ]
        let records = self.told { log in for line in lines { log.tell(line: line.text, of: line.facility, level: line.level) } }
        #expect(records.map(\.level) == lines.map(\.told))
        #expect(records.map { $0["text"] } == lines.map(\.text) && records.map { $0["facility"] } == lines.map(\.facility))
    }

    @Test("another password is told, with its file, or with why it is not taken")
    func renewed() {
        let records = self.told {
            $0.tellRenewed("/secrets/kafka", refusal: nil)
            $0.tellRenewed("/secrets/kafka", refusal: "no SASL here")
        }
        #expect(records.map(\.level) == [.info, .warning])
        #expect(records.first?["file"] == "/secrets/kafka" && records.last?["reason"] == "no SASL here")
    }

    @Test("equal failures have equal words, however long they lasted and however often they came")
    func times() {
        let failure = "k1:9092/bootstrap: Connect to ipv4#10.0.0.1:9092 failed: Connection refused"
        #expect(KafkaClientLog.withoutTimes(failure) == failure)
        #expect(KafkaClientLog.withoutTimes(failure + " (after 348ms in state CONNECT)") == failure)
        #expect(KafkaClientLog.withoutTimes(failure + " (after 0ms in state CONNECT, 1 identical error(s) suppressed)") == failure)
        #expect(KafkaClientLog.withoutTimes("SASL refused (broker 1)") == "SASL refused (broker 1)")
    }

    @Test("a connection that a broker closed is no failure yet; one that it does not open, or closes at a question, is")
    func ends() {
        func isEnd(_ code: KafkaErrorCode, _ reason: String) -> Bool { KafkaClientLog.isConnectionsEnd(KafkaFailure(code, reason: reason)) }
        #expect(isEnd(.transport, "k1:9092/1: Disconnected"))
        #expect(!isEnd(.transport, "k1:9092/1: Disconnected while requesting ApiVersion: might be caused by incorrect security.protocol"))
        #expect(!isEnd(.transport, "k1:9092/1: Connect to ipv4#10.0.0.1:9092 failed: Connection refused"))
        #expect(!isEnd(.allBrokersDown, "k1:9092/1: Disconnected"))
    }
}
