import ForebayCore
import ForebaySpool
import ForebayTelemetry
import ForebayTestKit
import Glibc

/// What a round knows to be true: which events were acknowledged, in which order by key, what arrived where, and what may be lost.
final class Model: @unchecked Sendable {  // Safe because: one thread at a time runs the simulation.
    enum Fate: Sendable { case submitted, acknowledged, refused, unknown }

    /// Whether an operator has given up the route of an event that waited: begun, and perhaps done; or done.
    enum Forgetting: Sendable { case no, begun, done }

    struct KnownEvent {
        let line: Int
        let topic: Int
        /// One producer's, on one line: so its order is that of its events' numbers.
        let key: Int
        let size: Int
        var fate = Fate.submitted
        var id: String?
        var sequence: UInt64 = 0
        /// Simulated, in ns.
        var acknowledgedAt: UInt64 = 0
        /// Its log is said to be gone.
        var isGone = false
        var forward = Copy()
        /// None: it is not owed to a mirror.
        var mirror: Copy?

        subscript(stage: DeliveryName.Stage) -> Copy? {
            get { stage == .mirror ? self.mirror : self.forward }
            set {
                if stage == .mirror { self.mirror = newValue } else if let newValue { self.forward = newValue }
            }
        }
    }

    /// What became of an event in one of its deliveries.
    struct Copy {
        var isDelivered = false
        /// The names of its route when a process that set it aside ended in order.
        var asideOf: [String]?
        var forgetting = Forgetting.no
    }

    var events: [KnownEvent] = []
    /// Which lines have a cursor of a mirror.
    var mirrors = Mirrors()
    /// What those that need not have everything gave up.
    var yielding = Yielding()
    private(set) var eventsOfIDs: [String: Int] = [:]
    private var lastDelivered: [Int: Int] = [:]
    var losses = Losses()
    /// Events of a segment that was put back, and whose log of what is set aside it is of; none: the spool's.
    var hadBack: (events: [Int], delivery: LineDelivery?) = ([], nil)
    /// What the logs told at the end, with whose log of what is set aside it is; none: the spool.
    var toldAtRest: [(damage: SpoolDamage, delivery: LineDelivery?)] = []
    private(set) var isDamaged = false
    private(set) var violations: [String] = []
    private(set) var repeats = 0
    private(set) var delivered = 0
    private(set) var acknowledged = 0
    /// So many events there were when the process began that runs, or ran last.
    private(set) var eventsBefore = 0
    /// Bytes of the largest event.
    private(set) var largest = 0
    let machine: SimulatedMachine
    /// Reads what was logged since. What was lost of a side log is sent again, behind newer events: that is known before these arrive.
    var catchUp: (() -> Void)?
    var coverage = Coverage()
    /// Tells what happens, for people.
    var tell: ((String) -> Void)?

    init(machine: SimulatedMachine) { self.machine = machine }

    func violate(_ text: String) {
        if self.violations.count < 20 { self.violations.append(text) }
    }

    // MARK: Producers

    /// - Returns: its number.
    func submit(line: Int, topic: Int, key: Int, size: Int) -> Int {
        self.events.append(KnownEvent(line: line, topic: topic, key: key, size: size, mirror: self.mirrors.copy(of: line)))
        self.largest = max(self.largest, size)
        return self.events.count - 1
    }

    func acknowledge(_ event: Int, id: String, sequence: UInt64) {
        self.acknowledged += 1
        self.events[event].fate = .acknowledged
        self.events[event].sequence = sequence
        self.events[event].acknowledgedAt = self.machine.now
        if let known = self.events[event].id, known != id {
            self.violate("event \(event) was delivered as \(known) and acknowledged as \(id)")
        }
        self.take(id, for: event)
        self.markLacking(event)
    }

    func refuse(_ event: Int) {
        self.events[event].fate = .refused
        if self.events[event].forward.isDelivered || self.events[event].mirror?.isDelivered ?? false {
            self.violate("event \(event) was delivered, and then refused")
        }
    }

    func giveUp(_ event: Int) { self.events[event].fate = .unknown }

    /// An operator begins to give up what a removed delivery left: from now on it may be gone.
    func beginForgetting(_ delivery: LineDelivery) {
        if delivery.stage == .mirror {
            self.mirrors.states[delivery.line] = .unknown
            self.yielding.forgotten.insert(delivery.line)
        }
        self.mark(delivery, .begun)
    }

    /// It is done: nothing of it may come any more.
    func forgot(_ delivery: LineDelivery) {
        if delivery.stage == .mirror { self.mirrors.states[delivery.line] = Mirrors.State.none }
        self.mark(delivery, .done)
    }

    private func mark(_ delivery: LineDelivery, _ forgetting: Forgetting) {
        for place in self.events.indices where self.events[place].line == delivery.line {
            self.events[place][delivery.stage]?.forgetting = forgetting
        }
    }

    private func take(_ id: String, for event: Int) {
        if let other = self.eventsOfIDs[id], other != event, !self.mayBeLost(other), !self.mayBeLost(event) {
            self.violate("the id \(id) was given to event \(other) and to event \(event)")
        }
        self.eventsOfIDs[id] = event
        self.events[event].id = id
    }

    // MARK: Targets

    /// What is in an event's value: its number, and bytes that follow from it.
    static func value(of event: Int, size: Int) -> [UInt8] {
        let count = max(8, size)
        return [UInt8](unsafeUninitializedCapacity: count) { bytes, filled in
            memset(bytes.baseAddress!, Int32(event & 0xFF), count)
            UnsafeMutableRawPointer(bytes.baseAddress!).storeBytes(of: UInt64(event), as: UInt64.self)
            filled = count
        }
    }

    /// - Parameter sequence: none: not known there.
    func deliver(_ value: UnsafeRawBufferPointer, id: String, sequence: UInt64?, to delivery: LineDelivery, place: String = "") {
        guard value.count >= 8 else { return self.violate("an event that was never sent arrived: \(id)") }
        let number = Int(clamping: value.loadUnaligned(as: UInt64.self))
        guard self.events.indices.contains(number) else { return self.violate("an event that was never sent arrived: \(id)") }
        let (known, line, stage) = (self.events[number], delivery.line, delivery.stage)
        let copy = known[stage]
        self.machine.note(UInt64(number))
        self.tell?(
            "    \(number) of topic-\(known.line)-\(known.topic) key-\(known.key) arrives\(stage == .mirror ? " at the mirror" : "") as \(id)"
                + "\(copy?.isDelivered ?? false ? " again" : "") \(place)"
        )
        let expected = Self.value(of: number, size: known.size)
        if value.count != expected.count || memcmp(value.baseAddress!, expected, expected.count) != 0 {
            self.violate("event \(number) arrived with another value")
        }
        if known.line != line { self.violate("event \(number) of line \(known.line) arrived on line \(line)") }
        if known.fate == .refused { self.violate("event \(number), which was refused, arrived as \(id)") }
        // Without its registry the spool does not know what was given up: repeats are better than holes.
        if copy?.forgetting == .done, !self.isDamaged {
            self.violate("event \(number) arrived after the \(delivery) was given up")
        }
        if let before = known.id, before != id, !self.mayBeLost(number) {
            self.violate("event \(number) has the ids \(before) and \(id)")
        }
        self.take(id, for: number)
        guard let copy else { return self.deliverUnowed(number, to: delivery) }
        guard !copy.isDelivered else { return self.repeats += 1 }
        self.delivered += 1
        self.events[number][stage]?.isDelivered = true
        if let sequence { self.events[number].sequence = sequence }
        let key = (stage == .mirror ? 1 << 48 : 0) | known.line << 24 | known.topic << 16 | known.key
        let isLate = self.losses.mayBeLate(number, self.events[number], of: delivery)
        if let last = self.lastDelivered[key], number < last, !self.isNamed(number), !isLate {
            self.violate("event \(number) of the \(delivery) arrived after event \(last) of its key")
        }
        self.lastDelivered[key] = max(number, self.lastDelivered[key] ?? 0)
    }

    /// An event that was accepted before the mirror that gets it began. One whose place was lost begins at the oldest event.
    private func deliverUnowed(_ number: Int, to delivery: LineDelivery) {
        if !self.mayBeUnowed(number, of: delivery) {
            self.violate("event \(number), accepted when there was no such mirror, arrived at the \(delivery)")
        }
        self.coverage.hit("event from before its mirror, after damage")
    }

    /// A dead letter, as it is listed.
    func bury(_ value: [UInt8], id: String, of stage: DeliveryName.Stage, refusedRest: Int?) {
        guard value.count >= 8 else { return self.violate("a dead letter that was never sent: \(id)") }
        let number = value.withUnsafeBytes { Int(clamping: $0.loadUnaligned(as: UInt64.self)) }
        guard self.events.indices.contains(number) else { return self.violate("a dead letter that was never sent: \(id)") }
        if number % 50 != refusedRest { self.violate("event \(number), which every broker takes, is a dead letter") }
        if value != Self.value(of: number, size: self.events[number].size) {
            self.violate("event \(number) is a dead letter with another value")
        }
        if let known = self.events[number].id, known != id, !self.mayBeLost(number) {
            self.violate("event \(number) has the id \(known) and as a dead letter \(id)")
        }
        self.coverage.hit(stage == .mirror ? "dead letters of a mirror" : "dead letters")
        if self.events[number][stage] == nil, !self.mayBeUnowed(number, of: LineDelivery(self.events[number].line, stage)) {
            self.violate("event \(number), accepted when there was no such mirror, is a dead letter of it")
        }
        self.events[number][stage]?.isDelivered = true
    }

    func madeAnew(_ delivery: LineDelivery, topic: Int) {
        self.losses.madeAnew("topic-\(delivery.line)-\(topic)", of: delivery.stage, below: self.events.count)
    }

    // MARK: Damage

    func damaged() { self.isDamaged = true }

    /// A process begins.
    func began() { self.eventsBefore = self.events.count }

    /// A crash, and damage before the next start: what was acknowledged within the last mark's age may be lost unseen.
    func damagedAfterCrash(at crash: UInt64, markAge: UInt64) {
        let since = crash - min(crash, markAge)
        guard let first = self.events.lazy.filter({ $0.fate == .acknowledged && $0.acknowledgedAt >= since }).map(\.sequence).min() else {
            return
        }
        self.mayLose(from: first)
    }

    /// What was acknowledged until now may be lost unseen, from a sequence on.
    func mayLose(from sequence: UInt64) {
        self.losses.untold.append(Losses.Part(sequences: sequence..<UInt64.max, below: self.events.count))
    }

    /// A crash, and damage to a delivery's side log.
    func mayLoseAside(of delivery: LineDelivery) { self.losses.unknownAside[delivery] = self.events.count }

    /// What was put in the place of a file of ours, from another log.
    var foreignFile: String?
    /// The newest segment of the spool was damaged, and no start has seen it yet.
    var isNewestLost = false
    /// The same of the log of what is set aside of a delivery: where its mark can't be read either, nothing tells what is gone.
    var newestAsideAway: LineDelivery?
    /// With the mark gone, too, nothing else tells of the newest segment: where it begins.
    var unmarked: UInt64?

    /// The mark of a log that is gone as a whole: where the registry of logs can't be read either, nobody misses it.
    var folderLost: String?

    /// A start has seen what there is.
    func sawSpool() {
        (self.isNewestLost, self.unmarked) = (false, nil)
    }

    /// A start has missed the logs that are gone.
    func sawLogs() {
        self.catchUp?()
        self.folderLost = nil
    }

    /// The spool is gone, as a start says.
    func spoolIsGone() {
        for place in self.events.indices.prefix(self.eventsBefore) { self.events[place].isGone = true }
    }

    func isNamed(_ event: Int) -> Bool {
        self.events[event].isGone || self.losses.isTold(event, at: self.events[event].sequence) || self.mayBeLost(event)
    }

    private func mayBeLost(_ event: Int) -> Bool { self.losses.mayBeUntold(event, at: self.events[event].sequence) }

    // MARK: Over its processes

    /// Reads of this process have failed: it may not have found what is settled ahead of a cursor. None: there is no process.
    var hasMissedReads: (() -> Bool)?
    /// Set aside by a process that did not end in order: those after it need not know, from the spool, that they are.
    var asideBefore: [DeliveryName.Stage: Set<Int>] = [:]
    var endedInOrder = true
    /// By line: events below a number that the cursor it has does not count. It was renamed, and a cursor of a former name given up, for
    /// all that this one counted was settled.
    var uncounted: [Int: Int] = [:]
}
