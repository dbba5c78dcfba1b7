import Testing

@testable import ForebayHTTP

@Suite("Clock of a connection")
struct ConnectionClockTests {
    private let times: HTTPTimes = {
        var times = HTTPTimes()
        (times.header, times.request, times.bodyGrace, times.minimumBodyRate) = (10, 30, 5, 1000)
        (times.idle, times.writeStall, times.linger) = (100, 50, 40)
        return times
    }()

    private func clock(at now: UInt64) -> ConnectionClock {
        var clock = ConnectionClock()
        clock.began(at: now)
        return clock
    }

    @Test("an idle connection ends so long after its last bytes or answer; one that waits for an answer does not")
    func idle() {
        var clock = self.clock(at: 1000)
        var deadlines = [clock.idleDeadline(isIdle: true, self.times)]
        clock.bytesCame(at: 1010)
        deadlines.append(clock.idleDeadline(isIdle: false, self.times))
        clock.clientTook(at: 1020)
        deadlines.append(clock.idleDeadline(isIdle: true, self.times))
        #expect(deadlines == [1100, .max, 1120])
    }

    @Test("a request's time is from its first byte, whatever comes of it; the next one has its own")
    func request() {
        var clock = self.clock(at: 0)
        clock.bytesCame(at: 1000)
        let first = clock.requestDeadline(messages: 0, isBody: false, self.times)
        clock.bytesCame(at: 1009)
        let same = clock.requestDeadline(messages: 0, isBody: false, self.times)
        let next = clock.requestDeadline(messages: 1, isBody: false, self.times)
        #expect([first, same, next] == [1010, 1010, 1019])
        #expect(clock.passedBound(at: 1018, bodyReceived: 0, self.times) == nil)
        #expect(clock.passedBound(at: 1019, bodyReceived: 0, self.times) == .header)
    }

    @Test("a body is looked at after its grace, then each second, and no later than its request must be whole")
    func body() {
        var clock = self.clock(at: 1000)
        let first = clock.requestDeadline(messages: 0, isBody: true, self.times)
        // A byte a millisecond is what it must come at.
        #expect(clock.passedBound(at: 1004, bodyReceived: 0, self.times) == nil)
        #expect(clock.passedBound(at: 1010, bodyReceived: 9, self.times) == .bodyRate)
        #expect(clock.passedBound(at: 1010, bodyReceived: 10, self.times) == nil)
        #expect(clock.passedBound(at: 1030, bodyReceived: 1000, self.times) == .request)
        clock.putOffRateCheck(at: 1005)
        let later = clock.requestDeadline(messages: 0, isBody: true, self.times)
        #expect([first, later] == [1005, 1030])
    }

    @Test("what was not read is not the client's fault: its request begins again, and only one that had begun")
    func restart() {
        var clock = self.clock(at: 0)
        _ = clock.requestDeadline(messages: 0, isBody: true, self.times)
        clock.restart(at: 1000)
        #expect(clock.passedBound(at: 1004, bodyReceived: 0, self.times) == nil)
        #expect(clock.passedBound(at: 1005, bodyReceived: 0, self.times) == .bodyRate)
        var idle = self.clock(at: 0)
        idle.restart(at: 1000)
        #expect(idle.passedBound(at: 2000, bodyReceived: 0, self.times) == nil)
    }

    @Test("a client that takes something of an answer has its time again, one that takes nothing is stalled")
    func stall() {
        var clock = self.clock(at: 1000)
        #expect(clock.stallDeadline(self.times) == 1050)
        let stalled = [clock.isStalled(at: 1050, taken: 7), clock.isStalled(at: 1100, taken: 8), clock.isStalled(at: 1150, taken: 8)]
        #expect(stalled == [false, false, true])
        #expect(clock.stallDeadline(self.times) == 1150)
        clock.clientTook(at: 1200)
        let again = clock.isStalled(at: 1250, taken: 8)
        #expect(!again)
    }

    @Test("lingering ends when the client is quiet, and at the latest so long after it began")
    func linger() {
        var clock = self.clock(at: 0)
        clock.lingerBegan(at: 1000)
        #expect(clock.lingerDeadline(quiet: 15, self.times) == 1015)
        clock.bytesCame(at: 1030)
        #expect(clock.lingerDeadline(quiet: 15, self.times) == 1040)
    }
}
