import ForebayKafka
import Testing

@testable import ForebayDelivery

/// What an operator brings and takes, in every phase of a unit, with events in the drain's hands, on their way, and held.
@Suite("Set-aside state: by hand")
struct SetAsideStateHandTests {
    private typealias Tests = SetAsideStateTests

    private static let all = SetAsideState.Meant()

    /// Removes all that a unit has in the log, as an operator does.
    private static func remove(_ state: inout SetAsideState, _ number: UInt64) {
        state.take([number])
        if !state.recalled.isEmpty { state.recalled("t", unreported: []) }
        state.recalled = []
        #expect(state.areTaken([number]))
        state.settleByHand(number, through: state.units[number]!.end, now: 9)
        state.release([number])
    }

    @Test("a unit that waits, is asked for, is drained, or is closed, is taken, and gone with what it has", arguments: 0..<4)
    func phases(phase: Int) {
        var (state, unit) = Tests.state(count: 5)
        if phase > 0 { #expect(state.due(now: 1000) == ["t": false]) }
        if phase > 1 { state.found("t", leaderless: [], now: 1000) }
        let pass = state.units[unit]!.pass
        if phase > 2 {
            state.hasRead(unit, pass: pass, through: 5, acceptedAt: 7)
            state.readAll([(unit, pass, 5)])
            state.settle(unit, pass: pass, through: 2)
            #expect(state.units[unit]?.phase == .closing)
        }
        state.take([unit])
        #expect(state.recalled == (phase > 1 ? ["t"] : []) && state.areTaken([unit]) == (phase < 2))
        if phase > 1 {
            state.settleByHand(unit, through: 5, now: 9)
            #expect(state.units[unit]?.settled == (phase == 3 ? 2 : 0), "not while the drain has it")
            state.recalled("t", unreported: [])
        }
        #expect(state.due(now: 90_000).isEmpty, "it is not tried meanwhile")
        #expect(!state.accepts(unit: unit, pass: pass), "what was read of it counts no more")
        state.settle(unit, pass: pass, through: 3)
        state.readAll([(unit, pass, 5)])
        #expect(state.units[unit]?.settled == (phase == 3 ? 2 : 0) || phase < 2)
        state.settleByHand(unit, through: 5, now: 9)
        state.release([unit])
        #expect(state.actions.gone == [unit] && state.isEmpty && state.reading.drop.contains(unit))
        #expect(state.takeChanges(for: .direct).map(\.now) == [nil], "its topic goes direct again")
    }

    @Test("what is on its way into the log stays, and is drained; what was there is not read again")
    func pending() {
        var (state, unit) = Tests.state(count: 5)
        _ = state.beginAppend([Tests.request(SetAsideKey("t"), count: 2)], from: .direct, now: 0)
        Self.remove(&state, unit)
        #expect(state.units[unit]?.settled == 5 && state.units[unit]?.events == 2 && state.actions.gone.isEmpty)
        state.stored(unit, count: 2, end: 7, from: .direct, now: 0)
        #expect(Tests.drain(&state, at: 1000))
        #expect(state.units[unit]?.read == 5)
        let pass = state.units[unit]!.pass
        state.hasRead(unit, pass: pass, through: 7, acceptedAt: 7)
        state.settle(unit, pass: pass, through: 7)
        #expect(state.actions.gone == [unit])
    }

    @Test("what a producer holds keeps an emptied unit until it is reported, delivered or not; newer events queue behind it until then")
    func held() {
        for isDelivered in [true, false] {
            var (state, unit) = Tests.state(count: 5, held: 2)
            Self.remove(&state, unit)
            #expect(state.units[unit]?.events == 0 && state.unreported.sent(of: unit) == 2 && state.actions.gone.isEmpty)
            #expect(state.due(now: 90_000).isEmpty)
            state.reported(100, by: .direct, isDelivered: isDelivered)
            #expect(state.actions.gone.isEmpty && state.units[unit]?.ahead.isEmpty == true)
            state.reported(101, by: .direct, isDelivered: isDelivered)
            #expect(state.actions.gone == [unit] && state.isEmpty)
        }
        // Of the drain's producers.
        var (state, unit) = Tests.state(count: 5)
        #expect(Tests.drain(&state, at: 1000))
        state.take([unit])
        state.recalled("t", unreported: [(7, unit, 0), (8, unit, 1)])
        state.settleByHand(unit, through: 5, now: 9)
        state.release([unit])
        #expect(state.unreported.sent(of: unit) == 2 && state.actions.gone.isEmpty)
        state.end(.aside, now: 0)
        #expect(state.actions.gone == [unit], "its producers are gone, and with them what they held")
    }

    @Test("what an operator took out is not counted as delivered, and nor is what was settled before the start")
    func counted() {
        // All of it taken out, some of it, none.
        for (delivered, before) in [(0, 0), (2, 0), (5, 0), (0, 3), (2, 3)] as [(UInt64, UInt64)] {
            var (state, unit) = Tests.state(count: 5)
            (state.units[unit]!.settled, state.units[unit]!.end) = (before, before + 5)
            state.units[unit]!.settledBefore = before
            if delivered > 0 {
                #expect(Tests.drain(&state, at: 1000))
                let pass = state.units[unit]!.pass
                state.hasRead(unit, pass: pass, through: before + 5, acceptedAt: 7)
                state.settle(unit, pass: pass, through: before + delivered)
            }
            if delivered < 5 { Self.remove(&state, unit) }
            let note = SetAsideActions.Note.left(SetAsideKey("t"), events: delivered, takenOut: 5 - delivered, since: 0)
            #expect(state.actions.notes.last == note, "\(state.actions.notes)")
        }
        // One that was delivered ahead of the others is not taken out with them.
        var (state, unit) = Tests.state(count: 5, held: 2)
        state.reported(101, by: .direct, isDelivered: true)
        Self.remove(&state, unit)
        state.reported(100, by: .direct, isDelivered: false)
        #expect(state.actions.notes.last == .left(SetAsideKey("t"), events: 1, takenOut: 4, since: 0), "\(state.actions.notes)")
    }

    @Test("only what is meant is taken: a topic with its partitions, a partition, all but the target; partitions first")
    func meant() {
        var state = SetAsideState(configuration: DeliverySettings())
        let keys = [SetAsideKey("t"), SetAsideKey("t", 1), SetAsideKey("u", 1), SetAsideKey("t", 0)]
        let numbers = state.beginAppend(keys.map { Tests.request($0) }, from: .direct, now: 0)
        for number in numbers { state.stored(number, count: 1, from: .direct, now: 0) }
        func found(_ topic: String?, _ partition: Int32? = nil, except: String? = nil) -> [UInt64] {
            state.numbers(SetAsideState.Meant(topic: topic, partition: partition, except: except))
        }
        #expect(found("t") == [numbers[3], numbers[1], numbers[0]])
        #expect(found("t", 1) == [numbers[1]] && found("t", 2) == [] && found("v") == [])
        #expect(found(nil) == [numbers[3], numbers[1], numbers[0], numbers[2]])
        #expect(found(nil, except: "t") == [numbers[2]])
        Self.remove(&state, numbers[1])
        #expect(Set(state.units.all.map(\.number)) == Set([numbers[0], numbers[2], numbers[3]]))
        #expect(Set(state.due(now: 1000).keys) == ["t", "u"], "the others are tried")
    }

    @Test("what is brought stands in the unit's turn; what comes to the topic meanwhile has the next one, and waits for it")
    func turns() {
        var (state, old) = Tests.state(count: 2)
        let turn = state.openTurn(of: "t")
        var request = Tests.request(SetAsideKey("t"), count: 3)
        (request.code, request.turn) = (SetAside.moved, turn)
        #expect(state.beginAppend([request], from: .hand, now: 0) == [old], "behind what is there")
        let newer = state.beginAppend([Tests.request(SetAsideKey("t"), count: 4)], from: .direct, now: 0)[0]
        #expect(newer != old && state.units[newer]?.turn == turn + 1)
        state.stored(newer, count: 4, from: .direct, now: 0)
        state.stored(old, count: 3, end: 5, from: .hand, now: 0)
        #expect(state.takeChanges(for: .direct).first?.now?.whole == .aside)
        #expect(Tests.drain(&state, at: 1000) && state.reading.start == [old], "in its turn")
        let pass = state.units[old]!.pass
        state.hasRead(old, pass: pass, through: 5, acceptedAt: 7)
        state.settle(old, pass: pass, through: 5)
        #expect(state.actions.turnsOver == [SetAsideTurn(topic: "t", place: turn)] && state.actions.gone == [old])
        #expect(state.due(now: 90_000).isEmpty && state.takeChanges(for: .direct).first?.now?.whole == .aside)
        state.begin(SetAsideTurn(topic: "t", place: turn + 1))
        state.reading = ReadRequests()
        #expect(Tests.drain(&state, at: 90_000) && state.reading.start == [newer])
    }

    @Test("what comes after it was asked for is not meant; what the drain takes out of it, before it lets go, is")
    func asked() {
        var (state, whole) = Tests.state(count: 5)
        let meant = SetAsideState.Meant(topic: "t")
        #expect(Tests.drain(&state, at: 1000))
        let asked = state.take(meant)
        #expect(state.recalled == ["t"] && state.taken(meant, asked) == nil)
        _ = state.beginAppend([Tests.request(SetAsideKey("t"), count: 2)], from: .direct, now: 0)
        state.stored(whole, count: 2, end: 7, from: .direct, now: 0)
        let news = state.beginAppend([Tests.request(SetAsideKey("t", 1)), Tests.request(SetAsideKey("t", 2))], from: .direct, now: 0)
        for number in news { state.stored(number, count: 1, from: .direct, now: 0) }
        let apart = state.beginAppend([Tests.request(SetAsideKey("t", 0)), Tests.request(SetAsideKey("t", 2))], from: .aside, now: 0)
        let pass = state.units[whole]!.pass
        state.handedOver(.init(number: whole, pass: pass, settled: [3], appending: [(7, 0), (8, 1)]))
        state.recalled("t", unreported: [])
        #expect(state.taken(meant, asked) == nil, "some of it is on its way")
        for (number, token) in zip(apart, [7, 8] as [UInt64]) {
            state.stored(number, count: 1, end: number == news[1] ? 2 : 1, from: .aside, now: 0)
            state.arrived(token, isSettled: true)
        }
        let taken = state.taken(meant, asked) ?? []
        #expect(taken.map(\.unit) == [apart[0], news[1], whole] && taken.map(\.end) == [1, 2, 5])
        #expect(state.units[whole]?.settled == 2 && state.units[whole]?.ahead == [3])
    }

    @Test("what was on its way and finds no room stands in its unit still; what is settled ahead is read over once, and then forgotten")
    func onItsWay() {
        var (state, unit) = Tests.state(count: 6)
        #expect(Tests.drain(&state, at: 1000))
        state.handedOver(.init(number: unit, pass: state.units[unit]!.pass, settled: [4, 1], appending: [(7, 0), (9, 3)]))
        state.failed(SetAsideKey("t"), Tests.failure, byDelivery: true, now: 2000)
        #expect(state.due(now: 90_000).isEmpty)
        state.arrived(7, isSettled: false)
        #expect(state.due(now: 90_000).isEmpty)
        state.arrived(9, isSettled: true)
        state.arrived(9, isSettled: true)
        #expect(Tests.drain(&state, at: 90_000))
        #expect(state.units[unit]?.settled == 0 && state.units[unit]?.ahead == [1, 3, 4])
        state.handedOver(.init(number: unit, pass: 0, settled: [0, 2, 5], appending: [(1, 1)]))
        #expect(state.units[unit]?.ahead == [1, 3, 4], "of an earlier try nothing counts")
        let pass = state.units[unit]!.pass
        state.hasRead(unit, pass: pass, through: 6, acceptedAt: 7)
        state.settle(unit, pass: pass, through: 1)
        #expect(state.units[unit]?.settled == 2)
        state.settle(unit, pass: pass, through: 3)
        #expect(state.units[unit]?.settled == 5 && state.units[unit]?.ahead == [])
        state.end(.aside, now: 0)
        #expect(state.unreported.isEmpty && state.unreported.appended(of: unit) == 0)
    }

    @Test("a turn is over when its last unit goes, however that goes: what waits for it begins")
    func turnIsOver() {
        for way in [DeliveryWay.hand, .aside] {
            var state = SetAsideState(configuration: DeliverySettings())
            var request = Tests.request(SetAsideKey("t"), count: 3)
            request.code = SetAside.replayed
            // Two bring at once: the one to a new unit, the other opens a turn behind it.
            let unit = state.beginAppend([request], from: way, now: 0)[0]
            let turn = state.openTurn(of: "t")
            #expect(state.units.holds("t", turn: turn) && state.actions.turnsOver.isEmpty)
            if way == .hand {
                state.appendByHandFailed(unit, count: 3, bytes: 30)
            } else {
                _ = state.letGo([unit: 30])
            }
            #expect(state.actions.turnsOver == [SetAsideTurn(topic: "t", place: turn)])
        }
    }

    @Test("what could not be brought leaves nothing behind: a new unit is gone, one that was there is as it was")
    func appendByHandFailed() {
        for isKnown in [false, true] {
            var state = SetAsideState(configuration: DeliverySettings())
            if isKnown { (state, _) = Tests.state(count: 2) }
            var request = Tests.request(SetAsideKey("t"), count: 3)
            request.code = SetAside.replayed
            let bytes = state.units.all.first?.bytes ?? 0
            let number = state.beginAppend([request], from: .hand, now: 0)[0]
            #expect(state.units[number]?.code == (isKnown ? "\(Tests.failure.code)" : "REPLAYED"))
            state.appendByHandFailed(number, count: 3, bytes: request.bytes)
            #expect(state.units[number]?.events == (isKnown ? 2 : nil) && state.units[number]?.bytes ?? 0 == bytes)
            #expect(state.isEmpty == !isKnown && state.actions.gone == (isKnown ? [] : [number]))
            // Others bring to it at the same time.
            let again = state.beginAppend([request, request], from: .hand, now: 0)
            state.appendByHandFailed(again[0], count: 3, bytes: request.bytes)
            #expect(state.units[again[1]]?.pending[.hand] == 3)
        }
    }
}
