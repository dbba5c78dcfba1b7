import ForebayCore
import ForebayKafka
import ForebayTestKit
import Testing

@testable import ForebayDelivery

@Suite("Forward state: what reports mean")
struct DeliveryStateReportTests {
    /// A state whose events `0...` of partition 0 are in flight.
    static func sent(_ count: Int, _ configure: (inout DeliverySettings) -> Void = { _ in }) -> Driver {
        var driver = Driver(.direct, configure)
        driver.admit(count)
        driver.learn()
        driver.pump()
        return driver
    }

    // MARK: Delivered

    @Test("what is delivered is counted by topic, in events and bytes, once; and when it had been accepted")
    func counts() {
        var driver = Driver()
        driver.admit(
            [EventFactory.Sample("a", value: "1", partition: 0), EventFactory.Sample("b", value: "22", partition: 0)], acceptedAt: 77)
        driver.admit([EventFactory.Sample("a", value: "333", partition: 1)], acceptedAt: 88)
        driver.learn()
        driver.pump()
        let bytes = (0..<3).map { UInt64(driver.state.window[$0].bytes) }
        for flight in [2, 0] as [UInt64] {
            let report = KafkaReport(token: flight, offset: 0, partition: 0, error: .none, mayBeStored: true)
            let isDelivered = driver.state.report(report, from: .main, now: driver.now)
            #expect(isDelivered)
        }
        #expect(driver.state.actions.deliveries.map(\.acceptedAt) == [88, 77] && driver.state.actions.deliveries.map(\.count) == [1, 1])
        driver.retire()
        let first = driver.state.takeDelivered()
        #expect(first.map(\.topic) == ["a"] && first[0].events == 2 && first[0].bytes == bytes[0] + bytes[2])
        #expect(driver.state.takeDelivered().isEmpty)
        let report = KafkaReport(token: 1, offset: 0, partition: 0, error: .none, mayBeStored: true)
        let reports = [report]
        reports.withUnsafeBufferPointer { driver.state.take($0, from: .main, now: driver.now) }
        driver.retire()
        let second = driver.state.takeDelivered()
        #expect(second.map(\.topic) == ["b"] && second[0].events == 1 && second[0].bytes == bytes[1])
        #expect(driver.state.actions.deliveries.map(\.acceptedAt) == [88, 77] && driver.state.actions.deliveries.map(\.count) == [1, 2])
        #expect(driver.state.totals.delivered == 3)
        let isDeliveredAgain = driver.state.report(report, from: .main, now: driver.now)
        #expect(!isDeliveredAgain && driver.state.totals.delivered == 3, "a report counts once")
        driver.verify()
    }

    @Test("what may stand in Kafka already and is sent again is counted, however it came to be so")
    func redelivered() {
        var driver = Self.sent(3)
        driver.report([0], .timedOut, mayBeStored: true)
        driver.report([1, 2], .timedOut)
        driver.wait(100)
        #expect(driver.pump() == [0, 1, 2] && driver.state.totals.redelivered == 1)
        driver.report([0])
        driver.replace(.main)
        driver.learn()
        #expect(driver.pump() == [1, 2] && driver.state.totals.redelivered == 3, "no report said what became of them")
        driver.report([1, 2])
        #expect(driver.state.totals == DeliveryState.Totals(delivered: 3, redelivered: 3, deadLetters: 0) && driver.cursor == 3)
    }

    // MARK: Fates

    private enum Expected {
        case backsOff, alone, aside
    }

    @Test("a failed report does what its code's fate says: try again, one at a time, or set aside; nothing becomes a dead letter of it")
    func fates() {
        let fates: [(KafkaErrorCode, Expected)] = [
            (.timedOut, .backsOff), (.notLeader, .backsOff), (.authentication, .backsOff), (.invalidTimestamp, .alone),
            (.messageTooLarge, .alone),
            (.unknownServerError, .alone), (KafkaErrorCode(rawValue: 4711), .alone), (.topicAuthorizationFailed, .aside),
            (.unknownTopicOrPartition, .aside), (.notEnoughReplicas, .aside), (.unknownPartition, .aside),
        ]
        for (code, expected) in fates {
            var driver = Self.sent(2)
            driver.report([0, 1], code)
            #expect(driver.state.actions.deadLetters.isEmpty && driver.topic().events.alone == (expected == .alone ? 2 : 0), "\(code)")
            let groups = driver.state.takeSettingAside()
            #expect(groups.flatMap(\.flights) == (expected == .aside ? [0, 1] : []), "\(code)")
            #expect(groups.allSatisfy { $0.request.failure.code == code })
            let isTopics = KafkaFate(of: code) == .hold(.topic)
            #expect(groups.allSatisfy { $0.request.key == SetAsideKey("t", isTopics ? nil : 0) })
            let isUnknown = KafkaFate(of: code) == .unknown
            #expect(driver.state.actions.notes.contains(.unknownError(topic: "t", code: code)) == isUnknown, "\(code)")
            #expect(driver.state.takeWanted(by: .main) == (code == .unknownPartition ? [0] : []), "it has another number of them")
            guard expected != .aside else {
                #expect(
                    driver.state.partitions.all.allSatisfy { $0.retry.failures == 0 && $0.retry.retryAt == 0 }
                        && driver.state.partitions.backingOff.isEmpty)
                continue
            }
            let backsOff = expected == .backsOff || isUnknown
            #expect(driver.partition(0).retry.failures == (backsOff ? 1 : 0), "\(code)")
            driver.wait(backsOff ? 100 : 0)
            driver.pump()
            driver.learn()
            let sent = driver.pump()
            if expected == .alone {
                #expect(sent == [0] && driver.sent.last?.slot == .single, "\(code)")
            } else {
                #expect(driver.sent.suffix(2).map(\.number) == [0, 1] && driver.sent.last?.slot == .main, "\(code)")
            }
        }
    }

    @Test(
        "what is set aside by its only report does not back off, nor is it looked at again",
        arguments: [KafkaErrorCode.notEnoughReplicas, .topicAuthorizationFailed])
    func asideAtOnce(code: KafkaErrorCode) {
        var driver = Self.sent(1)
        driver.report([0], code)
        #expect(driver.state.takeSettingAside().flatMap(\.flights) == [0])
        #expect(
            driver.state.partitions.backingOff.isEmpty && driver.state.partitions.ready.isEmpty
                && driver.state.partitions.all.allSatisfy { $0.retry.failures == 0 })
    }

    @Test("refused events are told as one, by topic and code; errors that no table knows once")
    func notes() {
        var driver = Driver()
        driver.admit(3)
        driver.admit(2, topic: "u")
        driver.learn()
        driver.pump()
        driver.report([0, 1], .invalidTimestamp)
        driver.report([2], .invalidRecord)
        driver.report([3, 4], .invalidRecord)
        #expect(
            driver.state.actions.notes == [
                .suspects(topic: "t", count: 2, code: .invalidTimestamp), .suspects(topic: "t", count: 1, code: .invalidRecord),
                .suspects(topic: "u", count: 2, code: .invalidRecord),
            ])
        var unknown = Self.sent(3)
        unknown.report([0, 1, 2], .unknownServerError)
        #expect(unknown.state.actions.notes == [.unknownError(topic: "t", code: .unknownServerError)])
    }

    @Test("refused alone, it is dead, with what the broker said; what no table knows is never dead, alone or not")
    func alone() {
        for (code, isDead) in [(KafkaErrorCode.invalidRecord, true), (.unknownServerError, false), (.timedOut, false)] {
            var driver = Self.sent(2)
            driver.report([0, 1], .invalidRecord)
            driver.pump()
            driver.learn()
            #expect(driver.pump() == [0])
            driver.report([0], code, from: .single)
            #expect(driver.state.actions.deadLetters.map(\.flight) == (isDead ? [0] : []))
            #expect(driver.partition(0).retry.failures == (isDead ? 0 : 1))
            driver.wait(100)
            #expect(driver.pump() == (isDead ? [1] : [0]))
            guard isDead else { continue }
            #expect(driver.state.actions.deadLetters[0].code == code && driver.state.actions.deadLetters[0].reason == code.text)
            driver.report([1], from: .single)
            #expect(driver.cursor == 0 && driver.state.totals.deadLetters == 0)
            driver.state.deadLetterWritten(0)
            driver.retire()
            #expect(driver.cursor == 2 && driver.state.totals.deadLetters == 1 && driver.state.isIdle)
        }
    }

    @Test("what becomes a dead letter has moved: the partition's patience and failures begin anew")
    func deadLetterMoves() {
        var driver = Self.sent(2)
        driver.report([0, 1], .timedOut)
        driver.wait(100)
        driver.report(driver.pump(), .invalidRecord)
        #expect(driver.partition(0).retry.failures == 1)
        driver.pump()
        driver.learn()
        #expect(driver.pump() == [0])
        driver.now += 5000
        driver.report([0], .invalidRecord, from: .single)
        #expect(driver.partition(0).movedAt == driver.now && driver.partition(0).retry.failures == 0)
    }

    @Test("a topic that has more partitions now is placed anew when its last event becomes a dead letter, not while it waits")
    func deadLetterMakesRoom() {
        for code in [KafkaErrorCode.invalidRecord, .invalidTimestamp] {
            var driver = Driver { $0.setAsideTopics = 0 }
            driver.admit([EventFactory.Sample("t", key: "k", value: "v", timestamp: 5)], acceptedAt: 5)
            driver.learn(partitions: 1)
            driver.report(driver.pump(), .invalidRecord)
            driver.pump()
            driver.learn(partitions: 1)
            driver.pump()
            driver.state.wantAll()
            driver.learn(partitions: 3)
            #expect(driver.topic().metadata.partitions.count == 1 && driver.topic().metadata.nextCount == 3)
            driver.report([0], code, from: .single)
            #expect(driver.topic().metadata.partitions.count == (code == .invalidRecord ? 3 : 1))
        }
    }

    // MARK: Times

    @Test("times within a minute of the acceptance are as good as ours, and wait; others are the producer's, and become dead letters of it")
    func times() {
        let accepted: Int64 = 1_700_000_000_000
        let cases: [(time: Int64, accepted: Int64, isOurs: Bool)] = [
            (accepted, accepted, true), (accepted + 60_000, accepted, true), (accepted - 60_000, accepted, true),
            (accepted + 60_001, accepted, false), (accepted - 60_001, accepted, false), (.min, accepted, false), (.max, -accepted, false),
        ]
        for (time, acceptedAt, isOurs) in cases {
            var driver = Driver { $0.setAsideTopics = 0 }
            driver.admit([EventFactory.Sample("t", value: "v", partition: 0, timestamp: time)], acceptedAt: acceptedAt)
            driver.learn()
            driver.report(driver.pump(), .invalidTimestamp)
            driver.pump()
            driver.learn()
            #expect(driver.pump() == [0])
            driver.report([0], .invalidTimestamp, from: .single)
            #expect(driver.state.actions.deadLetters.count == (isOurs ? 0 : 1), "\(time)")
            #expect(driver.state.refusedTimes.topics == (isOurs ? ["t"] : []))
            guard isOurs else { continue }
            #expect(driver.partition(0).retry.retryAt == driver.now + 100)
            guard case .backingOff = driver.topic().phase else {
                Issue.record("it is \(driver.topic().phase)")
                continue
            }
            #expect(
                driver.topic().trouble.needsProbe
                    && driver.state.actions.notes.filter { if case .timeRefused("t", _) = $0 { true } else { false } }.count == 1)
        }
    }

    @Test("a time that is taken again is told once its topic goes direct")
    func timeTaken() {
        var driver = Driver()
        driver.admit([EventFactory.Sample("t", value: "v", partition: 0, timestamp: 5)], acceptedAt: 5)
        driver.learn()
        driver.report(driver.pump(), .invalidTimestamp)
        driver.pump()
        driver.learn()
        driver.pump()
        driver.report([0], .invalidTimestamp, from: .single)
        driver.state.actions.notes = []
        driver.state.see("t", SetAsideTopic(whole: .closing), at: driver.now)
        #expect(driver.state.refusedTimes.topics == ["t"] && driver.state.actions.notes.isEmpty)
        driver.state.see("t", nil, at: driver.now)
        #expect(driver.state.refusedTimes.topics.isEmpty && driver.state.actions.notes == [.timeTaken(topic: "t")])
        driver.state.see("t", nil, at: driver.now)
        #expect(driver.state.actions.notes.count == 1)
    }
}
