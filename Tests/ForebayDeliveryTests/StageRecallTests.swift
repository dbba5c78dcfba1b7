import ForebayCore
import ForebayKafka
import ForebayTestKit
import Testing

@testable import ForebayDelivery

/// What the drain lets go of while parts of it are delivered, refused for good, or on their way elsewhere, in simulated time.
@Suite("Units that the drain lets go of", .timeLimit(.minutes(1)))
struct StageRecallTests {
    private static let forbidden = KafkaErrorCode.topicAuthorizationFailed

    /// Events `v0`…, in turn of two partitions, are set aside of the topic `t`, and sent by the drain, which has no report of them yet. One
    /// of each partition goes before them, and is delivered: the first may go alone.
    private static func run(
        _ count: Int = 8, _ body: @escaping @Sendable (StageWorld) async throws -> Void
    ) throws {
        try StageWorld.run { world in
            world.cluster.topics = ["t": 2, "u": 1, "w": 1]
            world.cluster.errors = ["t": Self.forbidden, "w": Self.forbidden]
            let events = ["first0", "first1"] + (0..<count).map { "v\($0)" }
            try await world.settled(
                world.give(events.enumerated().map { .init("t", value: $1, partition: Int32($0 % 2), timestamp: world.wall) }))
            world.cluster.delivers = false
            world.cluster.errors = ["w": Self.forbidden]
            try await world.until("the drain has sent all", within: 60_000) {
                for producer in world.cluster.producers.values {
                    let firsts = producer.inFlight.filter { $0.value?.hasPrefix("first") == true }.map(\.token)
                    if !firsts.isEmpty { producer.report(firsts) }
                }
                return Self.counts(world, "t").count == count
            }
            await world.pass(20)
            try await body(world)
        }
    }

    /// Reports those of a partition of `t` that producers have.
    private static func report(
        _ world: StageWorld, _ partition: Int32, _ code: KafkaErrorCode = .none, _ isMeant: (String) -> Bool = { _ in true }
    ) {
        for producer in world.cluster.producers.values {
            let tokens = producer.inFlight.filter { $0.topic == "t" && $0.partition == partition && isMeant($0.value!) }.map(\.token)
            if !tokens.isEmpty { producer.report(tokens, code) }
        }
    }

    private static func counts(_ world: StageWorld, _ topic: String) -> [String: Int] {
        Dictionary(world.cluster.sent.filter { $0.topic == topic && $0.value!.hasPrefix("v") }.map { ($0.value!, 1) }, uniquingKeysWith: +)
    }

    private static func executor(_ world: StageWorld) -> any SerialExecutor {
        world.process.surroundings.executors.thread(label: "hand").executor()
    }

    @Test("what was delivered before others, of another partition, is neither moved nor removed, nor counted")
    func ahead() throws {
        for isMove in [true, false] {
            try Self.run { world in
                Self.report(world, 1)
                await world.pass(20)
                if isMove {
                    let moved = try await world.setAside.move(.init(topic: "t"), to: "u", executor: Self.executor(world)).taken
                    #expect(moved.map(\.events) == [4] && moved.map(\.positions) == [2..<10])
                    world.cluster.delivers = true
                    try await world.until("all of it is there", within: 90_000) { Self.counts(world, "u").count == 4 }
                    #expect(Self.counts(world, "u") == ["v0": 1, "v2": 1, "v4": 1, "v6": 1])
                } else {
                    #expect(try await world.setAside.remove(.init(topic: "t")).map(\.events) == [4])
                }
                Self.report(world, 0, Self.forbidden)
                await world.pass(5000)
                #expect(Self.counts(world, "t").values.allSatisfy { $0 == 1 } && world.setAside.isEmpty)
            }
        }
    }

    @Test("units of the topic that nobody named go on where they were: nothing of them is sent twice, also if nothing comes of it")
    func notNamed() throws {
        try Self.run { world in
            Self.report(world, 1)
            Self.report(world, 0) { $0 == "v0" }
            await world.pass(20)
            // Of another partition, which has none: the whole topic is recalled for it.
            let (taken, left) = world.setAside.change { state -> ([UInt64], UInt64) in
                let number = state.units.numbers(of: "t")[0]
                state.recalled.insert("t")
                return ([number], state.units[number]!.settled)
            }
            #expect(taken.count == 1 && left == 4)
            world.setAside.wakeDrain()
            await world.pass(20)
            Self.report(world, 0, Self.forbidden)
            world.cluster.delivers = true
            try await world.until("nothing is set aside", within: 90_000) { world.setAside.isEmpty }
            let counts = Self.counts(world, "t")
            #expect(counts.filter { $0.value > 1 }.keys.sorted() == ["v2", "v4", "v6"], "only what was refused")
        }
    }

    @Test("a try that fails for one partition's sake does not send again what others have delivered")
    func failed() throws {
        try Self.run { world in
            Self.report(world, 1)
            await world.pass(20)
            Self.report(world, 0, Self.forbidden)
            await world.pass(20)
            world.cluster.delivers = true
            try await world.until("nothing is set aside", within: 90_000) { world.setAside.isEmpty }
            #expect(Self.counts(world, "t") == ["v0": 2, "v2": 2, "v4": 2, "v6": 2, "v1": 1, "v3": 1, "v5": 1, "v7": 1])
        }
    }

    @Test(
        "what is refused for good, and can't be written as a dead letter, is taken all the same, and is none; what is written is only that")
    func refusedForGood() throws {
        for hasRoom in [true, false] {
            try Self.run { world in
                world.letters.failures = hasRoom ? 0 : .max
                // Alone, and refused again: it is dead.
                world.cluster.refusal = { $0.value == "v1" ? .messageTooLarge : .none }
                world.cluster.delivers = true
                Self.report(world, 1, .messageTooLarge)
                try await world.until("it is refused", within: 20_000) {
                    hasRoom ? !world.letters.letters.isEmpty : !world.letters.times.isEmpty
                }
                let removed = try await world.setAside.remove(.init(topic: "t"))
                // The first partition's are with a producer.
                let dead = world.letters.letters.map(\.eventID).count
                #expect(dead == (hasRoom ? 1 : 0))
                #expect(removed.map(\.positions.upperBound) == [10])
                Self.report(world, 0, Self.forbidden)
                world.letters.failures = 0
                await world.pass(10_000)
                #expect(world.letters.letters.count == dead && world.setAside.isEmpty)
            }
        }
    }
}
