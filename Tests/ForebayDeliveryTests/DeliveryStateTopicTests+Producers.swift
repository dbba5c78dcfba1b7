import ForebayCore
import ForebayKafka
import ForebayTestKit
import Testing

@testable import ForebayDelivery

/// Topics and the producers that send to them.
extension DeliveryStateTopicTests {
    @Test("a producer that is made anew asks first for the topics that its predecessor sent to")
    func renews() {
        var driver = Driver { $0.topicsPerRequest = 2 }
        driver.admit(1, topic: "flows")
        driver.learn()
        driver.pump()
        driver.admit((0..<20).map { EventFactory.Sample("new-\($0)", value: "v") })
        driver.state.renew(.main, now: driver.now)
        driver.admit(1, topic: "flows")
        #expect(driver.pump().isEmpty && driver.state.producers.toClose(now: driver.now).isEmpty)
        driver.report([0])
        #expect(driver.state.producers.toClose(now: driver.now) == [.main])
        driver.state.closed(.main, now: driver.now)
        #expect(driver.state.producers.toOpen(now: driver.now) == [.main], "at once: nothing is wrong with it")
        driver.learn()
        #expect(driver.pump().first == 21)
    }

    @Test(
        "… whatever their places; a topic that was forgotten is asked for by none, and what was wanted of its predecessor is not asked twice"
    )
    func renewsFirst() {
        var driver = Driver { $0.idleTopics = 2 }
        driver.admit((0..<3).map { EventFactory.Sample("new-\($0)", value: "v") })
        driver.admit(1, topic: "flows")
        driver.learn("flows", leaders: [1])
        driver.state.learnedLimit(nil, driver.index("flows"), now: driver.now)
        driver.pump()
        driver.replace(.main)
        #expect(driver.state.producers[.main].wanted.all == [3, 0, 1, 2])
        #expect(driver.state.takeWanted(by: .main) == [3, 0, 1, 2] && driver.state.takeWanted(by: .main).isEmpty)
        driver.learn("flows", leaders: [1])
        driver.report(driver.pump())
        for number in 0..<3 {
            driver.learn("new-\(number)", leaders: [1])
            driver.state.learnedLimit(nil, number, now: driver.now)
        }
        for number in 0..<3 { driver.report(driver.pump().filter { $0 == UInt64(number) } + [UInt64(number)]) }
        driver.state.forgetIdleTopics()
        #expect(driver.state.topics.count < 4)
        driver.replace(.main)
        #expect(driver.state.producers[.main].wanted.all.allSatisfy { driver.state.topics.holds($0) })
    }

    @Test("a renewal that would wait for a frozen broker is given up")
    func vainRenewal() {
        var driver = Driver()
        driver.admit(1)
        driver.admit(1, partition: 1)
        driver.learn()
        driver.pump()
        driver.state.renew(.main, now: driver.now)
        driver.report([1])
        driver.admit(1, partition: 1)
        #expect(driver.pump().isEmpty)
        driver.now += 1000
        _ = driver.state.tick(now: driver.now)
        #expect(driver.pump() == [2])
    }

    @Test("small topics share a producer whose batches fit the smallest; what is too large for its topic goes alone from the start")
    func smallTopics() {
        var driver = Driver()
        driver.admit(1, topic: "a", size: 50)
        driver.learn(limit: 20_000)
        driver.admit(1, topic: "b", size: 9000)
        driver.learn(limit: 8000)
        #expect(driver.state.topics.smallBatchSize == 7872)
        driver.pump()
        driver.learn(limit: 8000)
        driver.pump()
        #expect(driver.sent.map(\.slot) == [.small, .single])
    }

    @Test("where nobody tells limits, a size refusal makes smaller batches")
    func guessesLimits() {
        var driver = Driver()
        driver.admit(2)
        driver.learn(limit: nil)
        driver.pump()
        #expect(driver.state.topics[0].producers.slot == .main)
        driver.report([0, 1], .messageTooLarge)
        #expect(driver.state.topics[0].producers.slot == .small && driver.state.topics[0].limits.bytes == 250_000)
        #expect(!driver.state.topics.limitsWanted.isEmpty)
    }
}
