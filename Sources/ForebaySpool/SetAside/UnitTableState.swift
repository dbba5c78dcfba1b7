import ForebayCore

/// What ``UnitTable`` knows in memory, and what it decides from that.
///
///     new, synced ──> live ── settle ──> live … ── end ──> ended ── synced, no segment has frames of it ──> pair free
///
/// But the highest number of all stays in the file, ended or not: no number is given twice.
struct UnitTableState {
    struct Entry {
        var unit: SetAsideLog.Unit
        var pair: Int
        var generation: UInt64
        var isEnded = false
        /// What is durable of `unit.settled`.
        var synced: UInt64
        var isEndSynced = false
        /// An ended one: a segment that still has frames of it.
        var lastSeenIn: UInt64?
    }

    var entries: [UInt64: Entry] = [:]
    var pairs = UnitPairs()
    var highest: UInt64 = 0
    /// Written, not synced.
    var dirty: Set<UInt64> = []
    /// Durably ended, not forgotten.
    var ended: Set<UInt64> = []
    /// Changed, and there was no room to write it.
    var unwritten: Set<UInt64> = []
    /// Units that are being appended to, by so many callers.
    var appending: [UInt64: Int] = [:]
    var isSyncDue = false
    var moved: (@Sendable () -> Void)?
    var makeRoom: (@Sendable () -> Bool)?
    var mayPass: @Sendable (UInt64) -> Bool = { _ in true }
    /// For each segment a unit that needed it when that was last asked: mostly it still does, and no other has to be asked.
    private(set) var holders: [UInt64: UInt64] = [:]

    /// A place in the table for a unit that has none yet.
    mutating func place(for unit: SetAsideLog.Unit) -> Entry? {
        precondition(unit.number > 0, "units are numbered from 1")
        if let known = self.entries[unit.number] {
            precondition(!known.isEnded, "the number of an ended unit")
            return nil
        }
        let place = self.pairs.reserve(for: unit.number)
        return Entry(unit: unit, pair: place.pair, generation: place.generation, synced: unit.settled)
    }

    /// What was written of these is durable now.
    mutating func synced(_ written: [Entry]) {
        for entry in written {
            let number = entry.unit.number
            self.entries[number]?.synced = entry.unit.settled
            guard entry.isEnded else { continue }
            self.entries[number]?.isEndSynced = true
            self.ended.insert(number)
        }
    }

    /// Whether some unit is not durably past its last event in the segment.
    mutating func needs(_ segment: SegmentInfo) -> Bool {
        let routes = segment.routes
        if let holder = self.holders[segment.number], let ordinal = routes[RouteID(rawValue: holder)],
            self.needs(holder, below: ordinal)
        {
            return true
        }
        let holder = routes.entries.first { self.needs($0.route.rawValue, below: $0.ordinal) }
        self.holders[segment.number] = holder?.route.rawValue
        return holder != nil
    }

    private func needs(_ unit: UInt64, below ordinal: UInt64) -> Bool {
        // What nobody knows is kept.
        guard let entry = self.entries[unit] else { return true }
        return !entry.isEndSynced && entry.synced < ordinal
    }

    /// Bytes that pairs of ended units take because the segment has frames of them.
    func bytesHeld(by segment: SegmentInfo) -> Int {
        guard !self.ended.isEmpty else { return 0 }
        return segment.routes.entries.count { self.ended.contains($0.route.rawValue) } * UnitPair.size
    }

    /// Lets go of the ended units that none of the segments, all that are on disk, has frames of.
    mutating func forget(present segments: [SegmentInfo]) -> [UInt64] {
        if self.holders.count > segments.count { self.holders = [:] }
        guard self.ended.contains(where: { $0 != self.highest }) else { return [] }
        let places = Dictionary(segments.enumerated().map { ($1.number, $0) }) { first, _ in first }
        var forgotten: [UInt64] = []
        var free: [UnitPairs.Place] = []
        for number in self.ended where number != self.highest {
            guard let entry = self.entries[number] else { continue }
            let route = RouteID(rawValue: number)
            func has(_ segment: SegmentInfo) -> Bool { segment.routes[route] != nil }
            if let seen = entry.lastSeenIn, let place = places[seen], has(segments[place]) { continue }
            if let found = segments.first(where: has) {
                self.entries[number]?.lastSeenIn = found.number
            } else {
                free.append((entry.pair, entry.generation))
                self.entries[number] = nil
                forgotten.append(number)
            }
        }
        self.ended.subtract(forgotten)
        self.pairs.give(back: free)
        return forgotten
    }
}
