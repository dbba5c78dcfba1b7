import Testing

@testable import ForebayTestKit

@Suite("Threads of a simulated process")
struct SimulatedThreadsTests {
    @Test("who is in a call waits; calls lie in each other, and the innermost is over first")
    func calls() {
        var threads = SimulatedThreads()
        threads.begin(7)
        #expect(threads.enterCall() && threads.waiting == [7])
        threads.begin(8)
        #expect(threads.enterCall() && threads.waiting == [7, 8])
        threads.leaveCall()
        #expect(threads.waiting == [7] && threads.enterCall() && threads.waiting == [7, 8], "it is 8's turn again")
        threads.leaveCall()
        threads.end()
        let isNobodys = !threads.enterCall()
        #expect(isNobodys, "nobody's turn")
        threads.leaveCall()
        #expect(threads.waiting.isEmpty && threads.enterCall() && threads.waiting == [7])
    }

    @Test("nobody goes on during a call of nobody's, or of one too many")
    func refused() {
        var threads = SimulatedThreads()
        threads.begin(nil)
        let entersAsNobody = threads.enterCall()
        #expect(!entersAsNobody)
        for thread in 0..<SimulatedThreads.deepest {
            threads.begin(thread)
            let enters = threads.enterCall()
            #expect(enters)
        }
        threads.begin(99)
        #expect(!threads.enterCall() && threads.waiting == Array(0..<SimulatedThreads.deepest))
    }

    @Test("no number is given twice")
    func numbers() {
        var threads = SimulatedThreads()
        #expect(Set((0..<10).map { _ in threads.newNumber() }).count == 10)
    }
}
