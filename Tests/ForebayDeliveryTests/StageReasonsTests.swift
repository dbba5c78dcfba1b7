import ForebayCore
import ForebayKafka
import ForebayTelemetry
import ForebayTestKit
import Testing

@testable import ForebayDelivery

/// Why a stage says that its target takes nothing, in simulated time.
@Suite("The reasons that a forward stage tells, in simulated time", .timeLimit(.minutes(1)))
struct StageReasonsTests {
    @Test("a reason is told once, and so is another one that takes its place, and that one when it is back")
    func reasons() throws {
        try StageWorld.run { world in
            world.cluster.topics = ["t": 1]
            try await world.settled(world.give(1))
            let producer = try world.producer
            let refused = KafkaFailure(.transport, reason: "k:1/1: Connect to k:1 failed: Connection refused")
            let closed = KafkaFailure(.transport, reason: "k:1/1: Disconnected while requesting ApiVersion: a TLS listener?")
            func reasons() -> [String?] { world.told("the cluster does not answer; events wait").map { $0["reason"] } }
            world.cluster.isSilent = true
            producer.fail(refused)
            producer.fail(KafkaFailure(.allBrokersDown))
            await world.pass(60_000)
            #expect(reasons() == [refused.reason], "asked again and again meanwhile")
            producer.fail(closed)
            await world.pass(5)
            #expect(world.fact("error_reason") == .text(closed.reason) && reasons() == [refused.reason, closed.reason])
            producer.fail(refused)
            await world.pass(5)
            #expect(world.fact("error_reason") == .text(refused.reason) && reasons().count == 3)
        }
    }

    @Test("a cluster that does not answer for a quota's sake is told as that, with what to do")
    func quota() throws {
        try StageWorld.run { world in
            world.cluster.topics = ["t": 1]
            try await world.settled(world.give(1))
            let producer = try world.producer
            producer.throttle(5000)
            await world.pass(5)
            #expect(world.fact("target_up") == .flag(true) && world.fact("error_code") == nil)
            world.cluster.isSilent = true
            producer.fail(KafkaFailure(.allBrokersDown))
            await world.pass(5)
            #expect(world.fact("error_code") == .text("THROTTLING_QUOTA_EXCEEDED"))
            let told = world.told("a quota of the cluster holds this client up; events wait")
            #expect(told.count == 1 && told[0]["advice"]?.contains("producer_byte_rate") == true)
        }
    }

    @Test("producers that fail one after the other are told of, and a cluster that answers besides is not up; until one lasts or delivers")
    func producersFail() throws {
        for delivers in [true, false] {
            try StageWorld.run {
                $0.configuration.partitionPatience = 3_600_000
            } _: { world in
                world.cluster.topics = ["t": 1]
                try await world.settled(world.give(1))
                world.cluster.delivers = false
                let fatal = KafkaFailure(.fatal, reason: "Idempotent producer not supported")
                func fail() async throws {
                    let name = "forward/\(world.route)"
                    let before = try #require(world.cluster.producers[name])
                    before.fail(fatally: fatal)
                    try await world.until("there is another") { world.cluster.producers[name] !== before }
                }
                if delivers { world.give(1) }
                try await fail()
                await world.pass(500)
                #expect(world.fact("target_up") == .flag(true) && world.fact("error_code") == nil, "one alone is mended by its successor")
                for _ in 0..<3 { try await fail() }
                await world.pass(500)
                #expect(world.fact("target_up") == .flag(false) && world.fact("error_code") == .text("_FATAL"))
                #expect(world.fact("error_reason") == .text(fatal.reason) && world.metric("forebay_target_up") == "0")
                #expect(world.told("each producer fails before it delivers; events wait").count == 1)
                world.cluster.delivers = true
                if delivers { world.cluster.producers["forward/\(world.route)"]?.report() }
                let after = try await world.until("it is over") {
                    world.fact("target_up") == .flag(true) && world.fact("error_code") == nil
                }
                #expect(delivers ? after < 100 : (9000...12_000).contains(after))
                #expect(world.told("the cluster answers again").count == 1)
            }
        }
    }
}
