import ForebayCore
import ForebayKafka
import ForebayTestKit

@testable import ForebayDelivery

/// A route's two states, what they share, and a log in memory, against a ``SimulatedCluster``; keeps the books that the promise is checked by.
struct SetAsideSimulation {
    struct Broken: Error, CustomStringConvertible {
        let description: String
    }

    /// Bugs that the checks must catch.
    enum Plant {
        case none
        /// The cursor passes an event that is on its way into the log.
        case cursorBeforeSync
        /// Newer events go direct while older ones of their unit are in the log.
        case newerGoDirect
        /// The drain sends what a producer of the direct stage still holds.
        case drainUnreported
    }

    /// One event as the producer gave it.
    struct Sample {
        let topic: String
        let key: String?
    }

    struct Unit {
        var events: [Int] = []
        /// Where the newest pass stands.
        var position: UInt64 = 0
        var pass: UInt32 = 0
        var isRead = false
    }

    let plant: Plant
    let configuration: DeliverySettings
    var cluster: SimulatedCluster
    var states: [DeliveryWay: DeliveryState] = [:]
    var shared: SetAsideState
    var now: UInt64 = 1
    var samples: [Sample] = []
    /// How far the direct stage has been given events, and its cursor.
    var admitted = 0
    var cursor = 0
    var deadLetters: Set<Int> = []
    var unwritten: [DeliveryWay: [DeliveryActions.PendingDeadLetter]] = [.direct: [], .aside: []]
    var appending: [DeliveryWay: [(flight: UInt64, unit: UInt64, event: Int)]] = [.direct: [], .aside: []]
    /// The log, by unit: what is durable.
    var units: [UInt64: Unit] = [:]
    var everAside: Set<Int> = []
    var unitsSeen = 0
    var remade = 0
    /// A unit of a whole topic waited for those of its partitions.
    var hasWaited = false
    var awaySince: UInt64 = 0
    /// At times the log takes nothing of the drain's; how often the drain let go of something for that.
    var mayLackRoom = false
    var lacksRoom = false
    var letsGo = 0
    /// Whether the accounts are looked at after every step, which takes its time.
    var looks = false
    /// What an operator is at.
    var hand = Hand()

    init(seed: UInt64, plant: Plant = .none) {
        self.plant = plant
        var configuration = DeliverySettings()
        configuration.partitionWindow = 4000
        configuration.queueLimit = 60_000
        configuration.backoffLimit = 1000
        configuration.retryLimit = 1000
        configuration.partitionPatience = 800
        configuration.settledOutstandingBytes = 40_000
        self.configuration = configuration
        self.cluster = SimulatedCluster(seed: seed)
        for topic in 0..<4 { self.cluster.partitionCounts["topic-\(topic)"] = 3 }
        self.shared = SetAsideState(configuration: configuration)
        for way in [DeliveryWay.direct, .aside] { self.begin(way) }
    }

    private mutating func begin(_ way: DeliveryWay) {
        self.states[way] = DeliveryState(way: way, settings: self.configuration, seed: self.cluster.random.next())
        self.shared.begin(way)
    }

    /// - Throws: ``Broken`` when the promise is.
    mutating func run(batches: Int) throws {
        for _ in 0..<batches {
            if self.states[.direct]!.wantsMore { self.admit() }
            for _ in 0..<self.number(1...40) { try self.step() }
            self.disturb()
            if self.number(0...40) == 0 { self.end(.direct) }
            if self.number(0...40) == 0 { self.end(.aside) }
        }
        self.cluster.heal()
        (self.lacksRoom, self.hand.isOver) = (false, true)
        try self.settle()
        try self.checkTheEnd()
    }

    mutating func settle() throws {
        var steps = 0
        while self.hand.isBusy || self.cursor < self.samples.count || !self.shared.isEmpty
            || self.states.values.contains(where: { !$0.isIdle })
        {
            if self.admitted < self.samples.count, self.states[.direct]!.wantsMore { self.admit() }
            try self.step()
            steps += 1
            guard steps < 60_000 else { throw Broken(description: "it never settles: \(self.stuck)") }
        }
    }

    mutating func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &self.cluster.random) }

    private mutating func disturb() {
        let topic = "topic-\(self.number(0...3))"
        let place = "\(topic)/\(self.number(0...2))"
        if self.mayLackRoom, self.number(0...3) == 0 { self.lacksRoom = self.number(0...3) > 0 }
        switch self.number(0...40) {
        case 0: self.cluster.missing.insert(topic)
        case 1: self.cluster.forbidden.insert(topic)
        case 2, 3: self.cluster.frozen.insert(place)
        case 4: self.cluster.leaderless.insert(place)
        case 5:
            self.cluster.isAway = true
            self.awaySince = self.now
        case 6: self.cluster.partitionCounts[topic]! += self.cluster.partitionCounts[topic]! < 6 ? 1 : 0
        case 7...14: self.cluster.heal()
        case 15, 16:
            let count = self.cluster.partitionCounts[topic]!
            if count > 1 {
                self.cluster.remake(topic, partitions: self.number(1...count - 1))
                self.remade += 1
            }
        default: break
        }
    }

    /// A stage fails and is made anew, at its cursor.
    mutating func end(_ way: DeliveryWay) {
        self.cluster.producers[way] = [SimulatedCluster.Producer](repeating: .init(), count: 3)
        self.appending[way] = []
        self.unwritten[way] = []
        self.shared.end(way, now: self.now)
        self.drainEffects()
        if way == .direct { self.admitted = self.cursor }
        self.begin(way)
    }

    // MARK: Events

    mutating func admit() {
        let first = self.admitted
        let run = self.number(0...15) == 0 ? "topic-\(self.number(0...3))" : nil  // All of it is refused.
        while self.samples.count < first + self.number(1...60) {
            let event = self.samples.count
            let topic = "topic-\(self.number(0...3))"
            if topic == run || self.number(0...150) == 0 { self.cluster.poison.insert(event) }
            self.samples.append(
                Sample(topic: topic, key: self.number(0...3) == 0 ? nil : "key-\(self.number(0...15))"))
        }
        let events = Array(first..<min(self.samples.count, first + 60))
        self.admitted = first + events.count
        self.see(.direct)
        self.states[.direct]!.admit(self.batch(events, .spool(.none), UInt64(first)), now: self.now)
    }

    func batch(_ events: [Int], _ lane: Lane, _ first: UInt64) -> Batch {
        let batch = EventFactory.batch(
            events.map { EventFactory.Sample(self.topic(of: $0, on: lane), key: self.samples[$0].key, value: "v\($0)", timestamp: 1) },
            spool: .none, first: first)
        return Batch(
            lane: lane, origin: nil, first: first, count: batch.count, route: batch.route, acceptedAt: batch.acceptedAt, slab: batch.slab,
            range: batch.range)
    }

    static func number(of event: Event) -> Int {
        Int(String(decoding: event.value!, as: UTF8.self).dropFirst())!
    }

    // MARK: One step

    mutating func step() throws {
        self.now += UInt64(self.number(1...30))
        for way in [DeliveryWay.direct, .aside] {
            if self.number(0...10) == 0 { self.states[way]!.checkStalls(now: self.now) }
            try self.turn(way)
            self.cluster.step(way, &self.states[way]!, now: self.now)
            try self.turn(way)
        }
        if !self.hasWaited { self.hasWaited = self.shared.units.all.contains(where: self.shared.units.isBehindPartitions) }
        if self.number(0...3) == 0 { try self.store(self.number(0...1) == 0 ? .direct : .aside) }
        self.workByHand()
        self.read()
    }

    /// As ``DeliveryEngine/turn()`` does.
    private mutating func turn(_ way: DeliveryWay) throws {
        try self.exchange(way)
        _ = self.states[way]!.tick(now: self.now)
        for slot in self.states[way]!.producers.toClose(now: self.now) {
            self.cluster.producers[way]![slot.rawValue] = .init()
            self.states[way]!.closed(slot, now: self.now)
        }
        for slot in self.states[way]!.producers.toOpen(now: self.now) { self.states[way]!.opened(slot) }
        self.learn(way)
        try self.exchange(way)
        try self.pump(way)
        if self.looks { try self.look(way, afterSending: true) }
        self.writeLetters(way)
        self.states[way]!.window.retire()
        if self.looks { try self.look(way) }
        for end in self.states[way]!.window.commits { try self.commit(end) }
        self.states[way]!.window.commit { _ in }
        if self.number(0...9) == 0 { try self.checkLanes(way) }
        self.states[way]!.actions.notes = []
        self.states[way]!.actions.closedTopics = []
    }

    private mutating func learn(_ way: DeliveryWay) {
        guard !self.cluster.isAway else { return }
        for slot in ProducerSlot.allCases where self.states[way]!.producers[slot].isOpen && self.states[way]!.producers[slot].wantsMetadata
        {
            for topic in self.states[way]!.takeWanted(by: slot) {
                let answer = self.cluster.metadata(of: self.states[way]!.topics[topic].name)
                self.states[way]!.learned(answer, topic, from: slot, now: self.now)
            }
        }
        for topic in self.states[way]!.takeLimitsWanted() { self.states[way]!.learnedLimit(1_048_588, topic, now: self.now) }
    }

    private mutating func pump(_ way: DeliveryWay) throws {
        var broken: Broken?
        let names = self.states[way]!.topics.all.map(\.name)
        let isHeldChecked = way == .aside
        var cluster = self.cluster
        self.states[way]!.pump(now: self.now) { outgoing, event, _ in
            let number = Self.number(of: event)
            let message = SimulatedCluster.Message(
                token: outgoing.flight, event: number, topic: names[outgoing.topic], partition: outgoing.partition)
            if isHeldChecked, cluster.holds(message, .direct) {
                broken = Broken(description: "the drain sends \(number), which a producer of the direct stage holds")
            }
            return cluster.send(message, way, outgoing.slot)
        }
        self.cluster = cluster
        if let broken { throw broken }
    }

    private mutating func commit(_ end: Offset) throws {
        switch end.lane {
        case .unit(let number, let pass): self.shared.settle(number, pass: pass, through: end.number)
        default: try self.commit(through: Int(end.number))
        }
        self.drainEffects()
    }

    /// The cursor may pass only what is stored, durably dead, or durable in the log.
    private mutating func commit(through end: Int) throws {
        guard end >= self.cursor else { throw Broken(description: "the cursor moved back from \(self.cursor) to \(end)") }
        for event in self.cursor..<end
        where !self.cluster.stored.contains(event) && !self.deadLetters.contains(event) && !self.everAside.contains(event) {
            throw Broken(description: "the cursor passed \(event), which is neither stored, nor dead, nor set aside")
        }
        self.cursor = end
    }
}
