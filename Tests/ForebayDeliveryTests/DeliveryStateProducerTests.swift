import ForebayCore
import ForebayKafka
import ForebayTestKit
import Testing

@testable import ForebayDelivery

@Suite("Forward state: the lives of producers")
struct DeliveryStateProducerTests {
    @Test("the direct stage opens its main producer at once, the drain when it needs it; side producers only then")
    func opens() {
        var state = DeliveryState(settings: DeliverySettings(), seed: 1)
        #expect(state.producers.toOpen(now: 0) == [.main])
        state.opened(.main)
        #expect(state.producers.toOpen(now: 0).isEmpty && state.producers[.main].number == 1 && state.producers[.main].isOpen)
        state.opened(.single)
        #expect(state.producers[.single].number == 2)
        #expect(DeliveryState(way: .aside, settings: DeliverySettings(), seed: 1).producers.toOpen(now: 0).isEmpty)
    }

    @Test("a failed producer is closed when its reports are in, or at the end of its patience; its successor comes after the delay")
    func times() {
        var driver = Driver()
        driver.admit(1)
        driver.learn()
        driver.pump()
        driver.state.failed(.main, now: 100)
        #expect(driver.state.producers[.main].phase == .failing(until: 1100))
        driver.state.failed(.main, now: 500)
        #expect(
            driver.state.producers[.main].phase == .failing(until: 1100) && driver.state.producers[.main].failures == 1,
            "told twice, it failed once")
        #expect(driver.state.producers.toClose(now: 1099).isEmpty && driver.state.producers.toClose(now: 1100) == [.main])
        driver.report([0])
        #expect(driver.state.producers[.main].failures == 0 && driver.state.producers.toClose(now: 1000) == [.main])
        driver.state.closed(.main, now: 1000)
        #expect(driver.state.producers[.main].phase == .closed(until: 1000), "it delivered meanwhile")
        driver.state.opened(.main)
        driver.state.failed(.main, now: 2000)
        driver.state.closed(.main, now: 2000)
        #expect(driver.state.producers.toOpen(now: 2499).isEmpty && driver.state.producers.toOpen(now: 2500) == [.main])
        driver.state.failed(.main, now: 2600)
        #expect(driver.state.producers[.main].failures == 1, "closed, it can't fail")
    }

    @Test("drained, a producer is closed when its reports are in, whatever the time; renewed, it goes on after its patience")
    func drainsAndRenewals() {
        for isRenewed in [true, false] {
            var driver = Driver()
            driver.admit(1)
            driver.learn()
            driver.pump()
            if isRenewed { driver.state.renew(.main, now: driver.now) } else { driver.state.drain(.main, now: driver.now) }
            driver.admit(1)
            #expect(driver.pump().isEmpty)
            #expect(driver.state.producers.toClose(now: driver.now + 100_000).isEmpty)
            driver.wait(999)
            #expect(!driver.state.producers[.main].isOpen)
            driver.wait(1)
            #expect(driver.state.producers[.main].isOpen == isRenewed)
            #expect(driver.pump() == (isRenewed ? [1] : []))
            driver.report([0])
            #expect(driver.state.producers.toClose(now: driver.now) == (isRenewed ? [] : [.main]))
        }
        var idle = Driver()
        idle.state.renew(.main, now: idle.now)
        idle.wait(5000)
        #expect(
            idle.state.producers[.main].phase == .renewing(until: 1100) && idle.state.producers.toClose(now: idle.now) == [.main],
            "nothing is missing")
        idle.state.closed(.main, now: idle.now)
        idle.state.drain(.main, now: idle.now)
        idle.state.renew(.main, now: idle.now)
        #expect(idle.state.producers[.main].phase == .closed(until: idle.now), "only one that is open")
        idle.state.renew(.main, now: idle.now)
        idle.state.opened(.main)
        idle.state.drain(.main, now: idle.now)
        idle.state.failed(.main, now: idle.now)
        #expect(idle.state.producers[.main].phase == .failing(until: idle.now + 1000))
    }

    @Test("what a producer only holds keeps it for a while: renewed, it goes on; drained, it is closed")
    func holdsKeepProducers() {
        for (isRenewed, isReported) in [(true, true), (true, false), (false, true), (false, false)] {
            var driver = Driver()
            driver.admit(2)
            driver.learn()
            driver.pump()
            driver.state.setAside(topic: 0, KafkaFailure(.topicAuthorizationFailed))
            #expect(driver.state.producers[.main].outstanding == 0 && driver.state.producers[.main].settledOutstanding == 2)
            if isRenewed { driver.state.renew(.main, now: driver.now) } else { driver.state.drain(.main, now: driver.now) }
            #expect(driver.state.producers.toClose(now: driver.now).isEmpty && driver.state.producers[.main].waitsForTime)
            driver.report([0])
            #expect(driver.state.producers.toClose(now: driver.now + 999).isEmpty)
            if isReported { driver.report([1]) }
            driver.wait(1000)
            #expect(driver.state.producers.toClose(now: driver.now) == (isRenewed && !isReported ? [] : [.main]))
            #expect(driver.state.producers[.main].isOpen == (isRenewed && !isReported))
        }
    }

    @Test("a successor begins empty: not full, nothing known, all topics asked for again")
    func successors() {
        var driver = Driver()
        driver.admit(2)
        driver.admit(1, topic: "new")
        driver.learn()
        driver.pump { $0 == 1 ? .queueFull : .none }
        #expect(driver.state.producers[.main].isFull)
        driver.replace(.main)
        #expect(!driver.state.producers[.main].isFull && driver.state.producers[.main].isOpen && driver.state.knownTopics(by: .main) == 0)
        #expect(driver.state.takeWanted(by: .main) == [0, 1])
        for topic in [0, 1] {
            let answer = KafkaMetadata.Topic(name: driver.state.topics[topic].name, error: .none, leaders: [1, 1])
            driver.state.learned(answer, topic, from: .main, now: driver.now)
        }
        #expect(driver.state.knownTopics(by: .main) == 2 && driver.state.knownTopics(by: .small) == 0)
        #expect(driver.pump().sorted() == [0, 1, 2])
    }

    @Test("side producers ask for the topics that they are for, and are unused when those have no events")
    func sideProducers() {
        var driver = Driver()
        driver.admit(1, topic: "small")
        driver.learn(limit: 5000)
        driver.admit(1, topic: "large")
        driver.learn()
        driver.pump()
        for slot in [ProducerSlot.small, .single] { driver.state.opened(slot) }
        #expect(driver.state.takeWanted(by: .small) == [0] && driver.state.takeWanted(by: .single).isEmpty)
        #expect(!driver.state.isUnused(.small) && driver.state.isUnused(.single) && !driver.state.isUnused(.main))
        driver.learn("small", leaders: [1, 1], from: .small)
        driver.pump()
        driver.report([0], from: .small)
        #expect(driver.state.isUnused(.small) && !driver.state.isUnused(.main))
        driver.report([1], .invalidRecord)
        #expect(!driver.state.isUnused(.single) && driver.state.isUnused(.small))
        driver.state.drain(.small, now: driver.now)
        #expect(!driver.state.isUnused(.small), "it is not open")
    }

    @Test("a producer that is closed is made anew when it is the direct stage's main one, or when something waits for it")
    func wanted() {
        var driver = Driver()
        for slot in ProducerSlot.allCases {
            driver.state.opened(slot)
            driver.state.drain(slot, now: driver.now)
            driver.state.closed(slot, now: driver.now)
        }
        #expect(driver.state.producers.toOpen(now: driver.now) == [.main])

        var drain = Driver(.aside)
        drain.state.drain(.main, now: drain.now)
        drain.state.closed(.main, now: drain.now)
        #expect(drain.state.producers.toOpen(now: drain.now).isEmpty)
        drain.state.opened(.main)
        drain.admit(1, unit: 1)
        drain.state.drain(.main, now: drain.now)
        drain.state.closed(.main, now: drain.now)
        #expect(drain.state.producers.toOpen(now: drain.now) == [.main])
    }
}
