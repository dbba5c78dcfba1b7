import ForebayTelemetry
import ForebayTestKit
import Testing

@testable import ForebayCore

@Suite("Supervisor: children come and go while it runs", .timeLimit(.minutes(1)))
struct SupervisorChangeTests {
    private let clock = ManualClock()
    private let metrics = MetricsRegistry()

    private func supervisor() -> Supervisor {
        Supervisor(
            policy: RestartPolicy(first: 100, limit: 1000, calmAfter: 60_000), metrics: self.metrics,
            surroundings: .manual(self.clock, seed: 1))
    }

    private func names(_ supervisor: Supervisor) async -> [String] { await supervisor.reports().map(\.name) }

    private func runs(_ supervisor: Supervisor, _ name: String) async -> Bool {
        await eventually { await supervisor.reports().contains { $0.name == name && $0.state == .running } }
    }

    @Test("one that is stopped is drained, then cancelled, and gone; the others go on, and its name is free")
    func stops() async {
        let supervisor = self.supervisor()
        let scripts = ["a", "b", "c"].map { ($0, StageScript()) }
        for (name, script) in scripts { #expect(await supervisor.start(name) { script.make() }) }
        for (name, _) in scripts { #expect(await self.runs(supervisor, name)) }
        #expect(await supervisor.stop("b", within: .seconds(5)))
        #expect(scripts[1].1.events.all == [.made(1), .run(1), .drained(1), .cancelled(1)])
        #expect(scripts[0].1.events.all == [.made(1), .run(1)] && scripts[2].1.events.all == [.made(1), .run(1)])
        #expect(await self.names(supervisor) == ["a", "c"] && supervisor.notRunning.isEmpty)
        #expect(await !supervisor.stop("b", within: .seconds(5)))
        #expect(await !supervisor.stop("nobody", within: .seconds(5)))
        #expect(await !supervisor.start("a") { StageScript().make() }, "it is there")
        let again = StageScript()
        #expect(await supervisor.start("b") { again.make() })
        #expect(await self.runs(supervisor, "b"))
        #expect(await self.names(supervisor) == ["a", "c", "b"])
        await supervisor.shutdown(within: .seconds(5))
        #expect(again.events.all.contains(.drained(1)))
        #expect(await !supervisor.start("late") { StageScript().make() }, "the node is stopping")
    }

    @Test("one that waits for its restart, or is down for good, is stopped at once", arguments: [ForebayError.Recovery.retry, .stop])
    func stopsFailed(recovery: ForebayError.Recovery) async {
        let supervisor = self.supervisor()
        let script = StageScript([.fail(ForebayError(.injected, recovery: recovery, "planted"))])
        await supervisor.start("a") { script.make() }
        #expect(await eventually { await [.waiting, .stopped].contains(supervisor.reports()[0].state) })
        #expect(await supervisor.stop("a", within: .seconds(5)))
        #expect(await self.names(supervisor).isEmpty && script.events.all.filter { $0 == .run(1) }.count == 1)
        await supervisor.shutdown(within: .seconds(5))
    }

    @Test("another takes the place of one, in its order and group, when that has ended")
    func replaces() async {
        let supervisor = self.supervisor()
        let (first, other) = (StageScript(), StageScript())
        await supervisor.start("a", group: "g") { first.make() }
        await supervisor.start("b", group: "g") { StageScript().make() }
        await supervisor.start("c") { StageScript().make() }
        #expect(await self.runs(supervisor, "a"))
        let isReplaced = await supervisor.replace("a", within: .seconds(5)) {
            if first.events.all.last != .cancelled(1) { Issue.record("two work beside each other") }
            return other.make()
        }
        #expect(isReplaced)
        #expect(await self.runs(supervisor, "a"))
        #expect(await self.names(supervisor) == ["a", "b", "c"] && other.events.all == [.made(1), .run(1)])
        #expect(await supervisor.fail("a", with: ForebayError(.injected, recovery: .rewindAndRestart, "planted")))
        #expect(await eventually { other.events.all.contains(.cancelled(1)) })
        await self.clock.sleepers(atLeast: 1)
        self.clock.advance(by: .seconds(1))
        #expect(await eventually { other.events.all.contains(.run(2)) }, "it is the new one that is made anew")
        #expect(await !supervisor.replace("nobody", within: .seconds(5)) { StageScript().make() })
        await supervisor.shutdown(within: .seconds(5))
    }

    @Test("one that hangs is left, and nothing takes its place until it has ended")
    func hangs() async {
        let supervisor = self.supervisor()
        let (script, other) = (StageScript([.hang]), StageScript())
        await supervisor.start("a") { script.make() }
        #expect(await self.runs(supervisor, "a"))
        let replacing = Task { await supervisor.replace("a", within: .seconds(5)) { other.make() } }
        // Drained, for which there was less time.
        #expect(await eventually { self.clock.remaining == [.seconds(5)] })
        #expect(script.events.all.contains(.drained(1)))
        self.clock.advance(by: .seconds(5))
        #expect(await !replacing.value)
        #expect(await self.names(supervisor) == ["a"] && other.events.all.isEmpty)
        #expect(await !supervisor.start("a") { other.make() })
        #expect(await !supervisor.stop("a", within: .zero))
        script.release()
        #expect(await eventually { await self.names(supervisor).isEmpty })
        #expect(await supervisor.start("a") { other.make() })
        await supervisor.shutdown(within: .seconds(5))
    }

    @Test("children come, go, fail and are exchanged at once, and those that are left at the end are taken down")
    func many() async {
        let supervisor = self.supervisor()
        let scripts = (0..<40).map { _ in StageScript() }
        await withTaskGroup(of: Void.self) { group in
            for (number, script) in scripts.enumerated() {
                group.addTask {
                    let name = "stage-\(number % 10)"
                    switch number % 4 {
                    case 0, 1: _ = await supervisor.start(name, group: "g") { script.make() }
                    case 2: _ = await supervisor.replace(name, within: .seconds(5)) { script.make() }
                    default: _ = await supervisor.stop(name, within: .seconds(5))
                    }
                    _ = await supervisor.fail(name, with: ForebayError(.injected, recovery: .retry, "planted"))
                }
            }
        }
        let names = await self.names(supervisor)
        #expect(Set(names).count == names.count)
        await supervisor.shutdown(within: .seconds(5))
        for script in scripts {
            let (made, ended) = script.events.all.reduce(into: (Set<Int>(), Set<Int>())) { found, event in
                switch event {
                case .run(let number): found.0.insert(number)
                case .cancelled(let number): found.1.insert(number)
                case .made, .drained: break
                }
            }
            #expect(made == ended, "whatever ran was cancelled")
        }
    }
}
