import ForebayKafka
import Testing

@testable import ForebayDelivery

/// What there is no room for, and what that leaves behind.
extension SetAsideStateTests {
    private func left(_ state: SetAsideState) -> Int { state.actions.notes.count { if case .left = $0 { true } else { false } } }

    @Test("only who has all of a unit on its way takes it back, and says what of it was taken back")
    func requeuedWhole() {
        var state = SetAsideState(configuration: DeliverySettings())
        let (whole, part) = (SetAsideKey("t"), SetAsideKey("u", 1))
        let units = state.beginAppend([Self.request(whole), Self.request(part)], from: .aside, now: 0)
        #expect(state.requeue(Set(units), from: .direct).units.isEmpty, "another stage's")
        #expect(state.requeue(Set(units), from: .aside).units == Set(units))
        #expect(
            self.left(state) == 0 && Set(state.actions.gone) == Set(units) && !state.hasRequeuedPartition,
            "its stage has them, and they are not direct")
        state.forgetRequeued(.aside)
        #expect(self.left(state) == 2 && state.actions.gone.count == 2)
        for (key, isPartition) in [(whole, false), (part, true)] {
            let unit = state.beginAppend([Self.request(key)], from: .direct, now: 0)[0]
            #expect(state.requeue([unit], from: .direct).units == [unit] && state.hasRequeuedPartition == isPartition)
        }
    }

    @Test("since when a unit is set aside stays the same while it can't be written; what waits to be written has no bytes yet")
    func triedAgain() {
        var state = SetAsideState(configuration: DeliverySettings())
        for now in [1000, 2000, 3000] as [Int64] {
            let unit = state.beginAppend([Self.request(SetAsideKey("t"), count: 3)], from: .direct, now: now)[0]
            #expect(state.units[unit]?.since == 1000 && state.units[unit]?.bytes == 30 && state.units[unit]?.durableBytes == 0)
            if now < 3000 { #expect(state.requeue([unit], from: .direct).units == [unit]) }
        }
        let unit = state.unit(SetAsideKey("t"))!
        state.stored(unit, count: 3, end: 3, from: .direct, now: 0)
        _ = state.beginAppend([Self.request(SetAsideKey("t"), count: 6)], from: .direct, now: 4000)
        #expect(state.units[unit]?.bytes == 90 && state.units[unit]?.durableBytes == 30, "of three of nine")
        let new = state.beginAppend([Self.request(SetAsideKey("u"))], from: .direct, now: 5000)[0]
        #expect(state.units[new]?.since == 5000)
    }

    @Test("what the drain lets go of leaves no bytes, ends what all else of is settled, and is nobody's while another has some on its way")
    func letGoOf() {
        let key = SetAsideKey("t", 1)
        // The only one of its topic: it is not direct by that.
        var state = SetAsideState(configuration: DeliverySettings())
        var unit = state.beginAppend([Self.request(key, count: 3, held: 1)], from: .aside, now: 0)[0]
        #expect(state.letGo([unit: 30]).isEmpty && state.isEmpty && state.unreported.isEmpty)
        #expect(state.actions.gone == [unit] && self.left(state) == 0 && !state.hasRequeuedPartition)
        state.actions.gone = []
        unit = state.beginAppend([Self.request(key)], from: .direct, now: 0)[0]
        // What the other stage has on its way stays.
        _ = state.beginAppend([Self.request(key, count: 2)], from: .aside, now: 0)
        #expect(state.letGo([unit: 20, 99: 1]).isEmpty && state.units[unit]?.bytes == 10 && state.units[unit]?.pending == [.direct: 1])
        // In the log and settled, only what was let go of kept it.
        state.stored(unit, count: 1, from: .direct, now: 0)
        #expect(Self.drain(&state, at: 100))
        state.hasRead(unit, pass: 1, through: 1, acceptedAt: 7)
        _ = state.beginAppend([Self.request(key)], from: .aside, now: 0)
        state.settle(unit, pass: 1, through: 1)
        #expect(state.actions.gone.isEmpty)
        #expect(state.letGo([unit: 10]).isEmpty && state.actions.gone == [unit] && state.isEmpty)
    }

    @Test("whatever may let a unit be tried has them looked at again, at whatever time")
    func lookedAtAgain() {
        let key = SetAsideKey("t")
        /// A unit that waits for no time, of which nothing is looked at before something happens.
        func waiting(held: Int = 0) -> (SetAsideState, UInt64) {
            var (state, unit) = Self.state(key, count: 2, held: held)
            state.end(.aside, now: 0)
            state.units[unit]?.phase = .waiting(until: 0)
            if held > 0 { #expect(state.due(now: 0).isEmpty && !state.waitsForTime) }
            return (state, unit)
        }
        var (state, unit) = waiting(held: 1)
        state.reported(100, by: .direct, isDelivered: false)
        #expect(state.due(now: 0) == ["t": false], "a report")

        (state, unit) = waiting(held: 1)
        state.end(.direct, now: 0)
        #expect(state.due(now: 0) == ["t": false], "the end of who held it")

        (state, unit) = waiting()
        #expect(!state.due(now: 0).isEmpty && !state.waitsForTime)
        state.end(.aside, now: 0)
        #expect(state.due(now: 0) == ["t": false], "the end of who tried it")

        (state, unit) = waiting()
        _ = state.beginAppend([Self.request(key, held: 1)], from: .aside, now: 0)
        #expect(state.due(now: 0).isEmpty && !state.waitsForTime)
        _ = state.letGo([unit: 10])
        #expect(state.due(now: 0) == ["t": false], "what was let go of")

        var configuration = DeliverySettings()
        configuration.backoffDelay = 0
        state = SetAsideState(configuration: configuration)
        #expect(state.due(now: 0).isEmpty && !state.waitsForTime)
        unit = state.beginAppend([Self.request(key)], from: .direct, now: 0)[0]
        state.stored(unit, count: 1, from: .direct, now: 0)
        #expect(state.due(now: 0) == ["t": false], "what was stored")

        (state, unit) = waiting()
        state.take(SetAsideTurn(topic: "t", place: 1), [unit])
        state.wait(for: SetAsideTurn(topic: "t", place: 1), Self.failure)
        #expect(state.due(now: 0).isEmpty && !state.waitsForTime)
        state.begin(SetAsideTurn(topic: "t", place: 1))
        #expect(state.due(now: 0) == ["t": false], "its turn")

        // A whole topic whose partitions are more than it has.
        state = SetAsideState(configuration: configuration)
        for key in [key, SetAsideKey("t", 2)] {
            let unit = state.beginAppend([Self.request(key)], from: .direct, now: 0)[0]
            state.stored(unit, count: 1, from: .direct, now: 0)
        }
        #expect(state.due(now: 0) == ["t": false])
        state.found(DeliveryActions.Found(topic: "t", leaderless: [], partitionCount: 2), now: 0)
        #expect(state.units[state.unit(key)!]?.phase == .waiting(until: 0) && state.due(now: 0).isEmpty && !state.waitsForTime)
        var other = state
        other.found(DeliveryActions.Found(topic: "t", leaderless: [], partitionCount: 3), now: 0)
        #expect(other.due(now: 0) == ["t": false], "another count")
        let part = state.unit(SetAsideKey("t", 2))!
        state.hasRead(part, pass: 1, through: 1, acceptedAt: 7)
        state.settle(part, pass: 1, through: 1)
        #expect(state.due(now: 0) == ["t": false], "the end of another unit")
    }

    // MARK: Bounds

    @Test("as many units as there is room for leave nobody waiting; one more waits for 20 ms")
    func exactRoom() {
        var configuration = DeliverySettings()
        (configuration.drainedUnits, configuration.backoffDelay) = (2, 0)
        for (count, nextDue) in [(1, UInt64.max), (2, .max), (3, 520)] {
            var state = SetAsideState(configuration: configuration)
            for number in 0..<count {
                let unit = state.beginAppend([Self.request(SetAsideKey("t\(number)"))], from: .direct, now: 0)[0]
                state.stored(unit, count: 1, from: .direct, now: 0)
            }
            #expect(state.due(now: 500).count == min(2, count) && state.nextDue == nextDue, "\(count)")
        }
    }

    @Test("what a producer held behind the last of a group that was stored is placed with the next")
    func heldBehindGroup() {
        var (state, unit) = Self.state(count: 1)
        var request = Self.request(SetAsideKey("t"), count: 3)
        request.unreported = [(1, 100), (2, 101)]
        _ = state.beginAppend([request], from: .direct, now: 0)
        for token in [100, 101] as [UInt64] { state.reported(token, by: .direct, isDelivered: true) }
        state.stored(unit, count: 1, end: 2, from: .direct, now: 0)
        #expect(state.units[unit]?.ahead == [])
        state.stored(unit, count: 1, end: 7, from: .direct, now: 0)
        #expect(state.units[unit]?.ahead == [6])
        state.stored(unit, count: 1, end: 9, from: .direct, now: 0)
        #expect(state.units[unit]?.ahead == [6, 8] && state.unreported.isEmpty && state.units[unit]?.pendingCount == 0)
    }

    @Test("a report that is told twice counts once, also of what stands in the log")
    func toldTwice() {
        for isDelivered in [true, false] {
            var (state, unit) = Self.state(count: 3, held: 2)
            for _ in 0..<2 { state.reported(101, by: .direct, isDelivered: isDelivered) }
            #expect(state.unreported.sent(of: unit) == 1 && state.unreported.count == 1)
            state.end(.direct, now: 0)
            #expect(state.unreported.sent(of: unit) == 0 && state.unreported.isEmpty)
        }
    }

    @Test("reports that come while a unit is drained settle what was lost behind it, too")
    func aheadOfLosses() {
        var (state, unit) = Self.state(count: 2)
        #expect(Self.drain(&state, at: 100))
        _ = state.beginAppend([Self.request(SetAsideKey("t"), count: 2, held: 2)], from: .direct, now: 0)
        state.stored(unit, count: 2, from: .direct, now: 0)
        for token in [100, 101] as [UInt64] { state.reported(token, by: .direct, isDelivered: true) }
        state.hasRead(unit, pass: 1, through: 4, acceptedAt: 7)
        state.readAll([(unit, 1, 6)])
        state.settle(unit, pass: 1, through: 2)
        #expect(state.isEmpty && state.actions.notes.last == .left(SetAsideKey("t"), events: 6, since: 0))
    }

    @Test("a look that finds nothing new at the end of the log forgets no loss before it")
    func lostBefore() {
        var (state, unit) = Self.state(count: 10)
        #expect(Self.drain(&state, at: 100))
        state.hasRead(unit, pass: 1, through: 10, acceptedAt: 7)
        state.readAll([(unit, 1, 15)])
        state.stored(unit, count: 5, end: 20, from: .direct, now: 0)
        state.hasRead(unit, pass: 1, through: 20, acceptedAt: 7)
        state.readAll([(unit, 1, 20)])
        state.settle(unit, pass: 1, through: 10)
        #expect(state.units[unit]?.settled == 15, "15 to 19 are on their way to Kafka")
    }

    @Test("what is settled takes its bytes with it, to the last event")
    func bytes() {
        var (state, unit) = Self.state(count: 1)
        #expect(Self.drain(&state, at: 100))
        state.hasRead(unit, pass: 1, through: 1, acceptedAt: 7)
        state.keepUnreported(9, unit: unit, position: 0)
        state.settle(unit, pass: 1, through: 1)
        #expect(state.units[unit]?.events == 0 && state.units[unit]?.bytes == 0)
    }

    // MARK: Turns

    @Test("a topic all of whose turns are this log's has none; what the drain can't deliver stays in the first that is not over")
    func ownTurns() {
        var (state, unit) = Self.state(count: 1)
        state.take(SetAsideTurn(topic: "t", place: 0), [unit])
        #expect(state.beginAppend([Self.request(SetAsideKey("t"))], from: .direct, now: 0) == [unit], "the only turn is the last")
        state.take(SetAsideTurn(topic: "t", place: 2), [])
        state.wait(for: SetAsideTurn(topic: "t", place: 2), Self.failure)
        state.begin(SetAsideTurn(topic: "t", place: 2))
        let newer = state.beginAppend([Self.request(SetAsideKey("t"))], from: .direct, now: 0)[0]
        #expect(state.units[newer]?.turn == 2)
        let part = state.beginAppend([Self.request(SetAsideKey("t", 1))], from: .aside, now: 0)[0]
        #expect(state.units[part]?.turn == 0)
    }

    @Test("a turn that came while nothing of its topic was here leaves nothing of it")
    func emptyTurn() {
        var state = SetAsideState(configuration: DeliverySettings())
        let turn = SetAsideTurn(topic: "t", place: 2)
        state.take(turn, [])
        state.wait(for: turn, Self.failure)
        state.begin(turn)
        let unit = state.beginAppend([Self.request(SetAsideKey("t"))], from: .direct, now: 0)[0]
        #expect(state.units[unit]?.turn == 0)
    }

    @Test("a whole topic waits for its former partitions of its own turn, and for none of a later one's")
    func partitionsOfTurns() {
        for (place, isDraining) in [(0, false), (1, true)] {
            var state = SetAsideState(configuration: DeliverySettings())
            let units = state.beginAppend([Self.request(SetAsideKey("t")), Self.request(SetAsideKey("t", 2))], from: .direct, now: 0)
            for unit in units { state.stored(unit, count: 1, from: .direct, now: 0) }
            if place > 0 {
                state.take(SetAsideTurn(topic: "t", place: place), [units[1]])
                state.wait(for: SetAsideTurn(topic: "t", place: place), Self.failure)
            }
            _ = state.due(now: 1000)
            state.found(DeliveryActions.Found(topic: "t", leaderless: [], partitionCount: 2), now: 1000)
            #expect((state.units[units[0]]?.phase == .draining) == isDraining, "a partition in turn \(place)")
        }
    }

    @Test("a topic of whose partition nobody knew how many there are says so")
    func unknownCount() {
        var state = SetAsideState(configuration: DeliverySettings())
        _ = state.beginAppend(
            [SetAsideState.AppendRequest(key: SetAsideKey("t", 0), partitionCount: 0, failure: Self.failure, acceptedAt: 5)], from: .direct,
            now: 0)
        #expect(state.takeChanges(for: .direct).first?.now?.partitionCount == 0)
    }
}
