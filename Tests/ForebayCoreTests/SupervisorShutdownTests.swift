import ForebayTelemetry
import ForebayTestKit
import Testing

@testable import ForebayCore

@Suite("Supervisor: shutdown", .timeLimit(.minutes(1)))
struct SupervisorShutdownTests {
    private let clock = ManualClock()

    private func supervisor() -> Supervisor {
        Supervisor(metrics: MetricsRegistry(), surroundings: .manual(self.clock, seed: 1))
    }

    /// Scripts whose events land in one list, in the order in which they happened.
    private struct Named: Equatable {
        let name: String
        let event: String
    }

    private actor Child: Stage {
        let name: String
        let happened: Happenings<Named>
        let inner: ScriptedStage
        init(_ name: String, _ happened: Happenings<Named>) {
            self.name = name
            self.happened = happened
            self.inner = StageScript().make()
        }
        func run() async throws {
            self.happened.add(Named(name: self.name, event: "run"))
            defer { self.happened.add(Named(name: self.name, event: "ended")) }
            try await self.inner.run()
        }
        func drain() async { self.happened.add(Named(name: self.name, event: "drained")) }
    }

    @Test("the last started goes down first, each drained before it is cancelled")
    func order() async {
        let happened = Happenings<Named>()
        let supervisor = self.supervisor()
        for name in ["ingest", "buffer", "forward"] { await supervisor.start(name) { Child(name, happened) } }
        await happened.wait(forCount: 3)

        await supervisor.shutdown(within: .seconds(30))

        let expected = ["forward", "buffer", "ingest"].flatMap { [Named(name: $0, event: "drained"), Named(name: $0, event: "ended")] }
        #expect(Array(happened.all.dropFirst(3)) == expected)
        #expect(await supervisor.reports().map(\.state) == [.finished, .finished, .finished])
    }

    /// Drains only when so many others drain with it.
    private actor Together: Stage {
        let name: String
        let happened: Happenings<Named>
        let count: Int
        let inner: ScriptedStage
        init(_ name: String, _ count: Int, _ happened: Happenings<Named>) {
            self.name = name
            self.count = count
            self.happened = happened
            self.inner = StageScript().make()
        }
        func run() async throws {
            self.happened.add(Named(name: self.name, event: "run"))
            try await self.inner.run()
        }
        func drain() async {
            self.happened.add(Named(name: self.name, event: "draining"))
            // All that run, what the one before did, and the others of the group.
            await self.happened.wait(forCount: 2 * self.count + 5)
        }
    }

    @Test("a group goes down side by side, and those started before it when all of it is down")
    func groups() async {
        let happened = Happenings<Named>()
        let supervisor = self.supervisor()
        let count = 28
        await supervisor.start("admin") { Child("admin", happened) }
        await supervisor.start("buffer") { Child("buffer", happened) }
        for number in 0..<count {
            await supervisor.start("\(number)", group: "delivery") { Together("\(number)", count, happened) }
        }
        await supervisor.start("ingest") { Child("ingest", happened) }
        await happened.wait(forCount: count + 3)

        await supervisor.shutdown(within: .seconds(30))

        let after = happened.all.dropFirst(count + 3).map { "\($0.name) \($0.event)" }
        #expect(Array(after.prefix(2)) == ["ingest drained", "ingest ended"])
        #expect(Set(after.dropFirst(2).prefix(count)) == Set((0..<count).map { "\($0) draining" }))
        #expect(Array(after.dropFirst(2 + count)) == ["buffer drained", "buffer ended", "admin drained", "admin ended"])
    }

    @Test("a child that waits for its restart is not started again, and the shutdown does not wait for it")
    func duringBackoff() async {
        let script = StageScript([.fail(ForebayError(.injected, recovery: .rewindAndRestart, "planted"))])
        let supervisor = self.supervisor()
        await supervisor.start("a") { script.make() }
        await self.clock.sleepers(atLeast: 1)

        await supervisor.shutdown(within: .seconds(30))

        #expect(script.events.all == [.made(1), .run(1)])
        #expect(await supervisor.reports().map(\.state) == [.finished])
    }

    @Test("what hangs in its drain or in its work does not keep the node from ending, and those behind it are still drained")
    func hanging() async {
        let scripts = [StageScript(), StageScript(drainHangs: true), StageScript([.hang])]  // Taken down from the last.
        let supervisor = self.supervisor()
        for (index, script) in scripts.enumerated() {
            await supervisor.start("\(index)") { script.make() }
            await script.events.wait(forCount: 2)
        }
        let ended = Happenings<Void>()
        Task {
            await supervisor.shutdown(within: .milliseconds(300))
            ended.add(())
        }
        await self.clock.sleepers(atLeast: 1)
        #expect(ended.count == 0)
        while ended.count == 0 {
            self.clock.advance(by: .milliseconds(300))
            await Task.yield()
        }

        #expect(await eventually { scripts[0].events.all.contains(.drained(1)) })
        for script in scripts { script.release() }
    }

    @Test("who drains until the time is nearly over has a moment left to end")
    func momentToEnd() async {
        let script = StageScript(drainHangs: true)
        let supervisor = self.supervisor()
        await supervisor.start("a") { script.make() }
        await script.events.wait(forCount: 2)
        let ended = Happenings<Void>()
        Task {
            await supervisor.shutdown(within: .seconds(30))
            ended.add(())
        }
        await self.clock.sleepers(atLeast: 1)
        self.clock.advance(by: .milliseconds(28_999))
        #expect(!script.events.all.contains(.cancelled(1)))
        self.clock.advance(by: .milliseconds(1))
        await ended.wait(forCount: 1)
        #expect(script.events.all.contains(.cancelled(1)))
        #expect(await supervisor.reports().map(\.state) == [.finished])
        script.release()
    }

    @Test("a child that stopped for good does not delay the shutdown")
    func stopped() async {
        let script = StageScript([.fail(ForebayError(.injected, recovery: .stop, "planted"))])
        let supervisor = self.supervisor()
        await supervisor.start("a") { script.make() }
        #expect(await eventually { await supervisor.reports().map(\.state) == [.stopped] })
        await supervisor.shutdown(within: .seconds(30))
        #expect(await supervisor.reports().map(\.lastError) == ["planted"])
    }

    @Test("an error during the shutdown restarts nothing")
    func errorWhileStopping() async {
        let happened = Happenings<Void>()
        actor Sour: Stage {
            let happened: Happenings<Void>
            init(_ happened: Happenings<Void>) { self.happened = happened }
            func run() async throws {
                self.happened.add(())
                try? await StageScript().make().run()
                throw ForebayError(.injected, recovery: .retry, "late")
            }
        }
        let supervisor = self.supervisor()
        await supervisor.start("a") { Sour(happened) }
        await happened.wait(forCount: 1)
        await supervisor.shutdown(within: .seconds(30))
        #expect(happened.count == 1)
        #expect(await supervisor.reports().map(\.state) == [.finished])
    }
}
