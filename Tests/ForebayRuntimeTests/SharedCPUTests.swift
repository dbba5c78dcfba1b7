import Testing

@testable import ForebayRuntime

@Suite("Two threads on one CPU")
struct SharedCPUTests {
    private struct Threads {
        var state = SharedCPUState()
        private var edge = ThreadUsage(ran: 0, waited: 0)
        private var commit = ThreadUsage(ran: 0, waited: 0)

        /// A second in which the two ran, and the edge waited for a CPU, for so many percent.
        mutating func second(edge: UInt64, commit: UInt64, waited: UInt64 = 0) -> SharedCPUState.Action {
            self.edge.ran += edge * 10_000_000
            self.edge.waited += waited * 10_000_000
            self.commit.ran += commit * 10_000_000
            return self.state.next(edge: self.edge, commit: self.commit, elapsed: 1_000_000_000)
        }
    }

    @Test("idle threads stay where they are; busy ones come together, once")
    func share() {
        var threads = Threads()
        #expect(threads.second(edge: 90, commit: 20) == .stay, "nothing to compare with yet")
        #expect(threads.second(edge: 1, commit: 0) == .stay)
        #expect(threads.second(edge: 90, commit: 0) == .stay, "no commits")
        #expect(threads.second(edge: 80, commit: 15) == .share)
        #expect(threads.second(edge: 80, commit: 15, waited: 20) == .stay)
    }

    @Test("a CPU that somebody else holds is left, not at the first sign, and not tried again at once")
    func part() {
        var threads = Threads()
        _ = threads.second(edge: 80, commit: 15)
        #expect(threads.second(edge: 80, commit: 15) == .share)
        #expect(threads.second(edge: 40, commit: 5, waited: 60) == .stay)
        #expect(threads.second(edge: 80, commit: 5, waited: 10) == .stay)
        #expect(threads.second(edge: 40, commit: 5, waited: 60) == .stay)
        #expect(threads.second(edge: 40, commit: 5, waited: 60) == .part)
        for _ in 0..<SharedCPUState.rest { #expect(threads.second(edge: 80, commit: 15) == .stay) }
        #expect(threads.second(edge: 80, commit: 15) == .share)
    }
}
