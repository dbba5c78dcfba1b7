import ForebayKafka
import Testing

@testable import ForebayDelivery

/// How units are read to their end, and what the end of a stage leaves of them.
extension SetAsideStateTests {
    @Test("a new pass forgets what an earlier one read and could not read, and keeps what is settled ahead")
    func newPass() {
        var (state, unit) = Self.state(count: 6, held: 3)
        state.reported(102, by: .direct, isDelivered: true)
        state.reported(100, by: .direct, isDelivered: false)
        state.reported(101, by: .direct, isDelivered: false)
        #expect(Self.drain(&state, at: 100) && state.units[unit]?.ahead == [2])
        state.hasRead(unit, pass: 1, through: 2, acceptedAt: 7)
        state.readAll([(unit, 1, 4)])
        #expect(state.units[unit]?.lost == 2..<4 && state.units[unit]?.read == 4 && state.units[unit]?.phase == .draining)
        state.readAll([(unit, 1, 5)])
        #expect(state.units[unit]?.lost == 2..<5, "more of it")
        state.readAll([(unit, 9, 6), (88, 1, 6)])
        #expect(state.units[unit]?.lost == 2..<5, "another pass's, another unit's")
        state.failed(SetAsideKey("t"), Self.failure, byDelivery: false, now: 100)
        #expect(Self.drain(&state, at: 900))
        let again = state.units[unit]!
        #expect(again.lost == nil && again.read == 0 && again.readTimes.isEmpty && again.pass == 3)
        state.hasRead(unit, pass: 3, through: 6, acceptedAt: 7)
        state.readAll([(unit, 3, 6)])
        #expect(state.units[unit]?.phase == .closing)
        #expect(state.accepts(unit: unit, pass: 3) && !state.accepts(unit: unit, pass: 2) && !state.accepts(unit: 99, pass: 3))
        state.settle(unit, pass: 3, through: 6)
        #expect(state.isEmpty)
    }

    @Test("what a pass could not read at its end is passed when all before it is settled, and what comes behind it stays")
    func lost() {
        var (state, unit) = Self.state(count: 5)
        _ = Self.drain(&state, at: 100)
        state.hasRead(unit, pass: 1, through: 2, acceptedAt: 7)
        state.readAll([(unit, 1, 9)])
        state.settle(unit, pass: 1, through: 1)
        #expect(state.units[unit]?.settled == 1)
        _ = state.beginAppend([Self.request(SetAsideKey("t"))], from: .direct, now: 0)
        state.settle(unit, pass: 1, through: 2)
        #expect(state.units[unit]?.settled == 9 && state.units[unit]?.events == 1)
        state.stored(unit, count: 1, from: .direct, now: 0)
        #expect(state.units[unit]?.settled == 9 && state.units[unit]?.end == 10 && state.units[unit]?.events == 1)
    }

    @Test("read to its end a unit closes, once; read half it does not; only its own stages are told")
    func closes() {
        var (state, unit) = Self.state(count: 4)
        _ = Self.drain(&state, at: 100)
        state.hasRead(unit, pass: 1, through: 3, acceptedAt: 7)
        for way in [DeliveryWay.direct, .aside] { _ = state.takeChanges(for: way) }
        state.readAll([(unit, 1, 3)])
        #expect(state.units[unit]?.phase == .draining && !state.changes.has(for: .direct))
        state.hasRead(unit, pass: 1, through: 4, acceptedAt: 7)
        state.readAll([(unit, 1, 4)])
        #expect(state.takeChanges(for: .direct).map(\.now?.whole) == [.closing] && state.changes.has(for: .aside))
        state.readAll([(unit, 1, 4)])
        #expect(!state.changes.has(for: .direct))
    }

    @Test("a drain that ends gives up what it was at: units wait from now on, closing ones are told, and what it was to read is not")
    func endOfTheDrain() {
        var state = SetAsideState(
            configuration: DeliverySettings(),
            units: [
                Self.unit(1, SetAsideKey("a"), end: 1), Self.unit(2, SetAsideKey("b"), end: 1), Self.unit(3, SetAsideKey("c"), end: 1),
            ],
            nextNumber: 4)
        _ = state.due(now: 0)
        state.failed(SetAsideKey("c"), Self.failure, byDelivery: false, now: 0)
        state.found("a", leaderless: [], now: 0)
        state.found("b", leaderless: [], now: 0)
        state.hasRead(1, pass: 1, through: 1, acceptedAt: 7)
        state.readAll([(1, 1, 1)])
        state.keepUnreported(7, unit: 2, position: 0)
        for way in [DeliveryWay.direct, .aside] { _ = state.takeChanges(for: way) }
        state.end(.aside, now: 50)
        #expect(state.takeChanges(for: .direct).map(\.topic) == ["a"])
        #expect(state.units[1]?.phase == .waiting(until: 50) && state.units[2]?.phase == .waiting(until: 50))
        #expect(state.units[3]?.phase == .waiting(until: 100) && state.units[1]?.pass == 2 && state.units[3]?.pass == 1)
        #expect(state.unreported.sent(of: 2) == 0 && state.reading.start.isEmpty && state.reading.drop.isEmpty)
        #expect(state.due(now: 50).keys.sorted() == ["a", "b"])
        state.reported(7, by: .aside, isDelivered: true)
        #expect(state.units[2]?.ahead == [] && state.brokenAccounts(now: 50) == [])
    }

    @Test("a direct stage that ends takes back only its own, and leaves the drain at its work")
    func endOfTheDirect() {
        var (state, unit) = Self.state(count: 2)
        _ = state.beginAppend([Self.request(SetAsideKey("t"), count: 2, held: 1)], from: .direct, now: 0)
        _ = state.beginAppend([Self.request(SetAsideKey("t", 1), held: 1)], from: .aside, now: 0)
        state.reported(100, by: .direct, isDelivered: false)
        #expect(Self.drain(&state, at: 100))
        state.end(.direct, now: 200)
        #expect(state.units[unit]?.phase == .draining && state.units[unit]?.pendingCount == 0 && state.reading.start == [unit])
        let other = state.unit(SetAsideKey("t", 1))!
        #expect(state.units[other]?.pending == [.aside: 1] && state.unreported.sent(of: other) == 1)
        state.end(.aside, now: 300)
        #expect(state.units.all.map(\.number).sorted() == [unit] && state.actions.gone == [other], "the log may know it")
        #expect(state.reading.drop.isEmpty && state.unreported.isEmpty, "nothing is read any more, and nothing held")
    }
}
