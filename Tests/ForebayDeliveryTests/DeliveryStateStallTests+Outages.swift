import ForebayKafka
import ForebayTestKit
import Testing

@testable import ForebayDelivery

/// A cluster that is away as a whole: no partition stands still by its own fault then.
extension DeliveryStateStallTests {
    /// Both partitions have been silent since 1000, and the cluster is away from then on until it answers at a time.
    private static func back(at time: UInt64) -> Driver {
        var driver = Self.sent()
        for looked in stride(from: 1000, through: time, by: 100) {
            driver.state.checkStalls(now: looked)
            driver.state.clusterFailed()
        }
        Self.learnedAt(time, &driver)
        return driver
    }

    @Test("a cluster that was away sets nothing aside when it is back: patience begins then, and ends for what stands still all the same")
    func outage() {
        var driver = Self.back(at: 30_000)
        for looked in stride(from: 30_000, to: 31_000, by: 100) as StrideTo<UInt64> {
            Self.learnedAt(looked, &driver)
            driver.state.checkStalls(now: looked)
            #expect(driver.state.takeSettingAside().isEmpty, "at \(looked)")
        }
        driver.report([1])
        Self.learnedAt(31_000, &driver)
        driver.state.checkStalls(now: 31_000)
        let groups = driver.state.takeSettingAside()
        #expect(groups.map(\.request.key) == [SetAsideKey("t", 0)])
        #expect(groups.first?.request.failure.reason == "no delivery for 1 s, though the cluster answers")
    }

    @Test("nothing is set aside while the cluster says nothing, however long that has lasted")
    func away() {
        var driver = Self.sent()
        for time in [1400, 1750] as [UInt64] { Self.learnedAt(time, &driver) }
        for looked in stride(from: 1750, to: 60_000, by: 50) as StrideTo<UInt64> {
            driver.state.checkStalls(now: looked)
            #expect(driver.state.takeSettingAside().isEmpty, "at \(looked)")
        }
    }

    @Test("what came while it was away has all its patience from its return on, also without a leader then")
    func cameMeanwhile() {
        var driver = Self.back(at: 30_000)
        driver.report([0, 1])
        driver.now = 60_000
        driver.admit(1, partition: 0)
        driver.state.clusterFailed()
        for looked in stride(from: 90_000, to: 91_000, by: 100) as StrideTo<UInt64> {
            Self.learnedAt(looked, &driver, leaders: [nil, 1])
            driver.state.checkStalls(now: looked)
            #expect(driver.state.takeSettingAside().isEmpty, "at \(looked)")
        }
        driver.state.checkStalls(now: 91_000)
        #expect(driver.state.takeSettingAside().map(\.request.failure.code) == [.leaderNotAvailable])
    }

    @Test("a cluster that nobody asked was not away: an event that comes after a long rest is set aside after its patience all the same")
    func rest() {
        var driver = Self.sent()
        driver.report([0, 1])
        driver.now = 60_000
        driver.admit(1, partition: 0)
        driver.pump()
        for looked in stride(from: 60_300, through: 61_000, by: 100) as StrideThrough<UInt64> {
            #expect(driver.state.takeSettingAside().isEmpty, "at \(looked)")
            Self.learnedAt(looked, &driver)
            driver.state.checkStalls(now: looked)
        }
        #expect(driver.state.takeSettingAside().map(\.request.failure.code) == [.timedOut])
    }

    @Test("a cluster that comes and goes does not put it off for ever: the times in which it answers add up, for what never moves alone")
    func flapping() {
        var driver = Self.sent()
        var asideAt: UInt64?
        for looked in stride(from: 1000, to: 20_000, by: 100) as StrideTo<UInt64> where asideAt == nil {
            driver.now = looked
            if looked % 1000 == 900 { driver.state.clusterFailed() }
            // There for 0.3 s, away for 0.7 s; partition 1 moves whenever it is there.
            if looked % 1000 < 300 {
                driver.learn("t", leaders: [1, 1])
                let moved = driver.sent.filter { $0.partition == 1 }.map(\.number).suffix(1)
                driver.report(Array(moved))
                driver.admit(1, partition: 1)
                driver.pump()
            }
            driver.state.checkStalls(now: looked)
            let keys = driver.state.takeSettingAside().map(\.request.key)
            #expect(keys.isEmpty || keys == [SetAsideKey("t", 0)], "at \(looked)")
            if !keys.isEmpty { asideAt = looked }
        }
        #expect(asideAt.map { $0 > 3000 && $0 < 8000 } == true, "\(asideAt.map(String.init) ?? "never")")
    }

    @Test("what a broker refuses is an answer of the cluster, what the client gives up is none")
    func refusals() {
        for (code, answeredAt) in [(.notEnoughReplicas, 1900), (.invalidRecord, 1900), (.purgedInQueue, 1000)]
            as [(KafkaErrorCode, UInt64)]
        {
            var driver = Self.sent()
            driver.now = 1900
            driver.report([1], code)
            #expect(driver.state.stalls.answeredAt == answeredAt, "\(code)")
        }
    }

    @Test("how long a cluster may be silent follows the patience, within what its questions take")
    func outageBounds() {
        let cases: [(patience: Int, outage: UInt64)] = [(10_000, 5000), (500, 3000), (7000, 3500), (20_000, 10_000), (3_600_000, 10_000)]
        for (patience, outage) in cases {
            var settings = DeliverySettings()
            settings.partitionPatience = patience
            #expect(settings.outage == outage && settings.answerLasts == 2000)
        }
    }
}
