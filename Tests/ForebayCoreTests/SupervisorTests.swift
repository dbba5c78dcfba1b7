import ForebayTelemetry
import ForebayTestKit
import Testing

@testable import ForebayCore

@Suite("Supervisor", .timeLimit(.minutes(1)))
struct SupervisorTests {
    private let clock = ManualClock()
    private let metrics = MetricsRegistry()
    private let policy = RestartPolicy(first: 100, limit: 1000, calmAfter: 60_000)

    private func supervisor(seed: UInt64 = 1) -> Supervisor {
        Supervisor(policy: self.policy, metrics: self.metrics, surroundings: .manual(self.clock, seed: seed))
    }

    private func error(_ recovery: ForebayError.Recovery, _ message: String = "planted") -> ForebayError {
        ForebayError(.injected, recovery: recovery, message)
    }

    /// Lets every backoff pass until the script's events are as expected.
    private func run(_ script: StageScript, until expected: [StageScript.Event]) async {
        while script.events.count < expected.count {
            self.clock.advance(by: .milliseconds(self.policy.limit))
            await Task.yield()
        }
        #expect(script.events.all == expected)
    }

    private func report(_ supervisor: Supervisor, _ name: String) async throws -> StageReport {
        try #require(await supervisor.reports().first { $0.name == name })
    }

    @Test("retry: the same stage runs again")
    func retry() async throws {
        let script = StageScript([.fail(self.error(.retry)), .work])
        let supervisor = self.supervisor()
        await supervisor.start("a") { script.make() }
        await self.run(script, until: [.made(1), .run(1), .run(1)])
        #expect(try await self.report(supervisor, "a").restarts == 1)
        await supervisor.shutdown(within: .seconds(10))
    }

    @Test("rewind: a new stage, for errors of ours, for others, and for an end that nobody asked for")
    func rewind() async throws {
        struct Other: Error {}
        let script = StageScript([.fail(self.error(.rewindAndRestart)), .failOtherwise(Other()), .end, .work])
        let supervisor = self.supervisor()
        await supervisor.start("a") { script.make() }
        await self.run(script, until: [.made(1), .run(1), .made(2), .run(2), .made(3), .run(3), .made(4), .run(4)])
        let report = try await self.report(supervisor, "a")
        #expect(report.restarts == 3)
        #expect(report.lastError == "ended before it was told to")
        #expect(report.facts == [Fact("number", .number(4))])
        #expect(self.metrics.render().contains(#"forebay_stage_restarts_total{stage="a"} 3"#))
        await supervisor.shutdown(within: .seconds(10))
    }

    @Test("stop: the child stays down, its reason in the report; its siblings go on")
    func stop() async throws {
        let (broken, sound) = (StageScript([.fail(self.error(.stop, "no such cluster"))]), StageScript())
        let supervisor = self.supervisor()
        await supervisor.start("broken") { broken.make() }
        await supervisor.start("sound") { sound.make() }
        #expect(await eventually { await supervisor.reports().map(\.state) == [.stopped, .running] })

        self.clock.advance(by: .seconds(3600))

        #expect(try await self.report(supervisor, "broken").lastError == "no such cluster")
        #expect(broken.events.all == [.made(1), .run(1)])
        #expect(sound.events.all == [.made(1), .run(1)])
        #expect(try await self.report(supervisor, "sound").restarts == 0)
        await supervisor.shutdown(within: .seconds(10))
    }

    @Test("backoff doubles up to its limit, with jitter that the seed decides; nothing restarts early", arguments: 1...5)
    func backoff(seed: UInt64) async throws {
        let script = StageScript([StageScript.Step](repeating: .fail(self.error(.rewindAndRestart)), count: 8))
        let supervisor = self.supervisor(seed: seed)
        await supervisor.start("a") { script.make() }
        var generator: any RandomNumberGenerator = SplitMix(seed: seed)
        for failures in 1...8 {
            await self.clock.sleepers(atLeast: 1)
            let expected = self.policy.delay(failures: failures, using: &generator)
            #expect(self.clock.remaining == [.milliseconds(expected)])
            #expect(try await self.report(supervisor, "a").state == .waiting)
            self.clock.advance(by: .milliseconds(expected - 1))
            #expect(script.events.count == failures * 2)
            self.clock.advance(by: .milliseconds(1))
            await script.events.wait(forCount: (failures + 1) * 2)
        }
        await supervisor.shutdown(within: .seconds(10))
    }

    @Test("a make that fails is tried again like a stage that failed")
    func makeFails() async throws {
        let script = StageScript()
        let attempts = Happenings<Void>()
        let error = self.error(.rewindAndRestart, "address in use")
        let supervisor = self.supervisor()
        await supervisor.start("a") {
            attempts.add(())
            if attempts.count < 4 { throw error }
            return script.make()
        }
        await self.run(script, until: [.made(1), .run(1)])
        let report = try await self.report(supervisor, "a")
        #expect(report.restarts == 3)
        #expect(report.lastError == "address in use")
        #expect(report.state == .running)
        await supervisor.shutdown(within: .seconds(10))
    }

    @Test("a thousand failures: a thousand restarts, siblings untouched")
    func thousand() async throws {
        let steps = [StageScript.Step](repeating: .fail(self.error(.rewindAndRestart)), count: 1000)
        let (broken, sound) = (StageScript(steps), StageScript())
        let supervisor = self.supervisor()
        await supervisor.start("sound") { sound.make() }
        await supervisor.start("broken") { broken.make() }
        while broken.events.count < 2002 {
            self.clock.advance(by: .seconds(1))
            await Task.yield()
        }
        #expect(try await self.report(supervisor, "broken").restarts == 1000)
        #expect(sound.events.all == [.made(1), .run(1)])
        await supervisor.shutdown(within: .seconds(10))
    }

    @Test("made to fail from outside: that run alone ends, with that error")
    func injected() async throws {
        let (victim, sibling) = (StageScript(), StageScript())
        let supervisor = self.supervisor()
        await supervisor.start("victim") { victim.make() }
        await supervisor.start("sibling") { sibling.make() }
        await victim.events.wait(forCount: 2)
        #expect(await eventually { await supervisor.reports().map(\.state) == [.running, .running] })

        #expect(await supervisor.fail("victim", with: self.error(.rewindAndRestart, "on purpose")))
        #expect(await !supervisor.fail("nobody", with: self.error(.stop)))

        await self.run(victim, until: [.made(1), .run(1), .cancelled(1), .made(2), .run(2)])
        #expect(try await self.report(supervisor, "victim").lastError == "on purpose")
        #expect(sibling.events.all == [.made(1), .run(1)])
        await supervisor.shutdown(within: .seconds(10))
    }
}
