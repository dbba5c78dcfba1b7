import ForebayCore

/// What the table and the segments together say of a set-aside log's units: read at a start, and from outside. Writes nothing.
struct UnitInventory {
    struct Found {
        var unit: SetAsideLog.Unit
        let pair: Int
        let generation: UInt64
        let isEnded: Bool
    }

    private(set) var found: [UInt64: Found] = [:]
    private(set) var free: [(pair: Int, generation: UInt64)] = []
    let pairCount: Int
    private(set) var highest: UInt64 = 0
    /// Units that only their frames speak of: slots damaged. Taken from their first frame on: sent twice rather than lost.
    private(set) var orphans: [SetAsideLog.Unit] = []
    /// Those of them of which nothing says how far they are settled.
    private(set) var unsettled: Set<UInt64> = []
    /// Numbers of which not one frame can be read.
    private(set) var lost: [UInt64] = []

    /// - Parameter segments: with their routes known.
    init(table: (any DiskFile)?, log: SpoolID, segments: [SegmentInfo], disk: any Disk) throws(ForebayError) {
        let pairs = if let table { try UnitPair.load(table, of: log) } else { [UnitPair?]() }
        self.pairCount = pairs.count
        var ends: [UInt64: UInt64] = [:]
        for segment in segments {
            // To other numbers no log ever comes: such a frame was made by somebody else, and its segment is kept.
            for entry in segment.routes.entries where (1..<SpoolFormat.highestMark).contains(entry.route.rawValue) {
                ends[entry.route.rawValue] = max(ends[entry.route.rawValue] ?? 0, entry.ordinal)
            }
        }
        // Slots are sound but don't say whose they are, with how far they are settled.
        var nameless: [UInt64: UInt64] = [:]
        for (place, pair) in pairs.enumerated() {
            guard let pair else {
                self.free.append((place, 0))
                continue
            }
            let slot = pair.slot
            self.highest = max(self.highest, slot.owner)
            guard pair.identity != nil || slot.isEnded else {
                nameless[slot.owner] = slot.value
                self.free.append((place, slot.generation))
                continue
            }
            self.take(
                Found(
                    unit: Self.unit(pair, end: ends[slot.owner] ?? 0), pair: place, generation: slot.generation, isEnded: slot.isEnded))
        }
        let unknown = ends.keys.filter { self.found[$0] == nil }
        self.highest = max(self.highest, ends.keys.max() ?? 0)
        try self.adopt(Set(unknown), nameless, ends, segments, disk)
    }

    /// Those not ended, by number.
    var units: [SetAsideLog.Unit] {
        (self.found.values.filter { !$0.isEnded }.map(\.unit) + self.orphans).sorted { $0.number < $1.number }
    }

    /// Nothing of them is wanted any more; their frames may still be there.
    var ended: [SetAsideLog.Unit] { self.found.values.filter(\.isEnded).map(\.unit) }

    func isEnded(_ number: UInt64) -> Bool { self.found[number]?.isEnded ?? false }

    private static func unit(_ pair: UnitPair, end: UInt64) -> SetAsideLog.Unit {
        let (slot, identity) = (pair.slot, pair.identity)
        return SetAsideLog.Unit(
            number: slot.owner, topic: identity?.topic ?? "", partition: identity?.partition, partitionCount: identity?.partitionCount ?? 0,
            code: identity?.code ?? "", reason: identity?.reason ?? "", since: identity?.since ?? 0,
            oldestAcceptedAt: Int64(bitPattern: slot.ordinal), settled: slot.value, end: max(end, slot.value),
            turn: identity?.turn ?? 0)
    }

    /// A number in two pairs: one was written when the disk was full, and never used.
    private mutating func take(_ found: Found) {
        guard let other = self.found[found.unit.number] else {
            self.found[found.unit.number] = found
            return
        }
        let isNewer = found.isEnded || !other.isEnded && found.unit.settled > other.unit.settled
        self.found[found.unit.number] = isNewer ? found : other
        let stale = isNewer ? other : found
        self.free.append((stale.pair, stale.generation))
    }

    /// Reads the topics of units from their frames, in one pass for all.
    private mutating func adopt(
        _ unknown: Set<UInt64>, _ settled: [UInt64: UInt64], _ ends: [UInt64: UInt64], _ segments: [SegmentInfo], _ disk: any Disk
    ) throws(ForebayError) {
        var unknown = unknown
        var firsts: [UInt64: UInt64] = [:]
        // What can't be read, perhaps only just now, before a unit's first frame that can: it may all be that unit's.
        var unread: [UInt64: UInt64] = [:]
        for segment in segments {
            let wanted = segment.routes.entries.map(\.route.rawValue).filter(unknown.contains)
            guard !wanted.isEmpty else { continue }
            var (expected, gaps) = (segment.base, UInt64(0))
            func reach(_ sequence: UInt64) {
                if sequence > expected { gaps += sequence - expected }
            }
            var scanner = SegmentScanner(
                file: try disk.open(segment.path, []), salt: segment.salt, position: segment.header.dataStart, limit: segment.dataEnd)
            scan: while !unknown.isEmpty {
                switch try scanner.step() {
                case .gap: continue
                case .footer, .end: break scan
                case .frame(let frame, let position):
                    guard frame.base < segment.end else { break scan }
                    reach(frame.base)
                    expected = frame.end
                    let number = frame.route.rawValue
                    guard unknown.contains(number), let end = ends[number] else { continue }
                    let missing = unread[number, default: 0] + gaps
                    let first = firsts[number] ?? frame.ordinal - min(frame.ordinal, missing)
                    firsts[number] = first
                    guard let payload = try scanner.payload(of: frame, at: position), let topic = Self.topic(payload) else { continue }
                    if settled[number] == nil { self.unsettled.insert(number) }
                    self.orphans.append(
                        SetAsideLog.Unit(
                            number: number, topic: topic, partition: nil, partitionCount: 0, code: "UNKNOWN",
                            reason: "what was known of it is damaged", since: frame.acceptedAt, oldestAcceptedAt: frame.acceptedAt,
                            settled: max(settled[number] ?? first, first), end: max(end, settled[number] ?? end)))
                    unknown.remove(number)
                }
            }
            reach(segment.end)
            for number in wanted { unread[number, default: 0] += gaps }
        }
        self.lost = unknown.sorted()
    }

    private static func topic(_ payload: (slab: Slab, range: Range<Int>)) -> String? {
        let bytes = UnsafeRawBufferPointer(start: payload.slab.base + payload.range.lowerBound, count: payload.range.count)
        return withExtendedLifetime(payload.slab) { Event(at: bytes).map { String(decoding: $0.topic, as: UTF8.self) } }
    }
}
