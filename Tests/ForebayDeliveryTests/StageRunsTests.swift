import ForebayCore
import ForebayKafka
import ForebayTelemetry
import ForebayTestKit
import Synchronization
import Testing

@testable import ForebayDelivery

/// What a run knows of the one before it: nothing.
@Suite("Forward stage: runs", .timeLimit(.minutes(1)))
struct StageRunsTests {
    private static let forbidden = KafkaErrorCode.topicAuthorizationFailed

    @Test("what could not be set aside is asked for again at the fifth try of each run, and of each shortage")
    func triesOfRuns() throws {
        try StageWorld.run { world in
            world.cluster.topics = ["bad": 1]
            world.cluster.errors = ["bad": Self.forbidden]
            world.hasRoom.withLock { $0 = false }
            world.give(1, "bad")
            for run in 0..<2 {
                let began = world.wall
                try await world.until("it can't be set aside") {
                    if case .number(let since)? = world.fact("room_since") { since >= began } else { false }
                }
                _ = world.cluster.takeCalls()
                await world.pass(3500)
                let asked = "forward/\(world.route): metadata bad"
                #expect(!world.cluster.takeCalls().contains { $0.hasPrefix(asked) }, "at the fourth try of run \(run)")
                if run == 0 {
                    await world.stop()
                    await world.pass(1)
                    world.start()
                } else {
                    await world.pass(1000)
                    #expect(world.cluster.takeCalls().contains { $0.hasPrefix(asked) })
                }
            }
            world.hasRoom.withLock { $0 = true }
            try await world.settled(1)
            #expect(await world.stage.look { $0.sideLogs.rooms.failures(of: .setAside) } == 0, "there was room")
        }
    }

    @Test("why a run ended is no reason for the next one to end")
    func failureOfRun() throws {
        try StageWorld.run { world in
            world.cluster.topics = ["t": 1]
            let failure = ForebayError(.systemCall, recovery: .rewindAndRestart, "the cursor can't be moved")
            world.source.failCommits(with: failure)
            world.give(1)
            #expect((await world.ended() as? ForebayError)?.code == .systemCall)
            world.source.failCommits(with: nil)
            world.start()
            try await world.settled(1)
            await world.stop()
            #expect(await world.ended() is CancellationError)
        }
    }

    @Test("what could not be written as a dead letter is sent again after the fifth try")
    func triesOfLetters() throws {
        try StageWorld.run { world in
            world.cluster.topics = ["t": 1]
            world.cluster.refusal = { _ in .invalidRecord }
            world.letters.failures = .max
            let end = world.give(1)
            try await world.until("it can't be written") { !world.letters.times.isEmpty }
            let sent = world.cluster.sent.count
            try await world.until("it is sent again") { world.cluster.sent.count > sent }
            #expect(world.letters.times.count == 5)
            world.cluster.refusal = { _ in .none }
            try await world.settled(end)
        }
    }

    @Test("a client that failed in an earlier run says nothing of this one's")
    func clientFailure() throws {
        try StageWorld.run { world in
            world.cluster.topics = ["t": 1]
            try await world.settled(world.give(1))
            try world.producer.fail(KafkaFailure(.transport))
            await world.pass(1500)
            await world.stop()
            world.start()
            try await world.settled(world.give(1))
            await world.pass(1500)
            _ = world.cluster.takeCalls()
            world.process.machine.wallOffset -= 3_600_000
            await world.pass(5000)
            #expect(!world.cluster.takeCalls().contains { $0.contains("opened as") })
        }
    }

    @Test("what is settled beyond a cursor is kept at the first look of each run, though it is as much as the run before it kept")
    func keepsAhead() throws {
        try StageWorld.run {
            $0.configuration.setAsideTopics = 0
        } _: { world in
            world.cluster.topics = ["bad": 1, "good": 1]
            world.cluster.errors = ["bad": Self.forbidden]
            world.give([EventFactory.Sample("bad", value: "v")])
            for run in 0..<2 {
                world.give([EventFactory.Sample("good", value: "v")])
                let took = try await world.until("run \(run) keeps it", within: 3000) { world.source.ahead?.isFinal == false }
                #expect(took <= 1010 && world.source.ahead?.kept.ranges == [1..<UInt64(run + 2)], "\(took)")
                await world.stop()
                #expect(world.source.ahead?.isFinal == true)
                world.start()
            }
        }
    }

    @Test("while the cursor moves nothing is kept beyond it; where it stands still for two looks, wherever that is, what is there is")
    func keepsNothing() throws {
        try StageWorld.run {
            $0.configuration.setAsideTopics = 0
        } _: { world in
            world.cluster.topics = ["bad": 1, "good": 1]
            world.cluster.errors = ["bad": Self.forbidden]
            for _ in 0..<20 {
                try await world.settled(world.give(1, "good"))
                await world.pass(200)
            }
            #expect(world.source.ahead == nil)
            world.give(1, "bad")
            world.give(3, "good")
            try await world.until("it is kept", within: 3000) { world.source.ahead?.kept.ranges == [21..<24] }
            #expect(await world.stage.look { $0.state.window.commits.isEmpty })
        }
    }

    // MARK: The clock

    @Test(
        "a clock that is set back by more than two seconds is set back; producers are made anew in the same moment",
        arguments: [2000, 2001])
    func clockBound(milliseconds: Int64) throws {
        try StageWorld.run { world in
            world.cluster.topics = ["t": 1]
            try await world.settled(world.give(1))
            await world.pass(1500)
            world.cluster.isSilent = true
            try world.producer.fail(KafkaFailure(.allBrokersDown))
            await world.pass(20)
            #expect(world.fact("target_up") == .flag(false))
            _ = world.cluster.takeCalls()
            world.process.machine.wallOffset -= milliseconds
            let told = "the clock was set back while the cluster, or a broker of it, is away; its producers are made anew"
            for _ in 0..<1500 where world.told(told).isEmpty { await world.pass(1) }
            #expect(world.told(told).map { $0["milliseconds"] } == (milliseconds > 2000 ? ["\(milliseconds)"] : []))
            #expect(world.cluster.takeCalls().contains("forward/\(world.route): closed") == (milliseconds > 2000))
        }
    }

    @Test("since when a partition stands still is told once, whatever the clock says later")
    func stallSince() throws {
        try StageWorld.run {
            $0.configuration.partitionPatience = 3_600_000
        } _: { world in
            world.cluster.topics = ["t": 1]
            world.cluster.delivers = false
            world.give(1)
            try await world.until("it is told") { world.fact("stall_since") != nil }
            let since = world.fact("stall_since")
            world.process.machine.wallOffset += 3_600_000
            await world.pass(3000)
            #expect(world.fact("stall_since") == since)
        }
    }
}
