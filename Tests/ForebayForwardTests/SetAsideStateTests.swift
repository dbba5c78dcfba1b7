import ForebayKafka
import Testing

@testable import ForebayForward

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
        var state = SetAsideState(configuration: ForwardConfiguration())
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
        var configuration = ForwardConfiguration()
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
        state.reported(102, by: .drain, isDelivered: true)
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

    @Test("a partition without leader waits; the whole topic does not")
    func leaderless() {
        var (state, unit) = Self.state(SetAsideKey("t", 1), count: 1)
        #expect(!Self.drain(&state, at: 100, leaderless: [1]))
        #expect(state.units[unit]?.isWaiting == true && state.units[unit]?.code == "LEADER_NOT_AVAILABLE")
    }

    @Test("a stage that ends takes back what it had on its way, and its producers hold nothing")
    func ends() {
        var (state, unit) = Self.state(count: 2, held: 1)
        _ = state.depart([Self.departure(SetAsideKey("new"))], from: .direct, now: 0)
        state.end(.direct, now: 50)
        #expect(state.units.count == 1 && state.units[unit]?.held == 0, "nothing of the new unit was stored")
        #expect(Self.drain(&state, at: 100))
        state.end(.drain, now: 200)
        #expect(state.units[unit]?.phase == .waiting(until: 200))
    }
}
