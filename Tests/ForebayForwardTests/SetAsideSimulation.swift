import ForebayCore
import ForebayKafka
import ForebayTestKit

@testable import ForebayForward

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
        case drainHeld
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
    let configuration: ForwardConfiguration
    var cluster: SimulatedCluster
    var states: [ForwardRole: ForwardState] = [:]
    var shared: SetAsideState
    var now: UInt64 = 1
    var samples: [Sample] = []
    /// How far the direct stage has been given events, and its cursor.
    var admitted = 0
    var cursor = 0
    var buried: Set<Int> = []
    var unburied: [ForwardRole: [ForwardState.Death]] = [.direct: [], .drain: []]
    var parting: [ForwardRole: [(flight: UInt64, unit: UInt64, event: Int)]] = [.direct: [], .drain: []]
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

    init(seed: UInt64, plant: Plant = .none) {
        self.plant = plant
        var configuration = ForwardConfiguration()
        configuration.partitionWindow = 4000
        configuration.queueLimit = 60_000
        configuration.holdLimit = 1000
        configuration.retryLimit = 1000
        configuration.partitionPatience = 800
        configuration.heldBytes = 40_000
        self.configuration = configuration
        self.cluster = SimulatedCluster(seed: seed)
        for topic in 0..<4 { self.cluster.partitionCounts["topic-\(topic)"] = 3 }
        self.shared = SetAsideState(configuration: configuration)
        for role in [ForwardRole.direct, .drain] { self.begin(role) }
    }

    private mutating func begin(_ role: ForwardRole) {
        self.states[role] = ForwardState(role: role, configuration: self.configuration, seed: self.cluster.random.next())
        self.shared.begin(role)
    }

    /// - Throws: ``Broken`` when the promise is.
    mutating func run(batches: Int) throws {
        for _ in 0..<batches {
            if self.states[.direct]!.wantsMore { self.admit() }
            for _ in 0..<self.number(1...40) { try self.step() }
            self.disturb()
            if self.number(0...40) == 0 { self.end(.direct) }
            if self.number(0...40) == 0 { self.end(.drain) }
        }
        self.cluster.heal()
        self.lacksRoom = false
        try self.settle()
        try self.checkTheEnd()
    }

    mutating func settle() throws {
        var steps = 0
        while self.cursor < self.samples.count || !self.shared.isEmpty || self.states.values.contains(where: { !$0.isIdle }) {
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
    mutating func end(_ role: ForwardRole) {
        self.cluster.producers[role] = [SimulatedCluster.Producer](repeating: .init(), count: 3)
        self.parting[role] = []
        self.unburied[role] = []
        self.shared.end(role, now: self.now)
        self.drainEffects()
        if role == .direct { self.admitted = self.cursor }
        self.begin(role)
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

    private func batch(_ events: [Int], _ lane: Lane, _ first: UInt64) -> Batch {
        let batch = EventFactory.batch(
            events.map { EventFactory.Sample(self.samples[$0].topic, key: self.samples[$0].key, value: "v\($0)", timestamp: 1) },
            spool: .none, first: first)
        return Batch(
            lane: lane, origin: nil, first: first, count: batch.count, route: batch.route, acceptedAt: batch.acceptedAt, slab: batch.slab,
            range: batch.range)
    }

    private static func number(of event: Event) -> Int {
        Int(String(decoding: event.value!, as: UTF8.self).dropFirst())!
    }

    // MARK: One step

    mutating func step() throws {
        self.now += UInt64(self.number(1...30))
        for role in [ForwardRole.direct, .drain] {
            if self.number(0...10) == 0 { self.states[role]!.checkStalls(now: self.now) }
            try self.turn(role)
            self.cluster.step(role, &self.states[role]!, now: self.now)
            try self.turn(role)
        }
        if !self.hasWaited { self.hasWaited = self.shared.units.values.contains(where: self.shared.isBehindPartitions) }
        if self.number(0...3) == 0 { try self.store(self.number(0...1) == 0 ? .direct : .drain) }
        self.read()
    }

    /// As ``ForwardStage/turn()`` does.
    private mutating func turn(_ role: ForwardRole) throws {
        try self.exchange(role)
        _ = self.states[role]!.tick(now: self.now)
        for slot in self.states[role]!.slotsToClose(now: self.now) {
            self.cluster.producers[role]![slot.rawValue] = .init()
            self.states[role]!.closed(slot, now: self.now)
        }
        for slot in self.states[role]!.slotsToOpen(now: self.now) { self.states[role]!.opened(slot) }
        self.learn(role)
        try self.exchange(role)
        try self.pump(role)
        if self.looks { try self.look(role, afterSending: true) }
        self.bury(role)
        self.states[role]!.retire()
        if self.looks { try self.look(role) }
        for end in self.states[role]!.commits { try self.commit(end) }
        self.states[role]!.commits = []
        if self.number(0...9) == 0 { try self.checkLanes(role) }
        self.states[role]!.notes = []
        self.states[role]!.closedTopics = []
    }

    private mutating func learn(_ role: ForwardRole) {
        guard !self.cluster.isAway else { return }
        for slot in ProducerSlot.allCases where self.states[role]![slot].isOpen && self.states[role]![slot].wantsMetadata {
            for topic in self.states[role]!.takeWanted(by: slot) {
                let answer = self.cluster.metadata(of: self.states[role]!.topics[topic].name)
                self.states[role]!.learned(answer, topic, from: slot, now: self.now)
            }
        }
        for topic in self.states[role]!.takeLimitsWanted() { self.states[role]!.learnedLimit(1_048_588, topic, now: self.now) }
    }

    private mutating func pump(_ role: ForwardRole) throws {
        var broken: Broken?
        let names = self.states[role]!.topics.map(\.name)
        let isHeldChecked = role == .drain
        var cluster = self.cluster
        self.states[role]!.pump(now: self.now) { outgoing, event, _ in
            let number = Self.number(of: event)
            let message = SimulatedCluster.Message(
                token: outgoing.flight, event: number, topic: names[outgoing.topic], partition: outgoing.partition)
            if isHeldChecked, cluster.holds(message, .direct) {
                broken = Broken(description: "the drain sends \(number), which a producer of the direct stage holds")
            }
            return cluster.send(message, role, outgoing.slot)
        }
        self.cluster = cluster
        if let broken { throw broken }
    }

    private mutating func bury(_ role: ForwardRole) {
        self.unburied[role]! += self.states[role]!.deaths
        self.states[role]!.deaths = []
        guard self.number(0...5) == 0 else { return }
        for death in self.unburied[role]! {
            self.buried.insert(Self.number(of: self.states[role]!.event(of: UInt32(truncatingIfNeeded: death.flight))))
            self.states[role]!.buried(death.flight)
        }
        self.unburied[role] = []
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
        where !self.cluster.stored.contains(event) && !self.buried.contains(event) && !self.everAside.contains(event) {
            throw Broken(description: "the cursor passed \(event), which is neither stored, nor dead, nor set aside")
        }
        self.cursor = end
    }

    // MARK: The exchange, as the stage does it

    mutating func exchange(_ role: ForwardRole) throws {
        self.states[role]!.boundHeld(now: self.now)
        try self.depart(role)
        for refusal in self.states[role]!.refusals {
            self.shared.failed(
                refusal.key, refusal.failure, byDelivery: refusal.byDelivery, sparesPartitions: refusal.sparesPartitions, now: self.now)
        }
        for (token, offset) in self.states[role]!.withheld {
            if case .unit(let unit, _) = offset.lane { self.shared.keepHeld(token, unit: unit, position: offset.number) }
        }
        for report in self.states[role]!.heldReports { self.shared.reported(report.token, by: role, isDelivered: report.isDelivered) }
        (self.states[role]!.refusals, self.states[role]!.withheld, self.states[role]!.heldReports) = ([], [], [])
        if role == .drain {
            for found in self.states[role]!.found { self.shared.found(found, now: self.now) }
            self.states[role]!.found = []
            for (topic, probe) in self.shared.due(now: self.now) { self.states[role]!.ask(topic, probe: probe) }
        }
        self.see(role)
        try self.depart(role)
        self.drainEffects()
    }

    private mutating func see(_ role: ForwardRole) {
        for (topic, now) in self.shared.takeChanges(for: role) {
            self.states[role]!.see(topic, self.plant == .newerGoDirect && role == .direct ? nil : now, at: self.now)
        }
    }

    private mutating func depart(_ role: ForwardRole) throws {
        let leaving = self.states[role]!.takeLeaving()
        guard !leaving.isEmpty else { return }
        let isNew = !leaving.allSatisfy { self.shared.unit($0.departure.key) != nil }
        guard !isNew || !self.cluster.isAway || self.now - self.awaySince < UInt64(self.configuration.partitionPatience) else {
            throw Broken(description: "\(leaving[0].departure.key) was set aside while the whole cluster is away")
        }
        let departures = leaving.map { group in
            var told = group.departure
            if self.plant == .drainHeld { told.held = [] }
            return told
        }
        let numbers = self.shared.depart(departures, from: role, now: 0)
        for (group, unit) in zip(leaving, numbers) {
            for flight in group.flights {
                let number = Self.number(of: self.states[role]!.event(of: UInt32(truncatingIfNeeded: flight)))
                self.parting[role]!.append((flight, unit, number))
                if self.plant == .cursorBeforeSync { self.states[role]!.setAside(flight) }
            }
        }
    }

    /// The log's sync: a prefix of what is on its way becomes durable.
    private mutating func store(_ role: ForwardRole) throws {
        if self.lacksRoom, role == .drain { return try self.letGo() }
        let taken = self.parting[role]!.prefix(self.number(1...50))
        for (flight, unit, event) in taken {
            self.units[unit, default: Unit()].events.append(event)
            self.everAside.insert(event)
            self.shared.stored(unit, count: 1, from: role, now: self.now)
            self.states[role]!.setAside(flight)
        }
        self.parting[role]!.removeFirst(taken.count)
        self.unitsSeen = max(self.unitsSeen, self.units.count)
        self.drainEffects()
    }

    /// The reader: hands some of each unit that drains to the drain's state.
    private mutating func read() {
        for number in self.shared.toRead {
            guard let unit = self.shared.units[number] else { continue }
            self.units[number]!.position = unit.settled
            self.units[number]!.pass = unit.pass
            self.units[number]!.isRead = true
        }
        for number in self.shared.toDrop { self.units[number]?.isRead = false }
        for number in self.shared.toRead { self.units[number]?.isRead = self.shared.units[number] != nil }
        (self.shared.toRead, self.shared.toDrop) = ([], [])
        for (number, unit) in self.units.sorted(by: { $0.key < $1.key }) where unit.isRead {
            guard self.states[.drain]!.wantsMore, self.shared.accepts(unit: number, pass: unit.pass) else { continue }
            let events = Array(unit.events[Int(unit.position)...].prefix(self.number(1...30)))
            guard !events.isEmpty else {
                self.shared.readAll([(number, unit.pass, unit.position)])
                continue
            }
            let batch = self.batch(events, .unit(number, pass: unit.pass), unit.position)
            self.units[number]!.position = batch.end
            self.shared.hasRead(number, pass: unit.pass, through: batch.end, acceptedAt: 0)
            self.see(.drain)
            self.states[.drain]!.admit(batch, partition: self.shared.units[number]!.key.partition, now: self.now)
        }
        self.drainEffects()
    }

    private mutating func drainEffects() {
        for number in self.shared.gone { self.units[number] = nil }
        (self.shared.gone, self.shared.moved, self.shared.notes) = ([], [], [])
    }

    // MARK: The end

    func checkTheEnd() throws {
        guard self.buried == self.cluster.poison.filter({ $0 < self.samples.count }) else {
            throw Broken(description: "dead: \(self.buried.sorted()), poison: \(self.cluster.poison.sorted())")
        }
        if let lost = self.samples.indices.first(where: { !self.cluster.stored.contains($0) && !self.buried.contains($0) }) {
            throw Broken(description: "\(lost) is lost")
        }
        var last: [String: Int] = [:], seen: Set<Int> = []
        for message in self.cluster.log where seen.insert(message.event).inserted {
            guard let key = self.samples[message.event].key.map({ "\(message.topic) \($0)" }) else { continue }
            if let before = last[key], before > message.event {
                throw Broken(description: "\(message.event) of \(key) came first after \(before)")
            }
            last[key] = message.event
        }
        for (role, state) in self.states {
            guard state.queuedBytes == 0, state.slots.allSatisfy({ $0.outstanding == 0 }), state.holds.isEmpty, state.pinned.isEmpty else {
                throw Broken(
                    description: "accounts of \(role) do not balance: \(state.queuedBytes) B queued, \(state.slots.map(\.outstanding)) "
                        + "outstanding, \(state.holds.count) held, \(state.pinned.count) pinned")
            }
        }
    }
}
