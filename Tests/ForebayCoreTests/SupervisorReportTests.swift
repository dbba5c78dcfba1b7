import ForebayTelemetry
import ForebayTestKit
import Testing

@testable import ForebayCore

/// What the supervisor says of its children, and when it lets go of them.
@Suite("Supervisor: reports, failures from outside, deadlines", .timeLimit(.minutes(1)))
struct SupervisorReportTests {
    private let clock = ManualClock()
    private let metrics = MetricsRegistry()

    private func supervisor() -> Supervisor { Supervisor(metrics: self.metrics, surroundings: .manual(self.clock, seed: 1)) }

    private func error(_ recovery: ForebayError.Recovery, _ message: String = "planted") -> ForebayError {
        ForebayError(.injected, recovery: recovery, message)
    }

    private func states(_ supervisor: Supervisor, _ expected: [StageReport.State]) async -> Bool {
        await eventually { await supervisor.reports().map(\.state) == expected }
    }

    @Test("who does not run is named, with the reason; who runs is not")
    func notRunning() async {
        let supervisor = self.supervisor()
        #expect(supervisor.notRunning.isEmpty)
        await supervisor.start("sound") { StageScript().make() }
        await supervisor.start("down") { [error = self.error(.stop, "no cluster")] in StageScript([.fail(error)]).make() }
        await supervisor.start("waits") { [error = self.error(.retry, "not yet")] in StageScript([.fail(error)]).make() }
        #expect(await self.states(supervisor, [.running, .stopped, .waiting]))
        let down = supervisor.notRunning
        #expect(down.map(\.name) == ["down", "waits"] && down.map(\.error) == ["no cluster", "not yet"])
        await supervisor.shutdown(within: .seconds(1))
    }

    @Test("a stage is kept for another run only if its error says so; else nothing of it is shown any more")
    func facts() async throws {
        let supervisor = self.supervisor()
        for (name, recovery) in [("retry", .retry), ("rewind", .rewindAndRestart), ("stop", .stop)] as [(String, ForebayError.Recovery)] {
            await supervisor.start(name) { [error = self.error(recovery)] in StageScript([.fail(error)]).make() }
        }
        #expect(await self.states(supervisor, [.waiting, .waiting, .stopped]))
        #expect(await supervisor.reports().map(\.facts) == [[Fact("number", .number(1))], [], []])
        #expect(await supervisor.reports().map(\.restarts) == [1, 1, 0])
        await supervisor.shutdown(within: .seconds(1))
        #expect(await self.states(supervisor, [.finished, .finished, .stopped]))
        #expect(await supervisor.reports().map(\.facts) == [[], [], []])
    }

    @Test("a report says since when a state lasts, by the time of day")
    func since() async throws {
        let supervisor = self.supervisor()
        let script = StageScript([.fail(self.error(.rewindAndRestart)), .work])
        let start = self.clock.wallMilliseconds
        await supervisor.start("a") { script.make() }
        #expect(await self.states(supervisor, [.waiting]))
        await self.clock.sleepers(atLeast: 1)
        #expect(await supervisor.reports().map(\.since) == [start])
        self.clock.advance(by: .seconds(7))
        #expect(await self.states(supervisor, [.running]))
        #expect(await supervisor.reports().map(\.since) == [start + 7000])
        self.clock.advance(by: .seconds(5))
        await supervisor.shutdown(within: .seconds(1))
        #expect(await supervisor.reports().map(\.since) == [start + 12_000])
        #expect(await supervisor.reports().map(\.lastError) == ["planted"], "the end is no error")
    }

    @Test("restarts and an end for good are told in the log, and counted")
    func log() async {
        let log = LogCapture()
        defer { log.close() }
        let supervisor = self.supervisor()
        let script = StageScript([.fail(self.error(.retry, "first")), .fail(self.error(.stop, "second"))])
        await supervisor.start("told-of") { script.make() }
        await self.clock.sleepers(atLeast: 1)
        let delay = self.clock.remaining[0] / .milliseconds(1)
        self.clock.advance(by: .seconds(1))
        #expect(await self.states(supervisor, [.stopped]))
        let told = log.records(label: "supervisor").filter { $0["stage"] == "told-of" }
        #expect(told.map(\.level) == [.warning, .error] && told.map { $0["error"] } == ["first", "second"])
        #expect(told.first?["restarts"] == "1" && told.first?["after_ms"] == "\(Int(delay))")
        #expect(self.metrics.render().contains(#"forebay_stage_restarts_total{stage="told-of"} 1"#))
        await supervisor.shutdown(within: .seconds(1))
    }

    @Test("a run is made to fail once, and the next failure is its own")
    func failOnce() async {
        let supervisor = self.supervisor()
        let script = StageScript([.hang, .fail(self.error(.rewindAndRestart, "its own")), .work])
        await supervisor.start("a") { script.make() }
        #expect(await self.states(supervisor, [.running]))
        #expect(await supervisor.fail("a", with: self.error(.rewindAndRestart, "on purpose")))
        #expect(await !supervisor.fail("a", with: self.error(.rewindAndRestart, "again")), "it is on its way")
        script.release()
        #expect(await self.states(supervisor, [.waiting]))
        await self.clock.sleepers(atLeast: 1)
        #expect(await supervisor.reports().map(\.lastError) == ["on purpose"])
        #expect(await !supervisor.fail("a", with: self.error(.stop)), "it does not run")
        self.clock.advance(by: .seconds(1))
        #expect(await eventually { await supervisor.reports().map(\.lastError) == ["its own"] })
        await self.clock.sleepers(atLeast: 1)
        self.clock.advance(by: .seconds(2))
        #expect(await self.states(supervisor, [.running]))
        #expect(await supervisor.fail("a", with: self.error(.stop, "and again")))
        #expect(await self.states(supervisor, [.stopped]))
        await supervisor.shutdown(within: .seconds(1))
    }

    @Test("of several the one that is named is made to fail, and no other, whatever the names are")
    func failNamed() async {
        let supervisor = self.supervisor()
        for name in ["m", "z", "a"] { await supervisor.start(name) { StageScript([.work]).make() } }
        #expect(await self.states(supervisor, [.running, .running, .running]))
        for nobody in ["b", "n", "", "zz"] { #expect(await !supervisor.fail(nobody, with: self.error(.stop))) }
        #expect(await supervisor.fail("a", with: self.error(.stop, "on purpose")))
        #expect(await self.states(supervisor, [.running, .running, .stopped]))
        #expect(await supervisor.reports().map(\.lastError) == [nil, nil, "on purpose"])
        await supervisor.shutdown(within: .seconds(1))
    }

    @Test("a stage that is made while the node stops does not run any more")
    func madeTooLate() async {
        let supervisor = self.supervisor()
        let (making, made) = (Happenings<Void>(), Happenings<Void>())
        let script = StageScript()
        await supervisor.start("a") {
            making.add(())
            await made.wait(forCount: 1)
            return script.make()
        }
        await making.wait(forCount: 1)
        let stopping = Task { await supervisor.shutdown(within: .seconds(1)) }
        await self.clock.sleepers(atLeast: 1)
        made.add(())
        await stopping.value
        #expect(script.events.all == [.made(1)])
        #expect(await supervisor.reports().map(\.state) == [.finished])
    }

    /// Its drain lasts until its task is cancelled.
    private actor Slow: Stage {
        let happened: Happenings<String>
        init(_ happened: Happenings<String>) { self.happened = happened }

        private func last(_ what: String) async {
            let (never, ending) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
            self.happened.add(what)
            await withTaskCancellationHandler {
                for await _ in never {}
            } onCancel: {
                ending.finish()
            }
            self.happened.add("\(what) cancelled")
        }

        func run() async throws { await self.last("run") }
        func drain() async { await self.last("drain") }
    }

    @Test("all that hang together have one deadline, what hangs is cancelled then, and no timer is left")
    func deadline() async {
        let supervisor = self.supervisor()
        let happened = Happenings<String>()
        for name in ["a", "b"] { await supervisor.start(name) { Slow(happened) } }
        await happened.wait(forCount: 2)
        let ended = Happenings<Void>()
        let stopping = Task {
            await supervisor.shutdown(within: .milliseconds(300))
            ended.add(())
        }
        await self.clock.sleepers(atLeast: 1)
        // A tenth is left for ending.
        #expect(self.clock.remaining == [.milliseconds(270)])
        self.clock.advance(by: .milliseconds(269))
        await happened.wait(forCount: 3)
        #expect(ended.count == 0 && happened.all.suffix(1) == ["drain"])
        self.clock.advance(by: .milliseconds(1))
        await stopping.value
        #expect(await eventually { happened.count == 8 })
        #expect(happened.all.count { $0 == "drain cancelled" } == 2 && happened.all.count { $0 == "run cancelled" } == 2)
        #expect(await eventually { self.clock.remaining.isEmpty })
        #expect(await self.states(supervisor, [.finished, .finished]))
    }

    @Test(
        "what ends in time leaves no timer; a deadline that has passed already is one",
        arguments: [.seconds(30), .zero, .seconds(-5)] as [Duration])
    func inTime(timeout: Duration) async {
        let supervisor = self.supervisor()
        let script = StageScript()
        await supervisor.start("a") { script.make() }
        #expect(await self.states(supervisor, [.running]))
        await supervisor.shutdown(within: timeout)
        #expect(await eventually { self.clock.remaining.isEmpty })
        #expect(await self.states(supervisor, [.finished]))
    }

    @Test("delays double as far as they fit, from half to whole, and their bounds are reached")
    func bounds() {
        var generator = SplitMix(seed: 1)
        func delays(_ policy: RestartPolicy, _ failures: Int, _ count: Int = 4000) -> [Int] {
            (0..<count).map { _ in policy.delay(failures: failures, using: &generator) }
        }
        #expect(Set(delays(RestartPolicy(first: 100, limit: 30_000), 1)) == Set(50...100))
        #expect(Set(delays(RestartPolicy(first: 100, limit: 130), 2)) == Set(65...130))
        #expect(Set(delays(RestartPolicy(first: 0, limit: 0), 3)) == [0])
        #expect(Set(delays(RestartPolicy(first: 0, limit: 10), 70)) == Set(5...10))
        for (first, failures, span) in [(1, 63, 1 << 62), (1, 64, .max), (3, 62, 3 << 61), (3, 63, .max), (1, 1000, .max)]
            as [(Int, Int, Int)]
        {
            let found = delays(RestartPolicy(first: first, limit: .max), failures, 200)
            #expect(found.allSatisfy { (span / 2...span).contains($0) } && found.max()! > span / 10 * 9, "\(first), \(failures)")
        }
        let policy = RestartPolicy()
        #expect(
            (policy.first, policy.limit, policy.calmAfter) == (100, 30_000, 60_000),
            "half a minute at most, after a minute of calm from the beginning")
    }
}
