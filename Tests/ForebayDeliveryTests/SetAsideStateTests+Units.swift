import ForebayKafka
import Testing

@testable import ForebayDelivery

/// One unit's life, from its first event to its last, and what its stages see of it.
extension SetAsideStateTests {
    static func unit(_ number: UInt64, _ key: SetAsideKey, settled: UInt64 = 0, end: UInt64, partitionCount: Int32 = 0)
        -> SetAsideUnit
    {
        var unit = SetAsideUnit(
            number: number, key: key, partitionCount: partitionCount, code: "X", reason: "x", since: 5, oldestAcceptedAt: 7)
        (unit.settled, unit.end, unit.isInLog) = (settled, end, true)
        return unit
    }

    // MARK: Beginnings

    @Test("units of before the start are waited for at once, both stages see them, and those that are empty are gone")
    func found() {
        var state = SetAsideState(
            configuration: DeliverySettings(),
            units: [Self.unit(3, SetAsideKey("a"), settled: 2, end: 9), Self.unit(4, SetAsideKey("b"), settled: 5, end: 5)], nextNumber: 5)
        #expect(
            state.units.all.map(\.number).sorted() == [3] && state.actions.gone == [4] && state.reading.drop == [4]
                && state.unit(SetAsideKey("a")) == 3)
        #expect(state.actions.notes == [.left(SetAsideKey("b"), events: 5, since: 5)])
        for way in [DeliveryWay.direct, .aside] {
            #expect(state.changes.has(for: way))
            let changes = Dictionary(uniqueKeysWithValues: state.takeChanges(for: way).map { ($0.topic, $0.now) })
            #expect(changes == ["a": SetAsideTopic(whole: .aside), "b": nil] && !state.changes.has(for: way))
        }
        #expect(state.waitsForTime && state.due(now: 0) == ["a": false])
        #expect(!state.waitsForTime, "the only one is being asked for")
        state.found("a", leaderless: [], now: 0)
        #expect(state.units[3]?.read == 2 && state.units[3]?.pass == 1 && state.reading.start == [3])
        #expect(state.beginAppend([Self.request(SetAsideKey("c"))], from: .direct, now: 0) == [5])
        #expect(state.beginAppend([Self.request(SetAsideKey("d"))], from: .aside, now: 0) == [6])
        #expect(state.brokenAccounts(now: 0) == [])
    }

    @Test("a stage that begins sees all that is set aside, and only that")
    func begins() {
        var (state, _) = Self.state(count: 1)
        _ = state.takeChanges(for: .direct)
        _ = state.takeChanges(for: .aside)
        state.begin(.direct)
        #expect(!state.changes.has(for: .aside) && state.takeChanges(for: .direct).map(\.topic) == ["t"])
    }

    @Test("a topic's view has all its units, whether they close, and the largest count of partitions that was known")
    func views() {
        var state = SetAsideState(
            configuration: DeliverySettings(),
            units: [
                Self.unit(1, SetAsideKey("t"), end: 1), Self.unit(2, SetAsideKey("t", 4), end: 1, partitionCount: 6),
                Self.unit(3, SetAsideKey("t", 2), end: 1, partitionCount: 3),
            ], nextNumber: 4)
        func view() -> SetAsideTopic? {
            state.begin(.direct)
            return state.takeChanges(for: .direct)[0].now
        }
        #expect(view() == SetAsideTopic(whole: .aside, partitions: [4: .aside, 2: .aside], partitionCount: 6))
        _ = state.due(now: 0)
        state.found("t", leaderless: [4], now: 0)
        #expect(view()?.whole == .aside)
        state.hasRead(1, pass: 1, through: 1, acceptedAt: 7)
        state.hasRead(3, pass: 1, through: 1, acceptedAt: 7)
        state.readAll([(3, 1, 1)])
        #expect(view()?.partitions == [4: .aside, 2: .aside], "the whole topic may still send it more")
        state.readAll([(1, 1, 1)])
        #expect(view() == SetAsideTopic(whole: .closing, partitions: [4: .aside, 2: .aside], partitionCount: 6))
        state.settle(1, pass: 1, through: 1)
        state.readAll([(3, 1, 1)])
        #expect(view() == SetAsideTopic(whole: .none, partitions: [4: .aside, 2: .closing], partitionCount: 6))
    }

    // MARK: In

    @Test("events of a unit are counted on their way, then as durable; what each stage has on its way is its own")
    func counts() {
        var state = SetAsideState(configuration: DeliverySettings())
        let first = state.beginAppend([Self.request(SetAsideKey("t"), count: 3), Self.request(SetAsideKey("u"))], from: .direct, now: 70)
        #expect(
            first == [1, 2] && state.actions.notes == [.entered(SetAsideKey("t"), Self.failure), .entered(SetAsideKey("u"), Self.failure)])
        #expect(
            state.beginAppend([Self.request(SetAsideKey("t"), count: 2)], from: .aside, now: 80) == [1] && state.actions.notes.count == 2)
        let unit = state.units[1]!
        #expect(unit.pending == [.direct: 3, .aside: 2] && unit.bytes == 50 && unit.events == 5 && unit.durable == 0 && !unit.isInLog)
        #expect(unit.since == 70 && unit.oldestAcceptedAt == 5 && unit.partitionCount == 3 && unit.code == "\(Self.failure.code)")
        #expect(unit.reason == Self.failure.reason && unit.phase == .waiting(until: 0) && unit.isWaiting)
        #expect(state.due(now: 1000).isEmpty, "nothing of it is durable")
        state.stored(1, count: 2, from: .aside, now: 1000)
        #expect(state.units[1]?.pending == [.direct: 3, .aside: 0] && state.units[1]?.end == 2 && state.units[1]?.isInLog == true)
        #expect(state.units[1]?.phase == .waiting(until: 1100) && state.waitsForTime)
        state.stored(1, count: 3, from: .direct, now: 1050)
        #expect(state.units[1]?.phase == .waiting(until: 1100) && state.units[1]?.durable == 5 && state.units[1]?.events == 5)
        state.stored(1, count: 9, from: .direct, now: 1050)
        #expect(state.units[1]?.pending[.direct] == 0, "never below zero")
        state.stored(77, count: 1, from: .direct, now: 0)
        #expect(state.units.count == 2)
    }

    @Test("a held event has the position that the log gave it, whoever stores first, and is settled once", arguments: [true, false])
    func heldPositions(drainIsFirst: Bool) {
        var (state, unit) = Self.state(count: 4)
        _ = state.beginAppend([Self.request(SetAsideKey("t"), count: 2)], from: .aside, now: 0)
        _ = state.beginAppend([Self.request(SetAsideKey("t"), count: 3, held: 2)], from: .direct, now: 0)
        state.reported(101, by: .direct, isDelivered: true)
        #expect(state.units[unit]?.ahead == [] && state.unreported.sent(of: unit) == 1, "it has no position yet")
        state.reported(101, by: .direct, isDelivered: true)
        #expect(state.unreported.sent(of: unit) == 1, "once")
        state.keepUnreported(9, unit: unit, position: 0)
        state.keepUnreported(9, unit: 99, position: 0)
        #expect(state.unreported.sent(of: unit) == 2)
        state.reported(9, by: .aside, isDelivered: true)
        #expect(state.units[unit]?.settled == 1 && state.actions.moved == [unit])
        for position in [1, 2, 3] as [UInt64] {
            state.keepUnreported(20 + position, unit: unit, position: position)
            state.reported(20 + position, by: .aside, isDelivered: true)
        }
        #expect(state.units[unit]?.settled == 4, "not beyond what is durable")
        if drainIsFirst { state.stored(unit, count: 2, from: .aside, now: 0) }
        state.stored(unit, count: 3, from: .direct, now: 0)
        if !drainIsFirst { state.stored(unit, count: 2, from: .aside, now: 0) }
        #expect(state.units[unit]?.ahead == [drainIsFirst ? 7 : 5] && state.units[unit]?.settled == 4)
        #expect(state.units[unit]?.end == 9 && state.unreported.sent(of: unit) == 1 && state.brokenAccounts(now: 0) == [])
    }

    // MARK: Out

    @Test("units are tried in the order of their times, as many as there is room for beside those that are being drained")
    func room() {
        var configuration = DeliverySettings()
        configuration.drainedUnits = 3
        var state = SetAsideState(configuration: configuration)
        for (number, name) in ["a", "b", "c", "d", "e"].enumerated() {
            let unit = state.beginAppend([Self.request(SetAsideKey(name))], from: .direct, now: 0)[0]
            state.stored(unit, count: 1, from: .direct, now: UInt64(10 - number))
        }
        #expect(state.due(now: 107).keys.sorted() == ["d", "e"] && state.nextDue == 108)
        #expect(state.due(now: 107).isEmpty)
        #expect(state.due(now: 200).keys.sorted() == ["c"] && state.nextDue == 220, "one more has room")
        #expect(state.due(now: 219).isEmpty && state.due(now: 220).isEmpty && state.nextDue == 240)
        state.failed(SetAsideKey("d"), Self.failure, byDelivery: false, now: 230)
        #expect(state.nextDue == 230 && state.due(now: 230).keys.sorted() == ["b"])
        #expect(state.brokenAccounts(now: 230) == [])
        #expect(state.units[state.unit(SetAsideKey("d"))!]?.phase == .waiting(until: 330))
    }

    @Test("of a topic's units that are tried together one probe is enough, and is remembered")
    func probes() {
        var state = SetAsideState(
            configuration: DeliverySettings(),
            units: [
                Self.unit(1, SetAsideKey("t", 0), end: 1), Self.unit(2, SetAsideKey("t", 1), end: 1),
                Self.unit(3, SetAsideKey("t", 2), end: 1),
            ],
            nextNumber: 4)
        #expect(state.due(now: 0) == ["t": false])
        state.failed(SetAsideKey("t", 1), Self.failure, byDelivery: true, now: 0)
        #expect(state.units.all.filter(\.isWaiting).map(\.number) == [2], "one unit's failure is its own")
        state.failed(SetAsideKey("t"), Self.failure, byDelivery: false, now: 0)
        #expect(state.units[1]?.phase == .waiting(until: 100) && state.units[2]?.failures == 1, "and a topic's that of all that are tried")
        #expect(state.units.all.map(\.needsProbe).filter { $0 }.count == 1 && state.due(now: 100) == ["t": true])
    }

    @Test("a try that fails says why, waits twice as long each time up to the limit, and what it read counts no more")
    func retries() {
        var configuration = DeliverySettings()
        configuration.retryLimit = 1000
        var state = SetAsideState(configuration: configuration, units: [Self.unit(1, SetAsideKey("t"), end: 5)], nextNumber: 2)
        var now: UInt64 = 0
        for (failures, delay) in zip(1..., [100, 200, 400, 800, 1000, 1000] as [UInt64]) {
            #expect(!state.due(now: now).isEmpty)
            state.found("t", leaderless: [], now: now)
            _ = state.takeChanges(for: .direct)
            state.reading = ReadRequests()
            let pass = state.units[1]!.pass
            state.failed(
                SetAsideKey("t"), KafkaFailure(.notEnoughReplicas, reason: "try \(failures)"), byDelivery: failures % 2 == 0, now: now)
            let unit = state.units[1]!
            #expect(unit.phase == .waiting(until: now + delay) && unit.failures == failures && unit.needsProbe == (failures % 2 == 0))
            #expect(unit.code == "NOT_ENOUGH_REPLICAS" && unit.reason == "try \(failures)" && unit.pass == pass + 1)
            #expect(state.reading.drop == [1] && !state.changes.has(for: .direct), "it was not closing")
            now += delay
        }
        _ = state.due(now: now)
        state.found("t", leaderless: [], now: now)
        let pass = state.units[1]!.pass
        state.hasRead(1, pass: pass, through: 5, acceptedAt: 9)
        state.readAll([(1, pass, 5)])
        _ = state.takeChanges(for: .direct)
        state.failed(SetAsideKey("t"), Self.failure, byDelivery: false, now: now)
        #expect(state.takeChanges(for: .direct).map(\.now) == [SetAsideTopic(whole: .aside)], "newer events follow it again")
        state.failed(SetAsideKey("t"), Self.failure, byDelivery: false, now: now)
        #expect(state.units[1]?.failures == 7, "waiting, it can't fail")
    }

    @Test("what is settled moves the cursor, counts down the bytes, and begins the failures and the oldest time anew")
    func settles() {
        var (state, unit) = Self.state(count: 10)
        _ = Self.drain(&state, at: 100)
        state.failed(SetAsideKey("t"), Self.failure, byDelivery: true, now: 100)
        #expect(Self.drain(&state, at: 500) && state.units[unit]?.pass == 3)
        state.hasRead(unit, pass: 3, through: 4, acceptedAt: 40)
        state.hasRead(unit, pass: 3, through: 8, acceptedAt: 80)
        state.hasRead(unit, pass: 2, through: 9, acceptedAt: 90)
        #expect(state.units[unit]?.read == 8)
        state.settle(unit, pass: 3, through: 3)
        #expect(state.units[unit]?.settled == 3 && state.units[unit]?.bytes == 70 && state.units[unit]?.oldestAcceptedAt == 40)
        #expect(state.units[unit]?.failures == 0 && state.units[unit]?.needsProbe == false && state.actions.moved == [unit])
        state.actions.moved = []
        state.settle(unit, pass: 3, through: 3)
        state.settle(unit, pass: 3, through: 2)
        #expect(state.actions.moved.isEmpty && state.units[unit]?.settled == 3, "never back")
        state.settle(unit, pass: 3, through: 4)
        #expect(state.units[unit]?.oldestAcceptedAt == 80 && state.units[unit]?.readTimes.map(\.end) == [8])
        state.settle(unit, pass: 3, through: 8)
        #expect(state.units[unit]?.oldestAcceptedAt == 80 && state.units[unit]?.bytes == 20)
        state.settle(unit, pass: 3, through: 10)
        #expect(state.isEmpty && state.actions.gone == [unit] && state.actions.moved.isEmpty && state.reading.drop.contains(unit))
        #expect(state.actions.notes.last == .left(SetAsideKey("t"), events: 10, since: 0) && state.unit(SetAsideKey("t")) == nil)
    }
}
