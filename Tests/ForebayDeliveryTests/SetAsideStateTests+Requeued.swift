import ForebayKafka
import Testing

@testable import ForebayDelivery

/// What goes back to its stage, and whose turn it is.
extension SetAsideStateTests {
    @Test("while something of a topic that had turns is left, newer events come in the last one; then as if there had been none")
    func lastTurn() {
        var (state, unit) = Self.state(count: 1)
        let turn = SetAsideTurn(topic: "t", place: 1)
        state.take(turn, [unit])
        state.wait(for: turn, Self.failure)
        state.begin(turn)
        #expect(state.beginAppend([Self.request(SetAsideKey("t"))], from: .direct, now: 0) == [unit])
        state.stored(unit, count: 1, end: 2, from: .direct, now: 0)
        #expect(Self.drain(&state, at: 1000))
        let pass = state.units[unit]!.pass
        state.hasRead(unit, pass: pass, through: 2, acceptedAt: 7)
        state.settle(unit, pass: pass, through: 2)
        #expect(state.isEmpty)
        let next = state.beginAppend([Self.request(SetAsideKey("t"))], from: .direct, now: 0)[0]
        #expect(next != unit && state.units[next]?.turn == 0)
    }

    @Test("a topic of which another log has older events is set aside whole, and drained in its turn")
    func turns() {
        var state = SetAsideState(configuration: DeliverySettings())
        let old = state.beginAppend([Self.request(SetAsideKey("t"), count: 2)], from: .direct, now: 0)[0]
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
        let new = state.beginAppend([Self.request(SetAsideKey("t"), count: 3)], from: .direct, now: 0)[0]
        let other = state.beginAppend([Self.request(SetAsideKey("other"))], from: .direct, now: 0)[0]
        state.stored(new, count: 3, from: .direct, now: 0)
        state.stored(other, count: 1, from: .direct, now: 0)
        #expect(new != old && state.units[new]?.code == "TOPIC_AUTHORIZATION_FAILED", "why the older ones wait")
        #expect(state.due(now: 60_000) == ["t": false, "other": false])
        state.found("t", leaderless: [], now: 60_000)
        #expect(state.units[new]?.isWaiting == true && state.units[old]?.phase == .draining)
        // What the drain can't deliver of it stays in that turn.
        let part = state.beginAppend([Self.request(SetAsideKey("t", 1))], from: .aside, now: 0)[0]
        #expect(state.units[part]?.turn == 0)
        state.stored(part, count: 1, from: .aside, now: 0)
        state.hasRead(old, pass: 1, through: 2, acceptedAt: 7)
        state.readAll([(old, 1, 2)])
        state.begin(.direct)
        #expect(state.takeChanges(for: .direct).first { $0.topic == "t" }?.now?.whole == .aside, "not closing: others come before")
        state.settle(old, pass: 1, through: 2)
        #expect(state.actions.turnsOver.isEmpty, "a partition is left of it")
        #expect(state.due(now: 120_000) == ["t": false])
        state.found("t", leaderless: [], now: 120_000)
        state.hasRead(part, pass: 1, through: 1, acceptedAt: 7)
        state.settle(part, pass: 1, through: 1)
        #expect(state.actions.turnsOver == [SetAsideTurn(topic: "t", place: 0)])
        #expect(state.due(now: 180_000).isEmpty && !state.waitsForTime)
        for topic in ["t", "idle"] { state.begin(SetAsideTurn(topic: topic, place: 2)) }
        #expect(state.due(now: 180_000) == ["t": false])
        let changes = Dictionary(uniqueKeysWithValues: state.takeChanges(for: .direct).map { ($0.topic, $0.now) })
        #expect(changes["t"]??.whole == .aside && changes["idle"] == .some(nil), "of one nothing came meanwhile")
    }

    @Test("without room units of topics and partitions go back, not before what is newer than they are, nor while a producer has some")
    func requeued() {
        let (whole, part) = (SetAsideKey("t"), SetAsideKey("t", 1))
        var state = SetAsideState(configuration: DeliverySettings())
        var units = state.beginAppend([Self.request(part, count: 3, held: 2), Self.request(whole)], from: .direct, now: 0)
        #expect(state.requeue(Set(units), from: .direct).units == [units[1]], "newer ones may go, they come behind the partition")
        let before = units[1]
        #expect(state.actions.gone == [before], "the log may know it")
        units[1] = state.beginAppend([Self.request(whole)], from: .direct, now: 0)[0]
        #expect(units[1] != before)
        state.reported(100, by: .direct, isDelivered: true)
        #expect(state.requeue([units[0]], from: .direct).units.isEmpty)
        state.reported(101, by: .direct, isDelivered: false)
        #expect(state.requeue([units[0]], from: .direct).units.isEmpty, "the whole topic has newer ones")
        let taken = state.requeue(Set(units), from: .direct)
        #expect(taken.units == Set(units) && taken.delivered == [100] && state.isEmpty)
        state.forgetRequeued(.direct)
        state.forgetRequeued(.direct)
        #expect(state.actions.notes.filter { if case .left = $0 { true } else { false } }.count == 2)
        #expect(Set(state.actions.gone) == Set(units + [before]) && state.actions.gone.count == 3)
        let next = state.beginAppend([Self.request(part)], from: .direct, now: 0)
        #expect(!units.contains(next[0]), "by another number")
        #expect(state.requeue(Set(next), from: .direct).units == Set(next))
        // With newer ones in the log, the partition can't.
        units = state.beginAppend([Self.request(part), Self.request(whole)], from: .direct, now: 0)
        state.stored(units[1], count: 1, from: .direct, now: 0)
        #expect(state.requeue(Set(units), from: .direct).units.isEmpty)
        // Another stage has some on their way, too.
        state = SetAsideState(configuration: DeliverySettings())
        units = state.beginAppend([Self.request(part)], from: .direct, now: 0)
        _ = state.beginAppend([Self.request(part)], from: .aside, now: 0)
        #expect(state.requeue(Set(units), from: .direct).units.isEmpty)
    }

    @Test("what can't follow the events of its unit into the log goes back once these are delivered, and not before")
    func requeuedBehindDelivered() {
        var (state, unit) = Self.state(count: 2)
        #expect(state.beginAppend([Self.request(SetAsideKey("t"), count: 3)], from: .direct, now: 0) == [unit])
        #expect(Self.drain(&state, at: 100))
        let pass = state.units[unit]!.pass
        state.hasRead(unit, pass: pass, through: 2, acceptedAt: 7)
        state.settle(unit, pass: pass, through: 1)
        #expect(state.requeue([unit], from: .direct).units.isEmpty, "one is still there")
        state.settle(unit, pass: pass, through: 2)
        #expect(state.units[unit]?.events == 3)
        _ = state.reading.take()
        #expect(state.requeue([unit], from: .direct).units == [unit] && state.isEmpty && state.actions.gone == [unit])
        #expect(state.reading.drop == [unit] && state.actions.moved.isEmpty)
    }

    @Test("what a run took back is nobody's when it ends: it comes again from the cursor, and goes direct if it may")
    func requeuedAtTheEnd() {
        var state = SetAsideState(configuration: DeliverySettings())
        let units = state.beginAppend([Self.request(SetAsideKey("t", 1))], from: .direct, now: 0)
        #expect(state.requeue(Set(units), from: .direct).units == Set(units))
        var hasLeft: Bool {
            state.actions.notes.contains { if case .left(SetAsideKey("t", 1), _, _, _) = $0 { true } else { false } }
        }
        state.end(.aside, now: 1)
        #expect(!hasLeft && state.hasRequeuedPartition, "the other stage's")
        state.end(.direct, now: 1)
        #expect(hasLeft && state.actions.gone == units && !state.hasRequeuedPartition)
        // Also what was not taken back before the end: the log may know it.
        let others = state.beginAppend([Self.request(SetAsideKey("u"))], from: .direct, now: 0)
        state.end(.direct, now: 2)
        #expect(state.actions.gone == units + others)
    }

    @Test("what the drain can't store apart stays where it is: with what a producer delivered of it, and comes anew the next time")
    func letGo() {
        var (state, whole) = Self.state(count: 10)
        #expect(Self.drain(&state, at: 100))
        let key = SetAsideKey("t", 1)
        var part = state.beginAppend([Self.request(key, count: 3, held: 2)], from: .aside, now: 0)[0]
        state.reported(100, by: .aside, isDelivered: true)
        #expect(state.letGo([part: 10]) == [100] && state.units[part] == nil && state.units[whole] != nil)
        let before = part
        part = state.beginAppend([Self.request(key)], from: .aside, now: 0)[0]
        #expect(part != before && state.actions.gone == [before])
        // In the log, it stays.
        state.stored(part, count: 1, end: 1, from: .aside, now: 0)
        _ = state.beginAppend([Self.request(key)], from: .aside, now: 0)
        #expect(state.letGo([part: 10]).isEmpty && state.units[part]?.events == 1)
        // Nobody has it any more when all of its topic is delivered.
        let other = state.beginAppend([Self.request(SetAsideKey("t", 0))], from: .aside, now: 0)[0]
        _ = state.letGo([other: 1])
        state.settle(part, pass: 0, through: 1)
        #expect(!state.requeued.isEmpty)
        state.settle(whole, pass: 1, through: 10)
        #expect(state.isEmpty && state.requeued.isEmpty && Set(state.actions.gone) == [before, part, whole, other])
    }

    @Test("a topic that had turns goes back when they are over")
    func requeuedBehindTurns() {
        var state = SetAsideState(configuration: DeliverySettings())
        let turn = SetAsideTurn(topic: "t", place: 2)
        state.take(turn, [])
        state.wait(for: turn, Self.failure)
        var unit = state.beginAppend([Self.request(SetAsideKey("t"))], from: .direct, now: 0)[0]
        #expect(state.units[unit]?.turn == 2 && state.requeue([unit], from: .direct).units.isEmpty, "another log has older ones")
        state.begin(turn)
        #expect(state.requeue([unit], from: .direct).units == [unit])
        unit = state.beginAppend([Self.request(SetAsideKey("t"))], from: .direct, now: 0)[0]
        #expect(state.units[unit]?.turn == 0, "all is over")
        #expect(state.requeue([unit], from: .direct).units == [unit])
    }
}
