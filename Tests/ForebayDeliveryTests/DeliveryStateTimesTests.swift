import ForebayCore
import ForebayKafka
import ForebayTelemetry
import ForebayTestKit
import Testing

@testable import ForebayDelivery

@Suite("Forward state: times that brokers refuse")
struct DeliveryStateTimesTests {
    private static let now: Int64 = 1_790_000_000_000
    private static let hour: Int64 = 3_600_000

    /// Events of one partition whose batch was refused, and the first of which goes alone now; accepted so long ago each.
    private func refused(_ ages: [Int64], times: KafkaTimeLimits, isOurs: Bool = true, setAsideTopics: Int = 10) -> Driver {
        var driver = Driver { $0.setAsideTopics = setAsideTopics }
        driver.state.refusedTimes.wall = Self.now
        for age in ages {
            driver.admit(
                [EventFactory.Sample("t", value: "v", partition: 0, timestamp: Self.now - age)],
                acceptedAt: isOurs ? Self.now - age + 3 : Self.now)
        }
        driver.learn(partitions: 1)
        driver.state.learnedLimit(nil, times: times, 0, now: driver.now)
        let sent = driver.pump()
        driver.report([sent[0]], .invalidTimestamp)
        driver.state.failed(.main, now: driver.now)
        driver.report(Array(sent.dropFirst()), .purgedInQueue)
        driver.state.closed(.main, now: driver.now)
        driver.pump()
        driver.learn(partitions: 1)
        if driver.sent.last?.slot != .single { driver.pump() }
        return driver
    }

    private func pump(_ driver: inout Driver) -> [(flight: UInt64, isRedated: Bool)] {
        var sent: [(UInt64, Bool)] = []
        driver.state.pump(now: driver.now) { outgoing, _, _ in
            sent.append((outgoing.flight, outgoing.time == .ofDelivery))
            return .none
        }
        return sent
    }

    @Test(
        "an event that waited for longer than its topic allows goes out with the time of delivery, and those about as old with it",
        arguments: [Int64?.none, Self.hour])
    func tooOld(before: Int64?) {
        var driver = self.refused([2, 2, 2, 0].map { $0 * Self.hour }, times: KafkaTimeLimits(before: before))
        driver.report([0], .invalidTimestamp, from: .single)
        #expect(driver.topic().aside.mode == .none && driver.state.actions.deadLetters.isEmpty)
        #expect(driver.state.actions.notes.contains(.timeReplaced(topic: "t")))
        let again = self.pump(&driver)
        #expect(again.map(\.flight) == [0] && again.map(\.isRedated) == [true])
        driver.report([0], from: .single)
        driver.state.partitions[driver.place(0)].producer.known = driver.state.producers[.main].number
        let rest = self.pump(&driver)
        #expect(rest.map(\.flight) == [1, 2, 3] && rest.map(\.isRedated) == [true, true, false], "together, and the fresh one as it is")
        driver.report([1, 2, 3])
        #expect(driver.cursor == 4)
    }

    @Test("it's the topic's limit that decides, with a margin for clocks that differ")
    func limits() {
        let minute: Int64 = 60_000
        for (age, before, isOld) in [
            (20 * minute, 30 * minute, true), (20 * minute, 41 * minute, false), (20 * minute, .max, false), (3 * minute, nil, true),
            (minute / 2, nil, false), (-5 * minute, nil, false), (-5 * minute, minute, false), (minute, nil, false),
            (minute + 1, nil, true),
            (10 * minute, 20 * minute, false), (10 * minute + 1, 20 * minute, true),
        ] as [(Int64, Int64?, Bool)] {
            var driver = self.refused([age], times: KafkaTimeLimits(before: before))
            driver.report([0], .invalidTimestamp, from: .single)
            #expect((driver.topic().aside.mode == .none) == isOld, "\(age) of \(String(describing: before))")
            #expect((driver.state.refusedTimes.topics == ["t"]) != isOld && driver.state.actions.deadLetters.isEmpty)
        }
    }

    @Test(
        "what goes out with the time of delivery from then on: a tenth less old than the topic takes; where that is not told, an eighth less than it"
    )
    func redatesThrough() {
        let minute: Int64 = 60_000
        for (age, before, through) in [
            (40 * minute, 30 * minute, 27 * minute), (28 * minute, 30 * minute, 27 * minute), (20 * minute, 30 * minute, 20 * minute),
            (8 * minute, nil, 7 * minute), (80 * minute, nil, 70 * minute), (40 * minute, 0, 0),
        ] as [(Int64, Int64?, Int64)] {
            var driver = self.refused([age], times: KafkaTimeLimits(before: before))
            driver.report([0], .invalidTimestamp, from: .single)
            #expect(Self.now - driver.topic().limits.redatesThrough == through, "\(age) of \(String(describing: before))")
        }
    }

    @Test("one ahead of the brokers' clock waits; the reason names when it is taken, and the setting that lets it through now")
    func ahead() throws {
        let time = Timestamp.rfc3339(Self.now + Self.hour)
        for (after, when) in [
            (Self.hour / 2, "to \(Timestamp.rfc3339(Self.now + Self.hour / 2))"), (nil, "near"), (.max, "near"),
        ] as [(Int64?, String)] {
            var driver = self.refused([-Self.hour, 0], times: KafkaTimeLimits(after: after))
            driver.report([0], .invalidTimestamp, from: .single)
            let groups = driver.state.takeSettingAside()
            try #require(groups.count == 1)
            #expect(groups.flatMap(\.flights) == [0, 1] && groups[0].request.failure.code == .invalidTimestamp)
            let reason = groups[0].request.failure.reason
            #expect(reason.contains(time) && reason.contains("clock has come \(when)"), "\(reason)")
            #expect(reason.contains("message.timestamp.after.max.ms") && !driver.state.topics.limitsWanted.isEmpty)
        }
    }

    @Test("whatever the topic was known to take is asked for anew: at once while it is held, and when what was set aside is delivered")
    func asksAnew() {
        for isAside in [true, false] {
            var driver = self.refused([-Self.hour], times: KafkaTimeLimits(after: Self.hour / 2), setAsideTopics: isAside ? 10 : 0)
            driver.report([0], .invalidTimestamp, from: .single)
            if isAside {
                let groups = driver.state.takeSettingAside()
                #expect(groups.flatMap(\.flights) == [0])
                #expect(driver.state.takeLimitsWanted().isEmpty, "nothing is asked of a topic that is set aside")
                driver.state.see("t", nil, at: driver.now)
                let asked = driver.state.takeWanted(by: .main)
                #expect(asked == [0])
                driver.learn("t", leaders: [1])
            }
            #expect(driver.state.takeLimitsWanted() == [0])
            driver.state.learnedLimit(nil, times: KafkaTimeLimits(after: 2 * Self.hour), 0, now: driver.now)
            #expect(driver.topic().limits.times.after == 2 * Self.hour && !driver.topic().limits.isStale)
            driver.learn("t", leaders: [1])
            #expect(driver.state.takeLimitsWanted().isEmpty)
        }
    }

    @Test("where not even the time of delivery is taken, the clocks differ: the topic waits with its own times")
    func clocksDiffer() {
        var driver = self.refused([2 * Self.hour, 2 * Self.hour], times: KafkaTimeLimits(before: Self.hour))
        driver.report([0], .invalidTimestamp, from: .single)
        #expect(self.pump(&driver).map(\.isRedated) == [true])
        driver.report([0], .invalidTimestamp, from: .single)
        #expect(driver.topic().aside.mode == .aside && driver.state.takeSettingAside().flatMap(\.flights) == [0, 1])
        #expect(driver.topic().limits.redatesThrough == .min && driver.state.actions.deadLetters.isEmpty)
    }

    @Test("one that waited in the client with its time of delivery until that was too old, too, gets that of now: its topic stays direct")
    func tooOldAgain() {
        var driver = self.refused([2 * Self.hour], times: KafkaTimeLimits(before: 1000))
        driver.report([0], .invalidTimestamp, from: .single)
        for waited: Int64 in [501, 30_000, 2 * Self.hour] {
            #expect(self.pump(&driver).map(\.isRedated) == [true], "\(waited)")
            driver.state.refusedTimes.wall += waited  // The brokers are away.
            driver.report([0], .invalidTimestamp, from: .single)
            #expect(
                driver.topic().aside.mode == .none && driver.state.refusedTimes.topics.isEmpty && self.pump(&driver).isEmpty, "not at once")
            driver.wait(5000)
        }
        #expect(self.pump(&driver).map(\.isRedated) == [true])
        driver.report([0], from: .single)
        #expect(driver.cursor == 1 && driver.state.actions.deadLetters.isEmpty)
    }

    @Test(
        "a time of delivery that is refused within a round trip was not too old for having waited", arguments: [(250, false), (251, true)])
    func roundTrip(waited: Int64, isOld: Bool) {
        var driver = self.refused([2 * Self.hour], times: KafkaTimeLimits(before: 100))
        driver.report([0], .invalidTimestamp, from: .single)
        #expect(self.pump(&driver).map(\.isRedated) == [true])
        driver.state.refusedTimes.wall += waited
        driver.report([0], .invalidTimestamp, from: .single)
        #expect((driver.topic().aside.mode == .none) == isOld && driver.state.refusedTimes.topics == (isOld ? [] : ["t"]))
        driver.verify()
    }

    /// What goes out now, with which time.
    private func times(_ driver: inout Driver, _ answer: (Int) -> KafkaErrorCode = { _ in .none }) -> [DeliveryState.Outgoing.Time] {
        var times: [DeliveryState.Outgoing.Time] = []
        driver.state.pump(now: driver.now) { outgoing, _, _ in
            times.append(outgoing.time)
            return answer(times.count - 1)
        }
        driver.verify()
        return times
    }

    @Test(
        "too large with a header of ours, whoever says so, it goes out without, at once; too large without, too, it is dead",
        arguments: [true, false])
    func bare(isRefusedByBroker: Bool) {
        var driver = self.refused([2 * Self.hour, 2 * Self.hour], times: KafkaTimeLimits(before: Self.hour))
        driver.report([0], .invalidTimestamp, from: .single)
        if isRefusedByBroker {
            for time in [DeliveryState.Outgoing.Time.ofDelivery, .ofDeliveryAlone] {
                #expect(driver.state.actions.deadLetters.isEmpty && self.times(&driver) == [time])
                driver.report([0], .messageTooLarge, from: .single)
            }
            #expect(self.times(&driver) == [.ofDelivery], "the one behind it has its header")
        } else {
            #expect(self.times(&driver) { $0 < 2 ? .messageTooLarge : .none } == [.ofDelivery, .ofDeliveryAlone, .ofDelivery])
        }
        #expect(driver.state.actions.deadLetters.map(\.flight) == [0] && driver.state.actions.deadLetters[0].code == .messageTooLarge)
        #expect(driver.partition(0).redatedAt == Self.now && driver.topic().aside.mode == .none)
    }

    @Test("one that went without its header keeps to that; with its own time again it has none to leave out")
    func staysBare() {
        var driver = self.refused([2 * Self.hour], times: KafkaTimeLimits(before: 1000), setAsideTopics: 0)
        driver.report([0], .invalidTimestamp, from: .single)
        #expect(self.times(&driver) { $0 == 0 ? .messageTooLarge : .none } == [.ofDelivery, .ofDeliveryAlone])
        driver.state.refusedTimes.wall += 501
        driver.report([0], .invalidTimestamp, from: .single)
        driver.wait(100)
        #expect(self.times(&driver) == [.ofDeliveryAlone])
        driver.report([0], .invalidTimestamp, from: .single)
        driver.wait(5000)
        driver.learn("t", leaders: [1])
        driver.state.learnedLimit(nil, times: KafkaTimeLimits(before: 1000), 0, now: driver.now)
        #expect(self.times(&driver) == [.itsOwn] && driver.state.refusedTimes.topics == ["t"])
        driver.report([0], from: .single)
        #expect(driver.state.refusedTimes.topics.isEmpty && driver.state.actions.notes.last == .timeTaken(topic: "t"))
    }

    @Test("no time is named to wait for that this node's own clock has passed: the clocks differ then, and that is said")
    func reasonOfRefusal() throws {
        for (age, after, words) in [
            (100, Self.hour, "their clock and this node's differ"), (0, 10, "their clock and this node's differ"),
            (-Self.hour / 2, Self.hour, "their clock has come near"), (-Self.hour, Self.hour, "their clock has come near"),
            (-2 * Self.hour, Self.hour, "their clock has come to \(Timestamp.rfc3339(Self.now + Self.hour))"),
        ] as [(Int64, Int64, String)] {
            var driver = self.refused([age], times: KafkaTimeLimits(before: Self.hour, after: after))
            driver.report([0], .invalidTimestamp, from: .single)
            let reason = try #require(driver.state.takeSettingAside().first).request.failure.reason
            #expect(reason.contains(words) && reason.contains("too far ahead") == (age < 0), "\(age): \(reason)")
        }
    }

    @Test("a producer's own time makes a dead letter, whose reason names the topic's setting")
    func producersOwn() throws {
        for (age, times, words) in [
            (72 * Self.hour, KafkaTimeLimits(before: Self.hour), "older than message.timestamp.before.max.ms (3600000)"),
            (72 * Self.hour, KafkaTimeLimits(), "older than message.timestamp.before.max.ms of"),
            (-72 * Self.hour, KafkaTimeLimits(after: Self.hour), "further ahead than message.timestamp.after.max.ms (3600000)"),
        ] {
            var driver = self.refused([age, age], times: times, isOurs: false)
            driver.report([0], .invalidTimestamp, from: .single)
            try #require(driver.state.actions.deadLetters.map(\.flight) == [0])
            #expect(driver.state.actions.deadLetters[0].reason.contains(words), "\(driver.state.actions.deadLetters)")
            #expect(
                driver.state.actions.deadLetters[0].reason.contains(Timestamp.rfc3339(Self.now - age))
                    && driver.state.refusedTimes.topics.isEmpty)
        }
    }
}
