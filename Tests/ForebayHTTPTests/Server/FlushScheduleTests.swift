import Testing

@testable import ForebayHTTP

@Suite("Schedule of flushes")
struct FlushScheduleTests {
    @Test("a connection becomes due once a turn")
    func once() {
        var schedule = FlushSchedule()
        for _ in 0..<3 {
            let due = (0..<3).map { _ in schedule.becomeDue() }
            #expect(due == [true, false, false])
            schedule.endTurn()
        }
    }

    @Test("it may become due while it is received from, and stays so")
    func receiving() {
        var schedule = FlushSchedule()
        schedule.beginReceiving()
        #expect(schedule.isReceiving)
        let isDue = schedule.becomeDue()
        schedule.endReceiving()
        #expect(isDue && !schedule.isReceiving)
        let isDueAgain = schedule.becomeDue()
        #expect(!isDueAgain)
    }
}
