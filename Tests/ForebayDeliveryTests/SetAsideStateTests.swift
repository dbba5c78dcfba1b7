import ForebayKafka
import Testing

@testable import ForebayDelivery

@Suite("Set-aside state")
struct SetAsideStateTests {
    static let failure = KafkaFailure(.unknownTopicOrPartition)

    static func request(_ key: SetAsideKey, count: Int = 1, held: Int = 0) -> SetAsideState.AppendRequest {
        var request = SetAsideState.AppendRequest(key: key, partitionCount: 3, failure: Self.failure, acceptedAt: 5)
        request.count = count
        request.bytes = count * 10
        request.unreported = (0..<held).map { ($0, UInt64(100 + $0)) }
        return request
    }

    /// A state with `count` events of a unit durable, of which the first `held` are held by a producer of the direct stage.
    static func state(_ key: SetAsideKey = SetAsideKey("t"), count: Int, held: Int = 0) -> (SetAsideState, unit: UInt64) {
        var state = SetAsideState(configuration: DeliverySettings())
        let unit = state.beginAppend([Self.request(key, count: count, held: held)], from: .direct, now: 0)[0]
        state.stored(unit, count: count, from: .direct, now: 0)
        return (state, unit)
    }

    /// Takes a unit from waiting to draining.
    static func drain(_ state: inout SetAsideState, at now: UInt64, leaderless: Set<Int32> = []) -> Bool {
        guard !state.due(now: now).isEmpty else { return false }
        state.found("t", leaderless: leaderless, now: now)
        return !state.reading.start.isEmpty
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
            let unit = state.beginAppend([Self.request(SetAsideKey(name))], from: .direct, now: 0)[0]
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
        #expect(state.units[unit]?.settled == 2 && state.actions.moved == [unit])
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
        _ = state.beginAppend([Self.request(SetAsideKey("t"))], from: .direct, now: 0)
        state.settle(unit, pass: pass, through: 2)
        #expect(state.actions.gone.isEmpty && state.units[unit]?.events == 1)
        state.stored(unit, count: 1, from: .direct, now: 0)
        state.settle(unit, pass: pass, through: 3)
        #expect(state.actions.gone == [unit] && state.isEmpty)
        #expect(state.takeChanges(for: .direct).map(\.topic) == ["t"])
    }

    @Test("what is read and settled before the word came that it is stored counts once; its unit is gone with that word, not before")
    func aheadOfTheWord() {
        var (state, unit) = Self.state(count: 5)
        #expect(Self.drain(&state, at: 100))
        _ = state.beginAppend([Self.request(SetAsideKey("t"), count: 3)], from: .direct, now: 0)
        // The log has published them, and the reader and Kafka are faster than whoever asked for it.
        state.hasRead(unit, pass: 1, through: 8, acceptedAt: 7)
        state.settle(unit, pass: 1, through: 8)
        #expect(state.units[unit]?.durable == 0 && state.actions.gone.isEmpty, "it is still being appended to")
        state.readAll([(unit, 1, 8)])
        _ = state.beginAppend([Self.request(SetAsideKey("t"), count: 2)], from: .direct, now: 0)
        state.stored(unit, count: 3, end: 8, from: .direct, now: 0)
        #expect(state.units[unit]?.end == 8 && state.units[unit]?.events == 2)
        state.hasRead(unit, pass: 1, through: 10, acceptedAt: 7)
        state.settle(unit, pass: 1, through: 10)
        state.stored(unit, count: 2, end: 10, from: .direct, now: 0)
        #expect(state.isEmpty && state.actions.gone == [unit])
    }

    @Test("a loss at the end that is passed before the word came that it was stored is passed once")
    func lossAheadOfTheWord() {
        var (state, unit) = Self.state(count: 2)
        #expect(Self.drain(&state, at: 100))
        _ = state.beginAppend([Self.request(SetAsideKey("t"), count: 3)], from: .direct, now: 0)
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
        var request = Self.request(SetAsideKey("t"), count: 5)
        request.unreported = [(1, 100), (2, 101), (3, 102)]
        _ = state.beginAppend([request], from: .aside, now: 0)
        func report() {
            for token in [100, 101, 102] as [UInt64] { state.reported(token, by: .aside, isDelivered: token != 101) }
        }
        if isEarly { report() }
        state.stored(unit, count: 2, end: 16, from: .aside, now: 0)
        state.stored(unit, count: 3, end: 19, from: .aside, now: 0)
        if !isEarly { report() }
        #expect(state.units[unit]?.ahead == [15, 17], "100 is the last of the first group, 102 the second of the other")
        #expect(state.unreported.sent(of: unit) == 0 && state.units[unit]?.end == 19 && state.units[unit]?.settled == 0)
        #expect(state.unreported.isEmpty, "reported and placed, they are nothing to remember any more")
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
        let whole = state.beginAppend([Self.request(SetAsideKey("t"))], from: .direct, now: 0)[0]
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
        #expect(state.units[unit]?.settled == 10 && state.actions.gone.isEmpty, "15 to 19 are on their way to Kafka")
        state.settle(unit, pass: 1, through: 20)
        #expect(state.isEmpty && state.actions.gone == [unit])
        // Two in one piece are passed together.
        (state, unit) = Self.state(count: 3)
        #expect(Self.drain(&state, at: 100))
        state.readAll([(unit, 1, 2)])
        #expect(state.units[unit]?.settled == 2)
        state.readAll([(unit, 1, 3)])
        #expect(state.isEmpty)
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
        _ = state.beginAppend([Self.request(SetAsideKey("new"))], from: .direct, now: 0)
        state.end(.direct, now: 50)
        #expect(state.units.count == 1 && state.unreported.sent(of: unit) == 0, "nothing of the new unit was stored")
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
