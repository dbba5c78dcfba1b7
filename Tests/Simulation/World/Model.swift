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
        var isDelivered = false
        /// The names of its route when a process that set it aside ended in order.
        var asideOf: [String]?
        var forgetting = Forgetting.no
        /// Its log is said to be gone.
        var isGone = false
    }

    private(set) var events: [KnownEvent] = []
    private var eventsOfIDs: [String: Int] = [:]
    private var lastDelivered: [Int: Int] = [:]
    var losses = Losses()
    /// Events of a segment that was put back, and whose log of what is set aside it is of; none: the spool's.
    var hadBack: (events: [Int], line: Int?) = ([], nil)
    /// What the logs told at the end, with whose log of what is set aside it is; none: the spool.
    var toldAtRest: [(damage: SpoolDamage, line: Int?)] = []
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
        self.events.append(KnownEvent(line: line, topic: topic, key: key, size: size))
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
    }

    func refuse(_ event: Int) {
        self.events[event].fate = .refused
        if self.events[event].isDelivered { self.violate("event \(event) was delivered, and then refused") }
    }

    func giveUp(_ event: Int) { self.events[event].fate = .unknown }

    /// An operator begins to give up what a removed route left: from now on it may be gone.
    func beginForgetting(line: Int) { self.mark(line, .begun) }

    /// It is done: nothing of it may come any more.
    func forgot(line: Int) { self.mark(line, .done) }

    private func mark(_ line: Int, _ forgetting: Forgetting) {
        for place in self.events.indices where self.events[place].line == line { self.events[place].forgetting = forgetting }
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
    func deliver(_ value: UnsafeRawBufferPointer, id: String, sequence: UInt64?, line: Int, place: String = "") {
        guard value.count >= 8 else { return self.violate("an event that was never sent arrived: \(id)") }
        let number = Int(clamping: value.loadUnaligned(as: UInt64.self))
        guard self.events.indices.contains(number) else { return self.violate("an event that was never sent arrived: \(id)") }
        let known = self.events[number]
        self.machine.note(UInt64(number))
        self.tell?(
            "    \(number) of topic-\(known.line)-\(known.topic) key-\(known.key) arrives as \(id)\(known.isDelivered ? " again" : "") \(place)"
        )
        let expected = Self.value(of: number, size: known.size)
        if value.count != expected.count || memcmp(value.baseAddress!, expected, expected.count) != 0 {
            self.violate("event \(number) arrived with another value")
        }
        if known.line != line { self.violate("event \(number) of line \(known.line) arrived on line \(line)") }
        if known.fate == .refused { self.violate("event \(number), which was refused, arrived as \(id)") }
        // Without its registry the spool does not know what was given up: repeats are better than holes.
        if known.forgetting == .done, !self.isDamaged {
            self.violate("event \(number) of line \(line) arrived after its route was given up")
        }
        if let before = known.id, before != id, !self.mayBeLost(number) {
            self.violate("event \(number) has the ids \(before) and \(id)")
        }
        self.take(id, for: number)
        guard !known.isDelivered else { return self.repeats += 1 }
        self.delivered += 1
        self.events[number].isDelivered = true
        if let sequence { self.events[number].sequence = sequence }
        let key = known.line << 24 | known.topic << 16 | known.key
        if let last = self.lastDelivered[key], number < last, !self.isNamed(number), !self.losses.mayBeLate(number, self.events[number]) {
            self.violate("event \(number) of line \(line) arrived after event \(last) of its key")
        }
        self.lastDelivered[key] = max(number, self.lastDelivered[key] ?? 0)
    }

    /// A dead letter, as it is listed.
    func bury(_ value: [UInt8], id: String, refusedRest: Int?) {
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
        self.coverage.hit("dead letters")
        self.events[number].isDelivered = true
    }

    func madeAnew(line: Int, topic: Int) { self.losses.madeAnew("topic-\(line)-\(topic)", below: self.events.count) }

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

    /// A crash, and damage to a route's side log.
    func mayLoseAside(of line: Int) { self.losses.unknownAside[line] = self.events.count }

    /// What was put in the place of a file of ours, from another log.
    var foreignFile: String?
    /// The newest segment of the spool was damaged, and no start has seen it yet.
    var isNewestLost = false
    /// The same of the log of what is set aside of a line: where its mark can't be read either, nothing tells what is gone.
    var newestAsideAway: Int?
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

    // MARK: Restarts

    /// Reads of this process have failed: it may not have found what is settled ahead of a cursor. None: there is no process.
    var hasMissedReads: (() -> Bool)?
    /// Set aside by a process that did not end in order: those after it need not know, from the spool, that they are.
    private var asideBefore: Set<Int> = []
    private var endedInOrder = true

    /// Before a process begins.
    ///
    /// - Parameter aside: the segments of what is set aside.
    func findAside(_ aside: () -> [[UInt8]]) {
        self.asideBefore = self.endedInOrder || self.isDamaged ? [] : Set(aside().flatMap(self.numbers))
        self.endedInOrder = false
    }

    /// A process has ended in order, and these ids are set aside.
    func rest(_ ids: [String], of names: [String]) {
        for id in ids {
            guard let event = self.eventsOfIDs[id], !self.asideBefore.contains(event) else { continue }
            self.events[event].asideOf = names
        }
        if !ids.isEmpty { self.coverage.hit("events set aside at a clean stop") }
    }

    /// The process has ended in order, and all of its routes have told what is set aside.
    func rested() { self.endedInOrder = true }

    /// A process is over. What it could not read of what was settled it may have written over with less.
    func ended() {
        if self.hasMissedReads?() ?? false { for place in self.events.indices { self.events[place].asideOf = nil } }
        self.hasMissedReads = nil
    }

    /// The spool hands events out to be delivered.
    func hand(_ batch: Batch, of names: [String]) {
        batch.forEachEvent { event, sequence in
            guard let value = event.value, value.count >= 8 else { return }
            let number = Int(clamping: value.loadUnaligned(as: UInt64.self))
            guard self.events.indices.contains(number) else { return }
            let known = self.events[number]
            // Also of one that nobody was answered for.
            self.events[number].sequence = sequence
            guard !self.isDamaged, known.asideOf == names, known.forgetting == .no else { return }
            guard !(self.hasMissedReads?() ?? false) else { return }
            self.violate("event \(number), set aside when a process ended in order, is taken from the spool again at \(sequence)")
        }
    }

    // MARK: Checks

    /// By line: events below a number that the cursor it has does not count. It was renamed, and a cursor of a former name given up, for
    /// all that this one counted was settled.
    private var uncounted: [Int: Int] = [:]

    /// No cursor is left of what a line was called before.
    func hasNoCursor(line: Int) { self.uncounted[line] = self.events.count }

    /// What is known of a line from a place on.
    struct Place {
        /// Events at or behind it: at least those acknowledged, at most those and the ones whose fate nobody knows.
        var lag: ClosedRange<UInt64>
        /// Acknowledged events below it that have not arrived.
        var undelivered: UInt64
    }

    func place(of line: Int, at sequence: UInt64) -> Place {
        var (least, most, undelivered): (UInt64, UInt64, UInt64) = (0, 0, 0)
        for (number, event) in self.events.enumerated() where event.line == line {
            switch event.fate {
            case .acknowledged where event.sequence >= sequence:
                most += 1
                if number >= self.uncounted[line] ?? 0 { least += 1 }
            case .acknowledged: if !event.isDelivered, event.forgetting == .no, !self.isNamed(number) { undelivered += 1 }
            // Its sequence is not known.
            case .submitted, .unknown: most += 1
            case .refused: break
            }
        }
        return Place(lag: least...most, undelivered: undelivered)
    }

    /// At the end, with everything healed and every route back.
    func checkAllArrived() {
        let lost = self.events.indices.filter { place in
            let event = self.events[place]
            return event.fate == .acknowledged && !event.isDelivered && event.forgetting == .no && !self.isNamed(place)
        }
        guard let first = lost.first(where: { !self.losses.mayBeLostAside($0, self.events[$0], among: lost, self.events) }) else { return }
        let event = self.events[first]
        self.violate(
            "\(lost.count) acknowledged events never arrived\(self.isDamaged ? ", in silence" : ""), the first is \(first) of line \(event.line), sequence \(event.sequence), id \(event.id ?? "-")"
        )
    }
}
