import ForebayCore
import ForebayKafka
import ForebayTestKit
import Testing

@testable import ForebayDelivery

/// Partitions that stand still: `patience` is 1000 ms here, and the cluster is asked at most every 100 ms.
@Suite("Forward state: partitions that stand still")
struct DeliveryStateStallTests {
    /// One event of each of two partitions in flight since 1000, of a topic that was learned then.
    static func sent(_ way: DeliveryWay = .direct, _ configure: (inout DeliverySettings) -> Void = { _ in }) -> Driver {
        var driver = Driver(way) {
            $0.partitionPatience = 1000
            $0.metadataRetry = 100
            configure(&$0)
        }
        driver.now = 1000
        driver.admit(1, partition: 0)
        driver.admit(1, partition: 1)
        driver.learn()
        driver.pump()
        return driver
    }

    static func learnedAt(_ time: UInt64, _ driver: inout Driver, leaders: [Int32?] = [1, 1]) {
        driver.now = time
        driver.learn("t", leaders: leaders)
    }

    @Test("a partition without a delivery for its patience is set aside, if the cluster answered within the silence, and lately")
    func silence() {
        let cases: [(learned: UInt64, looked: UInt64, isAside: Bool)] = [
            (1500, 1999, false), (1500, 2000, true), (1249, 2000, false), (1250, 1750, false), (1250, 2000, false), (1499, 2000, false),
            (1600, 2100, true), (1600, 2101, false), (2000, 2000, true), (2000, 1999, false),
        ]
        for (learned, looked, isAside) in cases {
            var driver = Self.sent()
            driver.now = 1900
            driver.report([1])
            Self.learnedAt(learned, &driver)
            #expect(driver.state.checkStalls(now: looked) == true)
            let groups = driver.state.takeSettingAside()
            #expect(groups.map(\.request.key) == (isAside ? [SetAsideKey("t", 0)] : []), "learned at \(learned), looked at \(looked)")
            guard isAside else { continue }
            #expect(groups[0].request.failure.code == .timedOut)
            #expect(groups[0].request.failure.reason == "no delivery for \((looked - 1000) / 1000) s, though the cluster answers")
        }
    }

    @Test("the cluster is asked for a topic that is silent for a quarter of the patience, at most so often")
    func asks() {
        let cases: [(learned: UInt64, looked: UInt64, asks: Bool)] = [
            (1000, 1250, false), (1000, 1251, true), (1151, 1250, false), (1152, 1251, false), (1151, 1251, true),
        ]
        for (learned, looked, asks) in cases {
            var driver = Self.sent()
            Self.learnedAt(learned, &driver)
            driver.state.checkStalls(now: looked)
            #expect(driver.state.takeWanted(by: .main) == (asks ? [0] : []), "learned at \(learned), looked at \(looked)")
        }
    }

    @Test("a partition without a leader is asked for at once, and set aside after its patience with that reason")
    func leaderless() {
        var driver = Self.sent()
        Self.learnedAt(1100, &driver, leaders: [nil, 1])
        driver.report([1])
        driver.state.checkStalls(now: 1199)
        #expect(driver.state.takeWanted(by: .main).isEmpty)
        driver.state.checkStalls(now: 1200)
        #expect(driver.state.takeWanted(by: .main) == [0])
        Self.learnedAt(1850, &driver, leaders: [nil, 1])
        driver.state.checkStalls(now: 1999)
        #expect(driver.state.takeSettingAside().isEmpty)
        driver.state.checkStalls(now: 2000)
        let groups = driver.state.takeSettingAside()
        #expect(groups.map(\.request.failure) == [KafkaFailure(.leaderNotAvailable, reason: "the partition has no leader")])
    }

    @Test(
        "an event that the client does not take, though it holds nothing, is no broker's silence: that is what it is set aside for",
        arguments: [DeliveryWay.direct, .aside])
    func notTaken(way: DeliveryWay) {
        var driver = Driver(way) { ($0.partitionPatience, $0.stallTold, $0.metadataRetry) = (1000, 500, 100) }
        driver.now = 1000
        if way == .aside { driver.admit(2, unit: 1, partition: 0) } else { driver.admit(2) }
        driver.learn()
        #expect(driver.pump { _ in .queueFull }.isEmpty)
        driver.now = 1900
        driver.learn("t", leaders: [1, 1])
        driver.state.checkStalls(now: 1900)
        #expect(driver.state.stalls.longest?.code == (way == .direct ? .queueFull : nil))
        driver.state.checkStalls(now: 2000)
        let failures = driver.state.takeSettingAside().map(\.request.failure) + driver.state.actions.refusals.map(\.failure)
        #expect(failures.map(\.code) == [.queueFull] && failures[0].reason.contains("queue.buffering.max.kbytes"))
    }

    @Test("an event that was taken after all waits for its broker")
    func takenAfterAll() {
        var driver = Driver { ($0.partitionPatience, $0.metadataRetry) = (1000, 100) }
        driver.now = 1000
        driver.admit(2)
        driver.learn()
        #expect(driver.pump { _ in .queueFull }.isEmpty)
        driver.wait(100)
        #expect(driver.pump() == [0, 1])
        driver.report([0])
        driver.wait(900)
        driver.learn("t", leaders: [1, 1])
        driver.state.checkStalls(now: 2200)
        #expect(driver.state.takeSettingAside().map(\.request.failure.code) == [.timedOut])
    }

    @Test("in the drain a partition without a leader does not wait, and one that fills the queue has a tenth of the patience")
    func drain() {
        var driver = Driver(.aside) {
            $0.partitionPatience = 1000
            $0.metadataRetry = 100
        }
        driver.now = 1000
        driver.admit(1, unit: 1, partition: 0)
        driver.learn()
        driver.pump()
        driver.now = 1010
        driver.learn("t", leaders: [nil, 1])
        driver.state.checkStalls(now: 1010)
        #expect(driver.state.actions.refusals.map(\.key) == [SetAsideKey("t", 0)])
        #expect(driver.state.actions.refusals.map(\.failure.code) == [.leaderNotAvailable])

        let cases: [(isCrowded: Bool, learned: UInt64, looked: UInt64, isRefused: Bool)] = [
            (true, 1050, 1099, false), (true, 1050, 1100, true), (true, 1024, 1100, false), (true, 1025, 1100, true),
            (false, 1050, 1100, false), (false, 1950, 2000, true),
        ]
        for (isCrowded, learned, looked, isRefused) in cases {
            var crowded = Driver(.aside) {
                $0.partitionPatience = 1000
                $0.partitionWindow = 1
                $0.queueLimit = isCrowded ? 1 : 1 << 20
            }
            crowded.now = 1000
            crowded.admit(2, unit: 1, partition: 0)
            crowded.learn()
            crowded.pump()
            crowded.now = learned
            crowded.learn("t", leaders: [1, 1])
            crowded.state.checkStalls(now: looked)
            #expect(
                crowded.state.actions.refusals.count == (isRefused ? 1 : 0), "crowded \(isCrowded), learned \(learned), looked at \(looked)"
            )
        }
    }

    @Test("what is closing waits for the drain, not for its partition; the drain's own does")
    func closing() {
        for way in [DeliveryWay.direct, .aside] {
            var driver = Self.sent(way)
            driver.state.partitions[driver.place(0)].aside.mode = .closing
            Self.learnedAt(1900, &driver)
            driver.report([1])
            driver.state.checkStalls(now: 2300)
            #expect(driver.state.takeSettingAside().isEmpty == (way == .direct))
            #expect(driver.state.takeWanted(by: .main).isEmpty == (way == .direct))
        }
    }

    @Test("one look covers so many partitions; the next goes on, and begins anew at the end")
    func looks() {
        var driver = Driver {
            $0.stallsPerLook = 3
            $0.partitionPatience = 1000
        }
        driver.now = 1000
        for partition in 0..<7 as Range<Int32> { driver.admit(1, partition: partition) }
        driver.learn(partitions: 7)
        driver.pump()
        driver.now = 1900
        driver.learn("t", leaders: [Int32?](repeating: 1, count: 7))
        var left: [[Int32?]] = []
        var isAll: [Bool] = []
        for _ in 0..<4 {
            isAll.append(driver.state.checkStalls(now: 2000))
            left.append(driver.state.takeSettingAside().map(\.request.key.partition))
        }
        #expect(left == [[0, 1, 2], [3, 4, 5], [6], []] && isAll == [false, false, true, false])
        #expect(driver.state.stalls.lookedAt == 3)
        var empty = Driver()
        let isDone = empty.state.checkStalls(now: 5)
        #expect(isDone)
    }

    @Test("a clock that stands behind what was seen makes nothing old")
    func clocks() {
        var driver = Self.sent()
        driver.state.checkStalls(now: 10)
        #expect(driver.state.takeSettingAside().isEmpty && driver.state.takeWanted(by: .main).isEmpty)
    }

    // MARK: What an operator is told

    @Test(
        "a partition that stands still for long, and is not set aside by then, is told: the one that has for longest, whichever part of the look finds it"
    )
    func told() {
        for perLook in [1, 2, 100] {
            var driver = Driver {
                $0.partitionPatience = 1_000_000
                $0.stallTold = 500
                $0.stallsPerLook = perLook
            }
            for (partition, now) in [(0, 1200), (1, 1000), (2, 1100), (3, 900)] as [(Int32, UInt64)] {
                driver.now = now
                driver.admit(1, partition: partition)
                driver.learn(partitions: 4)
            }
            let order: [UInt64] = [1500, 1499, 1400, 1399].reversed()
            #expect(driver.state.stalls.longest == nil)
            for (looked, stall) in zip(order, [nil, (3, 900), (3, 900), (3, 900)] as [(Int32, UInt64)?]) {
                while !driver.state.checkStalls(now: looked) {
                    #expect(
                        driver.state.stalls.longest?.partition == (looked == 1399 ? nil : looked == 1400 ? nil : 3),
                        "not before all are looked at")
                }
                #expect(
                    driver.state.stalls.longest == stall.map { StallWatch.Stall(topic: "t", partition: $0.0, movedAt: $0.1) },
                    "\(perLook), \(looked)")
            }
            driver.pump()
            driver.report([3])
            while !driver.state.checkStalls(now: 1500) {}
            #expect(driver.state.stalls.longest == StallWatch.Stall(topic: "t", partition: 1, movedAt: 1000))
            driver.report([0, 1, 2])
            while !driver.state.checkStalls(now: 1500) {}
            #expect(driver.state.stalls.longest == nil)
        }
    }

    @Test("of two that stand still for as long the first is told; none that is set aside or closing, and none of the drain")
    func toldOnly() {
        for (way, mode, partition) in [
            (DeliveryWay.direct, SetAsideMode.none, 0), (.direct, .closing, 1), (.direct, .aside, 1), (.aside, .none, nil),
        ] as [(DeliveryWay, SetAsideMode, Int32?)] {
            var driver = Driver(way) { $0.stallTold = 500 }
            driver.now = 1000
            driver.admit(1, partition: 0)
            driver.admit(1, partition: 1)
            driver.learn()
            driver.state.partitions[driver.place(0)].aside.mode = mode
            driver.state.checkStalls(now: 1600)
            #expect(driver.state.stalls.longest?.partition == partition, "\(way), \(mode)")
        }
    }
}
