import ForebayTestKit
import Testing

@testable import ForebayCore

@Suite("Supervisor state")
struct SupervisorStateTests {
    private let failure = ForebayError(.injected, recovery: .rewindAndRestart, "planted")

    @Test("the delay lies in the upper half of a doubling span, up to the limit", arguments: [1, 2, 3, 5, 9, 20, 21, 64, 1000])
    func delays(failures: Int) {
        let policy = RestartPolicy(first: 100, limit: 30_000)
        var generator = SplitMix(seed: UInt64(failures))
        let span = failures > 9 ? 30_000 : min(30_000, 100 << (failures - 1))
        let delays = (0..<200).map { _ in policy.delay(failures: failures, using: &generator) }
        #expect(delays.allSatisfy { $0 >= span / 2 && $0 <= span })
        #expect(Set(delays).count > 10, "no jitter: nodes would march in step")
    }

    @Test("who ran calmly begins at the first delay again; who did not, goes on doubling")
    func calm() {
        var generator = SplitMix(seed: 1)
        var state = SupervisorState(policy: RestartPolicy(first: 100, limit: 30_000, calmAfter: 60_000))
        let index = state.add(name: "a", wall: 0)
        var now: UInt64 = 0
        func fail(after milliseconds: UInt64) -> Int {
            state.started(index, now: now, wall: 0)
            now += milliseconds
            guard case .replace(let delay) = state.ended(index, error: self.failure, now: now, wall: 0, using: &generator) else {
                return -1
            }
            return delay
        }
        for _ in 0..<6 { _ = fail(after: 59_999) }
        #expect(state[index]!.failuresInARow == 6)
        #expect(fail(after: 60_000) <= 100)
        #expect(state[index]!.failuresInARow == 1)
        #expect(state[index]!.restarts == 7)
    }

    @Test("a child that never got to run is not calm, however long its start took")
    func slowStart() {
        var generator = SplitMix(seed: 1)
        var state = SupervisorState(policy: RestartPolicy())
        let index = state.add(name: "a", wall: 0)
        for _ in 0..<3 { _ = state.ended(index, error: self.failure, now: 1_000_000, wall: 0, using: &generator) }
        #expect(state[index]!.failuresInARow == 3)
    }

    @Test("reports say when a state was entered")
    func since() {
        var generator = SplitMix(seed: 1)
        var state = SupervisorState(policy: RestartPolicy())
        let index = state.add(name: "a", wall: 10)
        #expect(state[index]!.state == .starting)
        state.started(index, now: 0, wall: 20)
        #expect((state[index]!.state, state[index]!.since) == (.running, 20))
        _ = state.ended(index, error: self.failure, now: 5, wall: 30, using: &generator)
        #expect((state[index]!.state, state[index]!.since) == (.waiting, 30))
        #expect(state[index]!.lastError == "planted")
        state.starting(index, wall: 40)
        #expect((state[index]!.state, state[index]!.since) == (.starting, 40))
    }

    @Test("an end while the node stops is the end, whatever it says; what went wrong before stays known")
    func stopping() {
        var generator = SplitMix(seed: 1)
        for recovery in [ForebayError.Recovery.retry, .rewindAndRestart, .stop, nil] {
            for hasFailedBefore in [false, true] {
                var state = SupervisorState(policy: RestartPolicy())
                let index = state.add(name: "a", wall: 10)
                state.started(index, now: 0, wall: 20)
                if hasFailedBefore { _ = state.ended(index, error: self.failure, now: 1, wall: 30, using: &generator) }
                state.stop()
                let error = recovery.map { ForebayError(.injected, recovery: $0, "late") }
                let action = state.ended(index, error: error, now: 2, wall: 40, using: &generator)
                let child = state[index]!
                #expect(action == .finish && child.state == .finished && child.since == 40)
                #expect(child.lastError == (hasFailedBefore ? "planted" : nil) && child.restarts == (hasFailedBefore ? 1 : 0))
            }
        }
    }

    @Test("a child that stays down is no restart, and says since when")
    func staysDown() {
        var generator = SplitMix(seed: 1)
        var state = SupervisorState(policy: RestartPolicy())
        #expect(state.children.isEmpty)
        let first = state.add(name: "a", wall: 10), second = state.add(name: "b", wall: 11)
        #expect((first, second) == (1, 2) && state.children.map(\.since) == [10, 11])
        state.started(second, now: 0, wall: 20)
        let action = state.ended(second, error: ForebayError(.injected, recovery: .stop, "no"), now: 5, wall: 30, using: &generator)
        #expect(action == .stayDown && state.children.map(\.state) == [.starting, .stopped])
        #expect(state[second]!.since == 30 && state[second]!.restarts == 0 && state[second]!.lastError == "no")
        state.finished(second, wall: 50)
        #expect(state[second]!.state == .finished && state[second]!.since == 50)
        _ = state.ended(first, error: nil, now: 6, wall: 60, using: &generator)
        #expect(state[first]!.lastError == "ended before it was told to" && state[first]!.state == .waiting)
    }

    @Test("what to do follows from the error's own instruction, and from nothing while stopping")
    func actions() {
        var generator = SplitMix(seed: 1)
        func action(_ recovery: ForebayError.Recovery?, stopping: Bool = false) -> SupervisorState.Action {
            var state = SupervisorState(policy: RestartPolicy(first: 0, limit: 0))
            let index = state.add(name: "a", wall: 0)
            state.started(index, now: 0, wall: 0)
            if stopping { state.stop() }
            let error = recovery.map { ForebayError(.injected, recovery: $0, "planted") }
            return state.ended(index, error: error, now: 0, wall: 0, using: &generator)
        }
        guard case .runAgain = action(.retry), case .replace = action(.rewindAndRestart), case .replace = action(nil) else {
            Issue.record("a restart was expected")
            return
        }
        #expect(action(.stop) == .stayDown)
        for recovery in [ForebayError.Recovery.retry, .rewindAndRestart, .stop, nil] {
            #expect(action(recovery, stopping: true) == .finish)
        }
    }
}
