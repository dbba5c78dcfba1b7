import ForebayKafka
import Testing

@testable import ForebayDelivery

@Suite("Set-aside state")
struct SetAsideStateTests {
    static let failure = KafkaFailure(.unknownTopicOrPartition)

    static func departure(_ key: SetAsideKey, count: Int = 1, held: Int = 0) -> SetAsideState.Departure {
        var departure = SetAsideState.Departure(key: key, partitionCount: 3, failure: Self.failure, acceptedAt: 5)
        departure.count = count
        departure.bytes = count * 10
        departure.held = (0..<held).map { ($0, UInt64(100 + $0)) }
        return departure
    }

    /// A state with `count` events of a unit durable, of which the first `held` are held by a producer of the direct stage.
    static func state(_ key: SetAsideKey = SetAsideKey("t"), count: Int, held: Int = 0) -> (SetAsideState, unit: UInt64) {
        var state = SetAsideState(configuration: DeliverySettings())
        let unit = state.depart([Self.departure(key, count: count, held: held)], from: .direct, now: 0)[0]
        state.stored(unit, count: count, from: .direct, now: 0)
        return (state, unit)
    }

    /// Takes a unit from waiting to draining.
    static func drain(_ state: inout SetAsideState, at now: UInt64, leaderless: Set<Int32> = []) -> Bool {
        guard !state.due(now: now).isEmpty else { return false }
        state.found("t", leaderless: leaderless, now: now)
        return !state.toRead.isEmpty
    }

    @Test("a unit is not tried before its time, and each failure makes the wait longer")
    func backoff() {
        var (state, _) = Self.state(count: 1)
        #expect(state.due(now: 99).isEmpty && state.waitsForTime)
        #expect(state.due(now: 100) == ["t": false])
        #expect(state.due(now: 5000).isEmpty, "it is being asked for")
        state.failed(SetAsideKey("t"), Self.failure, byDelivery: false, now: 1000)
        #expect(state.due(now: 1099).isEmpty)
        #expect(state.due(now: 1100) == ["t": false])
        state.failed(SetAsideKey("t"), KafkaFailure(.topicAuthorizationFailed), byDelivery: true, now: 2000)
        #expect(state.due(now: 2199).isEmpty)
        #expect(state.due(now: 2200) == ["t": true], "refused at a delivery: one event goes first")
    }

    @Test("so many units at once are tried, those first that have waited longest")
    func bounded() {
        var configuration = DeliverySettings()
        configuration.drainedUnits = 2
        var state = SetAsideState(configuration: configuration)
        for (number, name) in ["a", "b", "c"].enumerated() {
            let unit = state.depart([Self.departure(SetAsideKey(name))], from: .direct, now: 0)[0]
            state.stored(unit, count: 1, from: .direct, now: UInt64(number))
        }
        #expect(Set(state.due(now: 500).keys) == ["a", "b"])
        #expect(state.due(now: 600).isEmpty && state.waitsForTime)
        state.failed(SetAsideKey("a"), Self.failure, byDelivery: false, now: 600)
        #expect(Set(state.due(now: 620).keys) == ["c"])
    }

    @Test("while a producer holds its head a unit is not drained; reports settle the head, an end lets go of it")
    func held() {
        var (state, unit) = Self.state(count: 5, held: 3)
        #expect(state.due(now: 1000).isEmpty)
        state.reported(101, by: .direct, isDelivered: true)
        #expect(state.units[unit]?.settled == 0, "not the first")
        state.reported(100, by: .direct, isDelivered: true)
        #expect(state.units[unit]?.settled == 2 && state.moved == [unit])
        #expect(state.due(now: 1000).isEmpty)
        state.reported(102, by: .aside, isDelivered: true)
        #expect(state.due(now: 1000).isEmpty, "another stage's token")
        state.reported(102, by: .direct, isDelivered: false)
        #expect(Self.drain(&state, at: 1000))
        #expect(state.units[unit]?.read == 2, "from the first that was not delivered")
    }

    @Test("a unit is gone only when all is settled and nothing is on its way into the log")
    func gone() {
        var (state, unit) = Self.state(count: 2)
        #expect(Self.drain(&state, at: 100))
        let pass = state.units[unit]!.pass
        state.hasRead(unit, pass: pass, through: 2, acceptedAt: 7)
        _ = state.depart([Self.departure(SetAsideKey("t"))], from: .direct, now: 0)
        state.settle(unit, pass: pass, through: 2)
        #expect(state.gone.isEmpty && state.units[unit]?.events == 1)
        state.stored(unit, count: 1, from: .direct, now: 0)
        state.settle(unit, pass: pass, through: 3)
        #expect(state.gone == [unit] && state.isEmpty)
        #expect(state.takeChanges(for: .direct).map(\.topic) == ["t"])
    }

    @Test("what is read and settled before the word came that it is stored counts once; its unit is gone with that word, not before")
    func aheadOfTheWord() {
        var (state, unit) = Self.state(count: 5)
        #expect(Self.drain(&state, at: 100))
        _ = state.depart([Self.departure(SetAsideKey("t"), count: 3)], from: .direct, now: 0)
        // The log has published them, and the reader and Kafka are faster than whoever asked for it.
        state.hasRead(unit, pass: 1, through: 8, acceptedAt: 7)
        state.settle(unit, pass: 1, through: 8)
        #expect(state.units[unit]?.durable == 0 && state.gone.isEmpty, "it is still being appended to")
        state.readAll([(unit, 1, 8)])
        _ = state.depart([Self.departure(SetAsideKey("t"), count: 2)], from: .direct, now: 0)
        state.stored(unit, count: 3, end: 8, from: .direct, now: 0)
        #expect(state.units[unit]?.end == 8 && state.units[unit]?.events == 2)
        state.hasRead(unit, pass: 1, through: 10, acceptedAt: 7)
        state.settle(unit, pass: 1, through: 10)
        state.stored(unit, count: 2, end: 10, from: .direct, now: 0)
        #expect(state.isEmpty && state.gone == [unit])
    }

    @Test("a loss at the end that is passed before the word came that it was stored is passed once")
    func lossAheadOfTheWord() {
        var (state, unit) = Self.state(count: 2)
        #expect(Self.drain(&state, at: 100))
        _ = state.depart([Self.departure(SetAsideKey("t"), count: 3)], from: .direct, now: 0)
        state.hasRead(unit, pass: 1, through: 2, acceptedAt: 7)
        state.readAll([(unit, 1, 5)])
        state.settle(unit, pass: 1, through: 2)
        #expect(state.units[unit]?.settled == 5 && state.units[unit]?.durable == 0)
        state.stored(unit, count: 3, end: 5, from: .direct, now: 0)
        #expect(state.isEmpty)
    }

    @Test("what a producer held stands where the log put it, whether it is reported before or after that", arguments: [false, true])
    func placedByTheLog(isEarly: Bool) {
        var (state, unit) = Self.state(count: 4)
        // Of five, the second to fourth are held; two groups take them. Something that nobody waits for stands in the log before them.
        var departure = Self.departure(SetAsideKey("t"), count: 5)
        departure.held = [(1, 100), (2, 101), (3, 102)]
        _ = state.depart([departure], from: .aside, now: 0)
        func report() {
            for token in [100, 101, 102] as [UInt64] { state.reported(token, by: .aside, isDelivered: token != 101) }
        }
        if isEarly { report() }
        state.stored(unit, count: 2, end: 16, from: .aside, now: 0)
        state.stored(unit, count: 3, end: 19, from: .aside, now: 0)
        if !isEarly { report() }
        #expect(state.units[unit]?.ahead == [15, 17], "100 is the last of the first group, 102 the second of the other")
        #expect(state.units[unit]?.held == 0 && state.units[unit]?.end == 19 && state.units[unit]?.settled == 0)
        #expect(state.held.isEmpty, "reported and placed, they are nothing to remember any more")
    }

    @Test("while something of a topic that had turns is left, newer events come in the last one; then as if there had been none")
    func lastTurn() {
        var (state, unit) = Self.state(count: 1)
        let turn = SetAsideTurn(topic: "t", place: 1)
        state.take(turn, [unit])
        state.wait(for: turn, Self.failure)
        state.begin(turn)
        #expect(state.depart([Self.departure(SetAsideKey("t"))], from: .direct, now: 0) == [unit])
        state.stored(unit, count: 1, end: 2, from: .direct, now: 0)
        #expect(Self.drain(&state, at: 1000))
        let pass = state.units[unit]!.pass
        state.hasRead(unit, pass: pass, through: 2, acceptedAt: 7)
        state.settle(unit, pass: pass, through: 2)
        #expect(state.isEmpty)
        let next = state.depart([Self.departure(SetAsideKey("t"))], from: .direct, now: 0)[0]
        #expect(next != unit && state.units[next]?.turn == 0)
    }

    @Test("a topic of which another log has older events is set aside whole, and drained in its turn")
    func turns() {
        var state = SetAsideState(configuration: DeliverySettings())
        let old = state.depart([Self.departure(SetAsideKey("t"), count: 2)], from: .direct, now: 0)[0]
        state.stored(old, count: 2, from: .direct, now: 0)
        // What is here comes first, then another log's, then what is newer.
        state.take(SetAsideTurn(topic: "t", place: 0), [old])
        for topic in ["t", "idle"] {
            state.take(SetAsideTurn(topic: topic, place: 2), [])
            state.wait(for: SetAsideTurn(topic: topic, place: 2), KafkaFailure(.topicAuthorizationFailed))
        }
        #expect(Set(state.takeChanges(for: .direct).map(\.topic)) == ["t", "idle"])
        state.begin(.direct)
        #expect(state.takeChanges(for: .direct).allSatisfy { $0.now?.whole == .aside })
        let new = state.depart([Self.departure(SetAsideKey("t"), count: 3)], from: .direct, now: 0)[0]
        let other = state.depart([Self.departure(SetAsideKey("other"))], from: .direct, now: 0)[0]
        state.stored(new, count: 3, from: .direct, now: 0)
        state.stored(other, count: 1, from: .direct, now: 0)
        #expect(new != old && state.units[new]?.code == "TOPIC_AUTHORIZATION_FAILED", "why the older ones wait")
        #expect(state.due(now: 60_000) == ["t": false, "other": false])
        state.found("t", leaderless: [], now: 60_000)
        #expect(state.units[new]?.isWaiting == true && state.units[old]?.phase == .draining)
        // What the drain can't deliver of it stays in that turn.
        let part = state.depart([Self.departure(SetAsideKey("t", 1))], from: .aside, now: 0)[0]
        #expect(state.units[part]?.turn == 0)
        state.stored(part, count: 1, from: .aside, now: 0)
        state.hasRead(old, pass: 1, through: 2, acceptedAt: 7)
        state.readAll([(old, 1, 2)])
        state.begin(.direct)
        #expect(state.takeChanges(for: .direct).first { $0.topic == "t" }?.now?.whole == .aside, "not closing: others come before")
        state.settle(old, pass: 1, through: 2)
        #expect(state.left.isEmpty, "a partition is left of it")
        #expect(state.due(now: 120_000) == ["t": false])
        state.found("t", leaderless: [], now: 120_000)
        state.hasRead(part, pass: 1, through: 1, acceptedAt: 7)
        state.settle(part, pass: 1, through: 1)
        #expect(state.left == [SetAsideTurn(topic: "t", place: 0)])
        #expect(state.due(now: 180_000).isEmpty && !state.waitsForTime)
        for topic in ["t", "idle"] { state.begin(SetAsideTurn(topic: topic, place: 2)) }
        #expect(state.due(now: 180_000) == ["t": false])
        let changes = Dictionary(uniqueKeysWithValues: state.takeChanges(for: .direct).map { ($0.topic, $0.now) })
        #expect(changes["t"]??.whole == .aside && changes["idle"] == .some(nil), "of one nothing came meanwhile")
    }

    @Test("what an earlier pass settles does not count, nor is it accepted")
    func passes() {
        var (state, unit) = Self.state(count: 4)
        #expect(Self.drain(&state, at: 100))
        let first = state.units[unit]!.pass
        #expect(state.accepts(unit: unit, pass: first))
        state.failed(SetAsideKey("t"), Self.failure, byDelivery: false, now: 200)
        #expect(!state.accepts(unit: unit, pass: first))
        state.settle(unit, pass: first, through: 4)
        #expect(state.units[unit]?.settled == 0)
    }

    @Test("read to its end a unit is closed, unless its topic as a whole may still send it more")
    func closing() {
        var (state, unit) = Self.state(SetAsideKey("t", 1), count: 2)
        #expect(Self.drain(&state, at: 100))
        state.hasRead(unit, pass: 1, through: 2, acceptedAt: 7)
        let whole = state.depart([Self.departure(SetAsideKey("t"))], from: .direct, now: 0)[0]
        state.readAll([(unit, 1, 2)])
        #expect(state.units[unit]?.phase == .draining)
        state.stored(whole, count: 1, from: .direct, now: 0)
        state.failed(SetAsideKey("t"), Self.failure, byDelivery: false, now: 0)
        #expect(state.takeChanges(for: .direct).first?.now?.whole == .aside)
    }

    @Test("events at a unit's end that can't be read any more are passed")
    func lostTail() {
        var (state, unit) = Self.state(count: 5)
        #expect(Self.drain(&state, at: 100))
        state.hasRead(unit, pass: 1, through: 3, acceptedAt: 7)
        state.readAll([(unit, 1, 5)])
        #expect(state.units[unit]?.settled == 0, "the readable ones first")
        state.settle(unit, pass: 1, through: 3)
        #expect(state.isEmpty)
    }

    @Test("what was handed out between two losses is not passed with them")
    func lostTwice() {
        var (state, unit) = Self.state(count: 10)
        #expect(Self.drain(&state, at: 100))
        state.hasRead(unit, pass: 1, through: 10, acceptedAt: 7)
        state.readAll([(unit, 1, 15)])
        state.stored(unit, count: 5, end: 20, from: .direct, now: 0)
        state.hasRead(unit, pass: 1, through: 20, acceptedAt: 7)
        state.readAll([(unit, 1, 25)])
        state.settle(unit, pass: 1, through: 10)
        #expect(state.units[unit]?.settled == 10 && state.gone.isEmpty, "15 to 19 are on their way to Kafka")
        state.settle(unit, pass: 1, through: 20)
        #expect(state.isEmpty && state.gone == [unit])
        // Two in one piece are passed together.
        (state, unit) = Self.state(count: 3)
        #expect(Self.drain(&state, at: 100))
        state.readAll([(unit, 1, 2)])
        #expect(state.units[unit]?.settled == 2)
        state.readAll([(unit, 1, 3)])
        #expect(state.isEmpty)
    }

    @Test("without room units of topics and partitions go back, not before what is newer than they are, nor while a producer has some")
    func takenBack() {
        let (whole, part) = (SetAsideKey("t"), SetAsideKey("t", 1))
        var state = SetAsideState(configuration: DeliverySettings())
        var units = state.depart([Self.departure(part, count: 3, held: 2), Self.departure(whole)], from: .direct, now: 0)
        #expect(state.takeBack(Set(units), from: .direct).units == [units[1]], "newer ones may go, they come behind the partition")
        #expect(state.depart([Self.departure(whole)], from: .direct, now: 0) == [units[1]], "by the same number")
        state.reported(100, by: .direct, isDelivered: true)
        #expect(state.takeBack([units[0]], from: .direct).units.isEmpty)
        state.reported(101, by: .direct, isDelivered: false)
        #expect(state.takeBack([units[0]], from: .direct).units.isEmpty, "the whole topic has newer ones")
        let taken = state.takeBack(Set(units), from: .direct)
        #expect(taken.units == Set(units) && taken.delivered == [100] && state.isEmpty)
        state.wentDirect(.direct)
        state.wentDirect(.direct)
        #expect(state.notes.filter { if case .left = $0 { true } else { false } }.count == 2)
        #expect(Set(state.gone) == Set(units), "the log may know them")
        let next = state.depart([Self.departure(part)], from: .direct, now: 0)
        #expect(!units.contains(next[0]), "by another number")
        #expect(state.takeBack(Set(next), from: .direct).units == Set(next))
        // With newer ones in the log, the partition can't.
        units = state.depart([Self.departure(part), Self.departure(whole)], from: .direct, now: 0)
        state.stored(units[1], count: 1, from: .direct, now: 0)
        #expect(state.takeBack(Set(units), from: .direct).units.isEmpty)
        // Another stage has some on their way, too.
        state = SetAsideState(configuration: DeliverySettings())
        units = state.depart([Self.departure(part)], from: .direct, now: 0)
        _ = state.depart([Self.departure(part)], from: .aside, now: 0)
        #expect(state.takeBack(Set(units), from: .direct).units.isEmpty)
    }

    @Test("what a run took back is nobody's when it ends: it comes again from the cursor, and goes direct if it may")
    func takenBackAtTheEnd() {
        var state = SetAsideState(configuration: DeliverySettings())
        let units = state.depart([Self.departure(SetAsideKey("t", 1))], from: .direct, now: 0)
        #expect(state.takeBack(Set(units), from: .direct).units == Set(units))
        state.end(.aside, now: 1)
        #expect(state.gone.isEmpty, "the other stage's")
        state.end(.direct, now: 1)
        #expect(state.gone == units && !state.hasTakenPartitionBack)
        #expect(state.notes.contains { if case .left(SetAsideKey("t", 1), _, _, _) = $0 { true } else { false } })
    }

    @Test("what the drain can't store apart stays where it is: with what a producer delivered of it, and under its number the next time")
    func letGo() {
        var (state, whole) = Self.state(count: 10)
        #expect(Self.drain(&state, at: 100))
        let key = SetAsideKey("t", 1)
        let part = state.depart([Self.departure(key, count: 3, held: 2)], from: .aside, now: 0)[0]
        state.reported(100, by: .aside, isDelivered: true)
        #expect(state.letGo([part: 10]) == [100] && state.units[part] == nil && state.units[whole] != nil)
        #expect(state.depart([Self.departure(key)], from: .aside, now: 0) == [part])
        // In the log, it stays.
        state.stored(part, count: 1, end: 1, from: .aside, now: 0)
        _ = state.depart([Self.departure(key)], from: .aside, now: 0)
        #expect(state.letGo([part: 10]).isEmpty && state.units[part]?.events == 1)
        // Nobody has it any more when all of its topic is delivered.
        let other = state.depart([Self.departure(SetAsideKey("t", 0))], from: .aside, now: 0)[0]
        _ = state.letGo([other: 1])
        state.settle(part, pass: 0, through: 1)
        #expect(!state.gone.contains(other))
        state.settle(whole, pass: 1, through: 10)
        #expect(state.isEmpty && Set(state.gone) == [part, whole, other])
    }

    @Test("a topic that had turns goes back when they are over")
    func takenBackBehindTurns() {
        var state = SetAsideState(configuration: DeliverySettings())
        let turn = SetAsideTurn(topic: "t", place: 2)
        state.take(turn, [])
        state.wait(for: turn, Self.failure)
        var unit = state.depart([Self.departure(SetAsideKey("t"))], from: .direct, now: 0)[0]
        #expect(state.units[unit]?.turn == 2 && state.takeBack([unit], from: .direct).units.isEmpty, "another log has older ones")
        state.begin(turn)
        #expect(state.takeBack([unit], from: .direct).units == [unit])
        unit = state.depart([Self.departure(SetAsideKey("t"))], from: .direct, now: 0)[0]
        #expect(state.units[unit]?.turn == 0, "all is over")
        #expect(state.takeBack([unit], from: .direct).units == [unit])
    }

    @Test("a partition without leader waits; the whole topic does not")
    func leaderless() {
        var (state, unit) = Self.state(SetAsideKey("t", 1), count: 1)
        #expect(!Self.drain(&state, at: 100, leaderless: [1]))
        #expect(state.units[unit]?.isWaiting == true && state.units[unit]?.code == "LEADER_NOT_AVAILABLE")
        #expect(state.due(now: 200) == ["t": false], "no delivery failed, so none is tried alone")
    }

    @Test("a stage that ends takes back what it had on its way, and its producers hold nothing")
    func ends() {
        var (state, unit) = Self.state(count: 2, held: 1)
        _ = state.depart([Self.departure(SetAsideKey("new"))], from: .direct, now: 0)
        state.end(.direct, now: 50)
        #expect(state.units.count == 1 && state.units[unit]?.held == 0, "nothing of the new unit was stored")
        #expect(Self.drain(&state, at: 100))
        state.end(.aside, now: 200)
        #expect(state.units[unit]?.phase == .waiting(until: 200))
    }
}

extension SetAsideState {
    /// What a log would say that nobody else appends to.
    mutating func stored(_ number: UInt64, count: Int, from way: DeliveryWay, now: UInt64) {
        self.stored(number, count: count, end: (self.units[number]?.end ?? 0) + UInt64(count), from: way, now: now)
    }
}

extension SetAsideState {
    /// The cluster knows a topic, with as many partitions as ever.
    mutating func found(_ topic: String, leaderless: Set<Int32>, now: UInt64) {
        self.found(DeliveryActions.Found(topic: topic, leaderless: leaderless, partitionCount: .max), now: now)
    }
}
