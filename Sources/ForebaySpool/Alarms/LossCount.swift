import ForebayCore

/// How many events of a hole nobody had settled: these are lost, the others had been delivered.
///
/// What the hole held of a route is known where the log says on both sides of it how many events of that route came before: with nothing
/// else missing in between. Where it does not, no more is taken for settled than must have been, so that no loss is told too small.
struct LossCount {
    /// Who settles events of some routes.
    struct Party {
        /// An event is settled when every stage has settled it.
        var stage: Substring
        var routes: [RouteID]
        /// Below it all of the routes' events are settled.
        var sequence: UInt64
        /// How many that is; none: not known.
        var ordinal: UInt64?
    }

    let segments: [SegmentInfo]
    let totals: [RouteID: UInt64]
    let durableEnd: UInt64
    let disk: any Disk

    /// - Parameter parties: none: nobody settles anything.
    func unsettled(_ range: Range<UInt64>, _ parties: [Party]) throws(ForebayError) -> UInt64 {
        let size = range.upperBound - range.lowerBound
        guard !parties.isEmpty else { return size }
        let sides = try self.sides(of: range, Set(parties.flatMap(\.routes)))
        let stages = Dictionary(grouping: parties) { $0.stage }
        return stages.values.map { parties in
            size - min(size, Self.settled(parties.map { Self.share($0, range, sides) }, before: range.lowerBound))
        }.max() ?? size
    }

    /// The hole that a reader came to where its cursor stood in it, from its beginning on: what it took is known only for the whole.
    func whole(_ missing: MissingRange) -> MissingRange {
        guard missing.isGone, let before = self.segments.last(where: { $0.end <= missing.sequences.lowerBound }) else { return missing }
        var whole = missing
        whole.sequences = before.end..<missing.sequences.upperBound
        whole.events = whole.sequences.upperBound - whole.sequences.lowerBound
        return whole
    }

    /// The same. What can't be told, because the disk does not give it, counts as lost.
    func unsettledOrAll(_ range: Range<UInt64>, _ parties: [Party]) -> UInt64 {
        do throws(ForebayError) { return try self.unsettled(range, parties) } catch { return range.upperBound - range.lowerBound }
    }

    /// What holes in a set-aside log took: of each unit its positions, as a scan would miss them; and of a hole as sequences how many may
    /// have been of units that nothing behind it tells of. None of these counts where all of it was settled, or is told of by unit.
    ///
    /// - Parameters:
    ///   - holes: all that there are, told of before or not.
    ///   - untold: what of a range was never told of.
    func lost(
        in holes: [MissingRange], _ units: UnitInventory, untold: (MissingRange) -> [MissingRange]
    ) throws(ForebayError) -> [MissingRange] {
        // That one is taken from its first frame on disk settles nothing of what was before that.
        let live = units.units.map { unit in
            var unit = unit
            if units.unsettled.contains(unit.number) { unit.settled = 0 }
            return unit
        }
        let known = live + units.ended
        let gaps = try self.gaps(of: live, beside: holes)
        var lost = gaps
        for var hole in holes {
            // Not by totals: these are what the segments say that are left, and a unit's last events may have been in the hole.
            let sides = try self.sides(of: hole.sequences, Set(known.map { RouteID(rawValue: $0.number) }), byTotals: false)
            // What units miss between whole segments was in the only hole there is. With more of them it is known of a unit only where the
            // log tells of it on both sides.
            let isAlone = holes.count == 1 && hole.isGone
            var accounted = isAlone ? gaps.filter(\.isGone).flatMap(untold).reduce(0) { $0 + $1.events } : 0
            let isWholeBefore = sides.isWholeBefore && !holes.contains { $0.isGone && $0.sequences.upperBound <= self.segments[0].base }
            var shares: [Share] = []
            for unit in known {
                let route = RouteID(rawValue: unit.number)
                let (before, behind) = (sides.before[route], sides.behind[route])
                // Of one that is ended nothing is wanted.
                let settled = units.isEnded(unit.number) ? behind ?? unit.settled : unit.settled
                shares.append(Share(before: before, reached: behind.map { min($0, settled) } ?? settled))
                if !isAlone, let before = before ?? (isWholeBefore ? 0 : nil), let behind, behind > max(before, settled) {
                    accounted += behind - max(before, settled)
                }
            }
            accounted += Self.settled(shares, before: hole.sequences.lowerBound)
            let size = hole.sequences.upperBound - hole.sequences.lowerBound
            let isOpen = live.contains { sides.behind[RouteID(rawValue: $0.number)] == nil }
            hole.events = isOpen && size > accounted ? size - accounted : 0
            lost.append(hole)
        }
        return lost
    }

    /// Positions of units, not settled, between and before what their frames have.
    private func gaps(of live: [SetAsideLog.Unit], beside holes: [MissingRange]) throws(ForebayError) -> [MissingRange] {
        var next = Dictionary(live.map { ($0.number, $0.settled) }) { first, _ in first }
        let topics = Dictionary(live.map { ($0.number, $0.topic) }) { first, _ in first }
        let gone = holes.filter(\.isGone).map(\.segment)
        var lost: [MissingRange] = []
        func miss(_ unit: UInt64, to position: UInt64, _ segment: SegmentInfo, at place: Int, isGone: Bool = false) {
            guard let expected = next[unit], expected < position else { return }
            let missing = isGone ? gone.filter { $0 < segment.number }.max() : nil
            lost.append(
                MissingRange(
                    sequences: expected..<position, segment: missing ?? segment.number, position: place,
                    reason: missing == nil ? "frames are missing" : "a segment is gone", unit: unit, topic: topics[unit],
                    events: position - expected, isGone: isGone))
        }
        for segment in self.segments where segment.routes.entries.contains(where: { next[$0.route.rawValue] != nil }) {
            // What is missing before the first frame of a unit here was in a segment before, if all before it here can be read.
            var seen: Set<UInt64> = []
            var expected = segment.base
            try self.scan(segment, from: segment.base) { frame in
                guard frame.base < segment.end else { return false }
                let unit = frame.route.rawValue
                let isFirst = seen.insert(unit).inserted && expected == frame.base
                if expected == frame.base { expected = frame.end }
                miss(unit, to: frame.ordinal, segment, at: 0, isGone: isFirst)
                if let expected = next[unit] { next[unit] = max(expected, frame.ordinal + UInt64(frame.count)) }
                return true
            }
            for entry in segment.routes.entries {
                miss(entry.route.rawValue, to: entry.ordinal, segment, at: segment.dataEnd)
                if let expected = next[entry.route.rawValue] { next[entry.route.rawValue] = max(expected, entry.ordinal) }
            }
        }
        return lost
    }

    // MARK: What stands beside a hole

    /// Events of routes before a hole, and before what stands behind it, as far as the log says.
    struct Sides {
        var before: [RouteID: UInt64] = [:]
        /// Whether nothing is missing from the log's first segment up to the hole: what is not named there had no events.
        var isWholeBefore = false
        var behind: [RouteID: UInt64] = [:]
    }

    /// - Parameter byTotals: whether a route of which nothing stands behind the hole ends with its total: where that is known otherwise
    ///   than from the segments.
    func sides(of range: Range<UInt64>, _ routes: Set<RouteID>, byTotals: Bool = true) throws(ForebayError) -> Sides {
        let before = try self.before(range.lowerBound, routes)
        return Sides(
            before: before.known, isWholeBefore: before.isWhole, behind: try self.behind(range.upperBound, routes, byTotals: byTotals))
    }

    private func before(
        _ sequence: UInt64, _ routes: Set<RouteID>
    ) throws(ForebayError) -> (known: [RouteID: UInt64], isWhole: Bool) {
        var known: [RouteID: UInt64] = [:]
        var expected = sequence
        for segment in self.segments.reversed() where segment.base < sequence {
            if segment.end > sequence {
                // The hole begins in it.
                var next = segment.base, isTorn = false
                try self.scan(segment, from: segment.base) { frame in
                    guard frame.end <= sequence else { return false }
                    if frame.base != next { (known, isTorn) = ([:], true) }
                    next = frame.end
                    known[frame.route] = frame.ordinal + UInt64(frame.count)
                    return true
                }
                guard next == sequence else { return ([:], false) }
                // What the segments before it say of a route does not count what it had before the other hole.
                if isTorn { return (known, false) }
            } else {
                // A husk does not tell what it had.
                guard segment.end == expected, segment.hasFooter || !segment.isDamaged, !segment.isHusk else { break }
                for entry in segment.routes.entries where known[entry.route] == nil { known[entry.route] = entry.ordinal }
            }
            if segment.number == self.segments.first?.number { return (known, true) }
            guard segment.header.knownEnd == segment.base, routes.contains(where: { known[$0] == nil }) else { break }
            expected = segment.base
        }
        return (known, false)
    }

    private func behind(_ sequence: UInt64, _ routes: Set<RouteID>, byTotals: Bool) throws(ForebayError) -> [RouteID: UInt64] {
        // Nothing tells.
        guard self.segments.last.map({ $0.end > sequence }) ?? false else { return [:] }
        var known: [RouteID: UInt64] = [:]
        var expected = sequence
        for segment in self.segments where segment.end > sequence {
            guard max(segment.header.knownEnd, sequence) == expected, !segment.isHusk else { return known }
            let wanted = segment.routes.entries.contains { routes.contains($0.route) && known[$0.route] == nil }
            if wanted || segment.isDamaged && !segment.hasFooter {
                var next = expected
                try self.scan(segment, from: expected) { frame in
                    guard frame.end > expected else { return true }
                    guard frame.base == next, frame.base < segment.end else { return false }
                    next = frame.end
                    if known[frame.route] == nil { known[frame.route] = frame.ordinal }
                    return true
                }
                guard next >= segment.end else { return known }
            }
            expected = segment.end
            if routes.allSatisfy({ known[$0] != nil }) { return known }
        }
        guard byTotals, expected == self.durableEnd else { return known }
        // Nothing of the others stands behind it.
        for route in routes where known[route] == nil { known[route] = self.totals[route] ?? 0 }
        return known
    }

    private func scan(_ segment: SegmentInfo, from sequence: UInt64, _ body: (FrameHeader) -> Bool) throws(ForebayError) {
        var scanner = SegmentScanner(
            file: try self.disk.open(segment.path, []), salt: segment.salt, position: segment.position(of: sequence), limit: segment.dataEnd
        )
        while true {
            switch try scanner.step() {
            case .gap: continue
            case .footer, .end: return
            case .frame(let frame, _): guard body(frame) else { return }
            }
        }
    }

    // MARK: What is settled of it

    /// What one party has settled: how many events of its routes came before the hole, and how many before the hole's end are settled.
    struct Share {
        /// None: not known, and at least `floor`.
        var before: UInt64?
        var floor: UInt64 = 0
        /// None: no further than the hole's beginning.
        var reached: UInt64?
    }

    private static func share(_ party: Party, _ range: Range<UInt64>, _ sides: Sides) -> Share {
        func sum(_ side: [RouteID: UInt64]) -> UInt64? {
            party.routes.reduce(0) { sum, route in sum.flatMap { sum in side[route].map { sum + $0 } } }
        }
        guard party.sequence > range.lowerBound else {
            let before = party.sequence == range.lowerBound ? party.ordinal : nil
            return Share(before: before ?? sum(sides.before), floor: party.ordinal ?? 0)
        }
        let reached = party.sequence <= range.upperBound && party.ordinal != nil ? party.ordinal : nil
        return Share(
            before: sum(sides.before), reached: reached ?? (party.sequence >= range.upperBound ? sum(sides.behind) : nil))
    }

    /// - Parameter lower: so many events at most came before the hole, of all parties.
    static func settled(_ shares: [Share], before lower: UInt64) -> UInt64 {
        var settled: UInt64 = 0, known: UInt64 = 0, unknown: UInt64 = 0
        for share in shares {
            known += share.before ?? (share.reached == nil ? share.floor : 0)
            guard let reached = share.reached else { continue }
            if let before = share.before {
                settled += reached > before ? reached - before : 0
            } else {
                unknown += reached
            }
        }
        let most = lower > known ? lower - known : 0
        return settled + (unknown > most ? unknown - most : 0)
    }
}
