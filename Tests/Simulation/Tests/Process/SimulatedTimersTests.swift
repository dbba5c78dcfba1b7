import Testing

@testable import ForebayTestKit

@Suite("Timers of a simulated process")
struct SimulatedTimersTests {
    @Test("the soonest is next, of those due at once the one that was added first, none of a thread that is in a call")
    func order() {
        var timers = SimulatedTimers()
        var fired: [String] = []
        for (due, thread, name) in [(30, nil, "last"), (20, 1, "b"), (20, nil, "c"), (10, 2, "a")] as [(UInt64, Int?, String)] {
            _ = timers.add(due: due, on: thread) { fired.append(name) }
        }
        #expect(timers.soonest(besides: [1, 2])?.due == 20 && timers.soonest(besides: [])?.due == 10)
        #expect(timers.soonest(besides: [2])?.thread == 1)
        while let timer = timers.soonest(besides: []) {
            timers.take(timer)
            timer.fire()
        }
        #expect(fired == ["a", "b", "c", "last"])
    }

    @Test("one that is removed does not come, and one that has come can't be removed; numbers are never given again")
    func removed() {
        var timers = SimulatedTimers()
        let first = timers.add(due: 1, on: nil) {}
        #expect(timers.remove(first) && !timers.remove(first) && timers.soonest(besides: []) == nil)
        let second = timers.add(due: 1, on: nil) {}
        #expect(second != first && !timers.remove(first))
        timers.take(timers.soonest(besides: [])!)
        #expect(!timers.remove(second) && timers.soonest(besides: []) == nil)
    }
}
