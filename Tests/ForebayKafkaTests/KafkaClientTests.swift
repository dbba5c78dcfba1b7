import ForebayCore
import ForebayTestKit
import Foundation
import Testing

@testable import ForebayKafka

@Suite("A Kafka client that runs", .timeLimit(.minutes(1)))
struct KafkaClientTests {
    /// Ends a client with a batch that nobody else holds.
    private func end(_ client: KafkaClient) -> Weak {
        let batch = EventFactory.batch([EventFactory.Sample("t", value: "v")], spool: .none, first: 0)
        client.end(keeping: [batch])
        return Weak(batch.slab)
    }

    private struct Weak {
        weak var slab: Slab?

        init(_ slab: Slab) { self.slab = slab }
    }

    /// Threads for calls that wait.
    private var threads: Int {
        let tasks = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/task")) ?? []
        return tasks.count { (try? String(contentsOfFile: "/proc/self/task/\($0)/comm", encoding: .utf8)) == "kafka-wait\n" }
    }

    @Test("its end comes behind what was given to its thread before, and what holds values is let go of then")
    func ends() async throws {
        let client = try KafkaClient(starting: KafkaConfHandle())
        let (gate, calls) = (DispatchSemaphore(value: 0), Happenings<Int>())
        client.run { gate.wait() }
        client.run { calls.add(1) }
        let held = self.end(client)
        #expect(held.slab != nil && calls.count == 0)
        gate.signal()
        await calls.wait(forCount: 1)
        #expect(await eventually { held.slab == nil })
    }

    @Test("properties that librdkafka does not take together: an error, and no thread is left")
    func refused() async throws {
        let before = self.threads
        for _ in 0..<5 {
            #expect(throws: KafkaFailure.self) {
                let configuration = KafkaConfHandle()
                #expect(configuration.set("enable.idempotence", "true") == nil && configuration.set("acks", "1") == nil)
                _ = try KafkaClient(starting: configuration)
            }
        }
        #expect(await eventually { self.threads <= before })
    }

    @Test("no broker has spoken of a quota")
    func throttle() throws {
        let client = try KafkaClient(starting: KafkaConfHandle())
        #expect(client.takeThrottle() == nil)
        client.end(keeping: [])
    }
}
