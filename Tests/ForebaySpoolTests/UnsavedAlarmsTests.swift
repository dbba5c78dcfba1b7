import ForebayCore
import Glibc
import Testing

@testable import ForebaySpool

/// How far cursors may be written while something is known that is not.
@Suite("Spool: what waits for an alarm")
struct UnsavedAlarmsTests {
    private let noRoom = ForebayError.disk("write", "/alarms", ENOSPC), broken = ForebayError.disk("write", "/alarms", EIO)
    private let patience: UInt64 = 60_000_000_000

    @Test("cursors wait in front of the first sequence that is not written, and units that have lost something; all others go on")
    func mayPass() {
        var unsaved = UnsavedAlarms()
        #expect(unsaved.isEmpty && !unsaved.isDue && unsaved.mayPass(.max, now: 0) && unsaved.mayPass(unit: 3, now: 0))
        unsaved.add(now: 5)
        #expect(!unsaved.isEmpty && unsaved.isDue && unsaved.mayPass(.max, now: 5) && unsaved.mayPass(unit: 3, now: 5), "no cursor's")
        for (sequence, end) in [(9, 9), (7, 7), (8, 7)] as [(UInt64, UInt64)] {
            unsaved.add(from: sequence, now: 5)
            #expect(unsaved.mayPass(end, now: 5) && !unsaved.mayPass(end + 1, now: 5) && unsaved.mayPass(unit: 3, now: 5))
        }
        unsaved.add(unit: 3, now: 5)
        unsaved.add(unit: 4, now: 5)
        #expect([2, 3, 4, 5].map { unsaved.mayPass(unit: $0, now: 5) } == [true, false, false, true])
        #expect(unsaved.mayPass(7, now: 5) && !unsaved.mayPass(8, now: 5))
        unsaved.begin()
        #expect(!unsaved.isDue && !unsaved.mayPass(8, now: 5))
        unsaved.wrote()
        #expect(unsaved.isEmpty && unsaved.mayPass(8, now: 5) && unsaved.mayPass(unit: 3, now: 5))
    }

    @Test("what became known while it was written is not, and waits for the next time")
    func meanwhile() {
        var unsaved = UnsavedAlarms()
        unsaved.add(from: 9, now: 5)
        unsaved.begin()
        unsaved.add(from: 20, now: 6)
        #expect(unsaved.isDue)
        unsaved.wrote()
        #expect(!unsaved.isEmpty && unsaved.isDue && !unsaved.mayPass(21, now: 6))
        unsaved.begin()
        unsaved.wrote()
        #expect(unsaved.isEmpty && !unsaved.isDue)
    }

    @Test(
        "a disk that gives errors is waited for a minute, to the nanosecond, since the first that is not written; for room as long as it takes"
    )
    func patient() {
        for (error, isWaitedFor) in [
            (self.noRoom, true), (ForebayError(.spoolFull, recovery: .stop, "the budget"), true),
            (ForebayError(.systemCall, recovery: .stop, "write", cause: SystemCallFailure(code: ENOSPC)), true), (self.broken, false),
            (ForebayError.disk("open", "/alarms", EMFILE), false),
        ] {
            var unsaved = UnsavedAlarms()
            unsaved.add(from: 9, unit: 3, now: 100)
            unsaved.begin()
            #expect(!unsaved.mayPass(10, now: 101 + self.patience), "nothing has failed")
            let isNews = unsaved.failed(error)
            #expect(isNews)
            unsaved.add(from: 12, now: 500)
            #expect(!unsaved.mayPass(10, now: 100 + self.patience) && !unsaved.mayPass(unit: 3, now: 100 + self.patience))
            #expect(unsaved.mayPass(10, now: 101 + self.patience) == !isWaitedFor, "\(error)")
            #expect(unsaved.mayPass(unit: 3, now: 101 + self.patience) == !isWaitedFor)
        }
    }

    @Test("that it can't be written is news once, until it could be; then the minute is another one")
    func failures() {
        var unsaved = UnsavedAlarms()
        unsaved.add(from: 9, now: 0)
        var isNews = [self.broken, self.noRoom, self.broken].map { unsaved.failed($0) }
        #expect(isNews == [true, false, false])
        // Something came while it was written.
        unsaved.begin()
        unsaved.add(from: 9, now: 1)
        unsaved.wrote()
        #expect(!unsaved.mayPass(10, now: 2 * self.patience), "the last time it could be written")
        isNews = [unsaved.failed(self.broken)]
        unsaved.begin()
        unsaved.wrote()
        unsaved.add(from: 9, now: 3 * self.patience)
        isNews.append(unsaved.failed(self.broken))
        #expect(isNews == [true, true] && !unsaved.mayPass(10, now: 3 * self.patience + 5))
    }
}
