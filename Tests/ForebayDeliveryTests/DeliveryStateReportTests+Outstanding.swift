import ForebayCore
import ForebayKafka
import ForebayTestKit
import Testing

@testable import ForebayDelivery

/// What was settled otherwise while a producer had it.
extension DeliveryStateReportTests {
    @Test("what a producer holds of events that were set aside is kept until its report, and told; nothing else is touched")
    func held() {
        var driver = Self.sent(3)
        driver.admit(1, topic: "u")
        driver.learn()
        driver.pump()
        driver.state.fail(partition: driver.place(0), KafkaFailure(.timedOut), byDelivery: false, now: driver.now)
        let groups = driver.state.takeSettingAside()
        #expect(groups.map(\.flights) == [[0, 1, 2]] && groups[0].request.unreported.map(\.index) == [0, 1, 2])
        #expect(groups[0].request.unreported.map(\.token) == [0, 1, 2] && groups[0].request.count == 3)
        #expect(driver.state.settledOutstanding.batches.map(\.count) == [3] && driver.state.producers[.main].outstanding == 1)
        for flight in 0..<3 as Range<UInt64> { driver.state.setAside(flight) }
        driver.retire()
        #expect(driver.cursor == 3, "it is safe elsewhere")
        driver.report([0])
        #expect(driver.state.totals.delivered == 1)
        driver.report([1], .purgedInQueue)
        #expect(driver.state.totals.delivered == 1)
        driver.report([3])
        #expect(
            driver.state.actions.lateReports.map(\.token) == [0, 1] && driver.state.actions.lateReports.map(\.isDelivered) == [true, false])
        #expect(driver.state.totals.delivered == 2 && driver.state.settledOutstanding.batches.count == 1)
        driver.report([1])
        #expect(driver.state.actions.lateReports.count == 2, "told once")
        driver.state.failed(.main, now: driver.now)
        driver.state.closed(.main, now: driver.now)
        driver.verify()
        #expect(driver.state.actions.lateReports.map(\.token) == [0, 1, 2] && driver.state.actions.lateReports.last?.isDelivered == false)
        #expect(driver.state.settledOutstanding.batches.isEmpty && driver.state.settledOutstanding.isEmpty)
    }

    @Test("what is held has a bound in bytes: beyond it the producers that hold it are made anew", arguments: [0, 1])
    func bound(less: Int) {
        var sizes = Driver()
        sizes.admit(2)
        let size = sizes.state.window.allBatches[0].byteCount
        var driver = Self.sent(2) { $0.settledOutstandingBytes = 2 * size - less }
        driver.admit(2, partition: 1)
        driver.admit(2, topic: "u")
        driver.learn()
        driver.pump()
        driver.state.boundSettledOutstanding(now: driver.now)
        #expect(driver.state.producers[.main].isOpen, "what is merely in flight is not held")
        for partition in 0...1 {
            driver.state.fail(partition: driver.place(partition), KafkaFailure(.timedOut), byDelivery: false, now: driver.now)
            driver.state.boundSettledOutstanding(now: driver.now)
            let isOver = partition == 1 && less == 1
            #expect(driver.state.producers[.main].phase == (isOver ? .failing(until: driver.now + 1000) : .open))
        }
        driver.state.boundSettledOutstanding(now: driver.now + 500)
        if less == 1 { #expect(driver.state.producers[.main].phase == .failing(until: driver.now + 1000), "its time does not begin anew") }
        driver.verify()
    }

    @Test("a producer that is closed gives back only what it held itself")
    func heldByOthers() {
        var driver = Driver()
        driver.admit(2)
        driver.learn()
        driver.report(driver.pump(), .invalidRecord)
        driver.pump()
        driver.learn()
        #expect(driver.pump() == [0])
        driver.state.fail(partition: driver.place(0), KafkaFailure(.timedOut), byDelivery: false, now: driver.now)
        #expect(driver.state.settledOutstanding.tokens.sorted() == [0] && driver.state.takeSettingAside().map(\.flights) == [[0, 1]])
        driver.replace(.main)
        #expect(driver.state.settledOutstanding.tokens.sorted() == [0] && driver.state.actions.lateReports.isEmpty)
        driver.replace(.single)
        #expect(driver.state.settledOutstanding.isEmpty && driver.state.actions.lateReports.map(\.token) == [0])
    }
}
