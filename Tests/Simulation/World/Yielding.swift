import ForebayCore
import ForebayRuntime
import ForebaySpool
import ForebayTelemetry
import ForebayTestKit

/// What mirrors that need not have everything gave up for want of room, as the model knows it.
struct Yielding {
    /// One of a process.
    struct Holder {
        let line: Int
        let delivery: YieldingDelivery
        var hasGivenUp = false
        /// What was on its way when a process died is in no count.
        var endedInOrder = false
    }

    var holders: [Holder] = []
    /// By line: all below a place was given up.
    var ends: [Int: UInt64] = [:]
    /// Lines of which an operator has given up the mirror.
    var forgotten: Set<Int> = []

    mutating func givesUp(_ line: Int) {
        if let last = self.holders.lastIndex(where: { $0.line == line }) { self.holders[last].hasGivenUp = true }
    }

    mutating func endInOrder() {
        for place in self.holders.indices { self.holders[place].endedInOrder = true }
    }

    /// How many were told of a line; none: that is not known.
    func released(_ line: Int) -> UInt64? {
        let own = self.holders.filter { $0.line == line }
        guard own.allSatisfy({ $0.endedInOrder || !$0.hasGivenUp }) else { return nil }
        return own.reduce(0) { $0 + $1.delivery.releasedEvents }
    }
}

extension Model {
    /// From now on a line's mirror may lack what is below a place.
    func mayLack(_ line: Int, below end: UInt64) {
        self.yielding.givesUp(line)
        self.yielding.ends[line] = max(end, self.yielding.ends[line] ?? 0)
        for number in self.events.indices where self.events[number].line == line { self.markLacking(number) }
    }

    /// The same of all that it has had so far: what is set aside may lie beyond its cursor.
    func mayLackAny(_ line: Int) {
        for number in self.events.indices where self.events[number].line == line && self.events[number].mirror?.forgetting == .no {
            self.events[number].mirror?.forgetting = .begun
        }
        self.yielding.givesUp(line)
        self.yielding.ends[line] = self.yielding.ends[line] ?? 0
    }

    /// An event whose place is known now.
    func markLacking(_ number: Int) {
        let event = self.events[number]
        guard event.fate == .acknowledged, event.sequence < self.yielding.ends[event.line] ?? 0 else { return }
        if event.mirror?.forgetting == .no { self.events[number].mirror?.forgetting = .begun }
    }

    /// At the end: whatever a mirror lacks is told.
    func checkReleased() {
        guard !self.isDamaged else { return }
        for line in self.yielding.ends.keys.sorted() where !self.yielding.forgotten.contains(line) {
            let lacking = self.events.count { event in
                event.line == line && event.fate == .acknowledged && event.mirror.map { !$0.isDelivered } ?? false
            }
            if lacking > 0 { self.coverage.hit("mirror lacks what it gave up") }
            if let released = self.yielding.released(line), lacking > released {
                self.violate("the mirror of line \(line) lacks \(lacking) events, and told of \(released)")
            }
        }
    }
}

/// Tells the model what a mirror gives up.
struct WatchedYielding: YieldingHolder {
    let inner: YieldingDelivery
    let line: Int
    let model: Model

    var cursor: SpoolCursor { self.inner.cursor }
    var oldestAge: Double? { self.inner.oldestAge }

    func giveUpBesideSpool() async -> Bool {
        self.model.mayLackAny(self.line)
        let isGone = await self.inner.giveUpBesideSpool()
        if isGone { self.model.coverage.hit("mirror gives up what it has beside the spool") }
        return isGone
    }

    func settledUnread(below sequence: UInt64) -> (position: UInt64, ranges: [Range<UInt64>]) {
        self.inner.settledUnread(below: sequence)
    }

    func giveUp(below sequence: UInt64, ordinal: UInt64, settledUnread: (position: UInt64, events: UInt64)) {
        self.model.mayLack(self.line, below: sequence)
        self.model.coverage.hit("mirror gives up the oldest segment")
        if settledUnread.events > 0 { self.model.coverage.hit("mirror gives up a segment of which a process before settled some") }
        self.inner.giveUp(below: sequence, ordinal: ordinal, settledUnread: settledUnread)
    }
}

extension SimulatedNode {
    /// Mirrors of a round in which none must have everything.
    func giveWay(_ deliveries: [Delivery], _ spool: Spool, _ metrics: MetricsRegistry) async {
        guard self.plan.isOptional else { return }
        let mending = MendingTurn()
        for delivery in deliveries where delivery.known.stage == .mirror {
            guard let aside = delivery.aside else { continue }
            let inner = YieldingDelivery(delivery.name, delivery.source, aside.logs.deadLetters, [aside.setAside], mending, metrics)
            self.model.yielding.holders.append(Yielding.Holder(line: delivery.known.line, delivery: inner))
            await spool.yields(WatchedYielding(inner: inner, line: delivery.known.line, model: self.model))
        }
    }
}
