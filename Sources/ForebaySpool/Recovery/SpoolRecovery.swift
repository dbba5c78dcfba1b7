import ForebayCore
import ForebayTelemetry

/// What stands on disk at a start, and what of it counts.
///
/// Let W be the highest mark found anywhere: a frame's, a footer's, a cursor's, the mark file's. Below W everything was acknowledged: what
/// can't be read there is damage, named and passed. At or above W stands at most what no mark covers yet (the last groups): whole groups
/// are written and synced again where they stand, the rest is the torn tail of a crash, and cut.
struct SpoolRecovery {
    struct Outcome {
        var segments: [SegmentInfo] = []
        var ordinals: [RouteID: UInt64] = [:]
        /// W, with what was kept above it.
        var durableEnd: UInt64 = 0
        /// One past the highest sequence that may have been given.
        var given: UInt64 = 0
        /// The number of the newest segment that anything knows of, and whether it is gone or can't be read.
        var newest: UInt64 = 0
        var isNewestLost = false
        /// It is there, and the device does not give what was accepted last.
        var isTailUnread = false
        /// Every segment on disk names the one before it that is there.
        var isJoined = true
        /// What the ids of new events begin with; none: nothing tells, so a new one.
        var origin: SpoolID?
        /// By number.
        var checksums: [UInt64: UInt64] = [:]
        /// Of the newest segment; the next one names both.
        var last: (number: UInt64, checksum: UInt64) = (0, 0)
        /// Above every name in the folder, and every number that is known to have been used.
        var nextNumber: UInt64 = 1
        var bytes = 0
        /// What was acknowledged and is not there.
        var holes: [MissingRange] = []
        /// The numbers of segments that were put back, and have something that was passed without them.
        var kept: [UInt64] = []
    }

    let disk: any Disk
    let directory: String
    let kind: LogKind
    let reporter: SpoolReporter
    private let budget: SpoolBudget
    let logger = Logger(label: "spool")

    init(_ disk: any Disk, of directory: String, _ kind: LogKind, _ reporter: SpoolReporter, _ budget: SpoolBudget) {
        self.budget = budget
        self.reporter = reporter
        self.disk = disk
        self.directory = directory
        self.kind = kind
    }

    /// - Parameter identity: with a new origin for ids, if the newest segment was lost.
    func run(_ found: FoundSegments, _ identity: inout LogIdentity, chance: any ChanceSource) throws(ForebayError) -> Outcome {
        var found = found
        var outcome = Outcome()
        let foreign = found.takeForeign(to: identity.log)
        if self.kind == .setAside { try self.putBackAside(&found) }
        // Also one that was never used.
        let newestThere = found.segments.last?.header.number ?? 0
        // What an attempt before this one moved away was told of.
        outcome.newest = max(
            newestThere, identity.mark?.value?.owner ?? 0, found.unreadable.map(\.number).max() ?? 0, self.reporter.reached.segment)
        // Whether the one behind a lost one was begun nobody knows without the mark, and a cursor that stands in it does.
        let begun = identity.registry.registry?.begun.flatMap { $0.segment > newestThere ? $0 : nil }
        if let begun, identity.mark?.value == nil || identity.marks.contains(where: { $0 >= begun.sequence }) {
            outcome.newest = max(outcome.newest, begun.segment)
        }
        if outcome.newest == newestThere, try self.endsBelowMark(found, identity) { outcome.newest += 1 }
        let unused = outcome.newest == newestThere ? try self.unusedBehindLost(found, identity) : nil
        if let unused { outcome.newest = unused.header.previousNumber }
        outcome.isNewestLost = unused != nil || outcome.newest > newestThere
        // Before anything that shows it is moved away.
        if outcome.isNewestLost { try self.renewOrigin(&identity, chance) }
        for segment in foreign {
            self.reporter.report(SpoolAlarm(file: segment.path, text: "a segment of another log; it is moved to quarantine"))
            try Folder(self.disk).quarantine(segment.path, of: self.directory)
        }
        for (_, path) in found.unreadable {
            self.reporter.report(
                SpoolAlarm(
                    file: path, text: "neither copy of the segment's header can be read; it is moved to quarantine", holdsEvents: true))
            try Folder(self.disk).quarantine(path, of: self.directory)
        }
        if let unused { try self.drop(unused, from: &found, newest: outcome.newest, identity) }
        let unusedFrom = max(
            unused?.header.knownEnd ?? 0, try self.dropUnused(&found, lost: outcome.isNewestLost ? outcome.newest : 0, identity))
        try self.dropUnknown(&found)
        let (chain, letGo) = (SegmentChain(self.disk), identity.letGo)
        for segment in found.segments where !segment.isWhole { chain.mendHeader(of: segment) }

        // What was begun behind a lost one, and is away, says nothing of what stood before that.
        var highest = max(identity.marks.filter { $0 < begun?.sequence ?? .max }.max() ?? 0, unusedFrom)
        for place in found.segments.indices {
            let next = place + 1 < found.segments.count ? found.segments[place + 1] : nil
            try self.add(found.segments[place], next: next?.header, to: &outcome, highest: &highest, letGo: letGo)
            let header = found.segments[place].header
            guard let next, header.isUnknown(to: next.header) || header.isApart(from: next.header, below: letGo) else { continue }
            let (joined, isWritten) = chain.join(next, to: outcome)
            found.replace(joined)
            outcome.isJoined = outcome.isJoined && isWritten
        }
        if outcome.isTailUnread { try self.renewOrigin(&identity, chance) }
        outcome.origin = identity.registry.registry?.origin ?? outcome.origin
        self.checkEnd(found, identity, highest, begun, &outcome)
        self.checkBeginning(identity, &outcome)
        if self.kind == .setAside { self.checkChain(&outcome) }
        let parties = self.kind == .spool ? identity.parties : []
        var totals = outcome.ordinals
        // What is settled was there, also where its segments are gone.
        for party in parties where party.routes.count == 1 {
            totals[party.routes[0]] = max(totals[party.routes[0]] ?? 0, party.ordinal ?? 0)
        }
        let losses = LossCount(segments: outcome.segments, totals: totals, durableEnd: outcome.durableEnd, disk: self.disk)
        if self.kind == .setAside {
            try self.tellLost(outcome.holes, losses, identity.log)
            outcome.kept = self.reporter.damagedSegments
        } else {
            outcome.kept = self.reporter.hadBack(outcome.segments, holes: outcome.holes, parties)
            for hole in outcome.holes {
                self.reporter.report(hole) { range in losses.unsettledOrAll(range, parties) }
            }
        }
        return outcome
    }

    private func renewOrigin(_ identity: inout LogIdentity, _ chance: any ChanceSource) throws(ForebayError) {
        identity.renewOrigin(chance: chance)
        try identity.save(self.disk, to: self.directory, self.budget)
    }

    /// In a set-aside log, where the units' places say what was settled. That takes a look at every frame: once for each hole.
    private func tellLost(_ holes: [MissingRange], _ losses: LossCount, _ log: SpoolID) throws(ForebayError) {
        guard holes.contains(where: { !self.reporter.untold($0).isEmpty }) else { return }
        let path = "\(self.directory)/\(UnitTable.file)"
        let table = try self.disk.kind(of: path) == .file ? try self.disk.open(path, []) : nil
        let units = try UnitInventory(table: table, log: log, segments: losses.segments, disk: self.disk)
        var told: [MissingRange] = []
        for missing in try losses.lost(in: holes, units, untold: self.reporter.untold) {
            if missing.events > 0 { told.append(missing) } else { self.reporter.notTold(missing) }
        }
        self.reporter.report(told)
    }

    private func add(
        _ segment: FoundSegments.Segment, next: SegmentHeader?, to outcome: inout Outcome, highest: inout UInt64, letGo: UInt64
    ) throws(ForebayError) {
        let header = segment.header
        let file = try self.disk.open(segment.path, [])
        let size = try file.size()
        var info = SegmentInfo(header: header, path: segment.path, end: header.base, dataEnd: size, size: size)
        var checksum: UInt64 = 0
        // Where a segment in between was lost, this one ends where its own events do, so that every reader sees the hole.
        let goesOn = next?.previousNumber == header.number
        // Or the newest when it was lost: the next one was made without it. It is back, as it was then.
        let isNewest = next.map(header.isUnknown(to:)) ?? true
        // What was behind it was let go of: nothing but itself says how far it went.
        let isAlone = next.map { header.isApart(from: $0, below: letGo) } ?? false
        if let footer = try SegmentFooter.read(from: file, size: size, salt: header.salt, base: header.base) {
            info.end = footer.end
            info.dataEnd = footer.dataEnd
            info.index = footer.index
            info.routes = RouteTable(footer.ordinals)
            info.hasFooter = true
            checksum = footer.checksum
            highest = max(highest, footer.end)
        } else if isNewest || isAlone {
            let tail = try TailRecovery(self.disk, header, segment.path, size: size).run(
                mark: isAlone ? header.base : min(highest, next?.knownEnd ?? highest),
                keepsRest: self.reporter.damagedSegments.contains(header.number))
            info = tail.info
            checksum = tail.checksum
            highest = max(highest, tail.info.end)
            outcome.isTailUnread = next == nil && tail.isUnread
            outcome.holes += tail.missing + (self.kind == .setAside ? Self.holes(tail.gaps, in: info) : [])
        } else if header.version > 1 || size > header.dataStart {
            // The successor decides what counts here: what stands at or above its base was never acknowledged.
            let contents = try SegmentContents(scanning: file, header, size: size, end: goesOn ? next!.knownEnd : nil)
            contents.apply(to: &info)
            // Of one that is back nothing behind it says how much it had: what can't be read at its end is not cut off if it is told of.
            let isTold = !goesOn && self.kind != .setAside && self.reporter.isTold(contents.end, of: header)
            info.isDamaged = info.isDamaged || isTold || self.reporter.damagedSegments.contains(header.number)
            checksum = UInt64(contents.checksum)
            SegmentSeal(self.disk).seal(&info, checksum: contents.checksum)
            // Nobody reads a set-aside log sequence by sequence, and no footer says what its units had in it.
            if self.kind == .setAside { outcome.holes += Self.holes(contents.gaps, in: info) }
        }
        if let next, goesOn, !info.hasFooter || info.end > next.knownEnd {
            // A start before this one cut it.
            info.isDamaged = info.isDamaged || info.hasFooter
            info.end = max(info.base, next.knownEnd)
        }
        if let next, info.end > next.base { outcome.holes.append(self.cut(&info, to: next.base)) }
        outcome.ordinals.merge(info.routes.entries.map { ($0.route, $0.ordinal) }, uniquingKeysWith: max)
        outcome.bytes += info.size
        outcome.last = (header.number, checksum)
        outcome.checksums[header.number] = checksum
        outcome.origin = header.origin
        outcome.segments.append(info)
    }

    private static func holes(_ gaps: [Range<UInt64>], in segment: SegmentInfo) -> [MissingRange] {
        gaps.map { gap in
            MissingRange(
                sequences: gap, segment: segment.number, position: segment.position(of: gap.lowerBound), reason: "frames are missing")
        }
    }

    /// A segment of a set-aside log that a start has missed is not taken up again: the units went on without it, and what they got since
    /// has its positions.
    private func putBackAside(_ found: inout FoundSegments) throws(ForebayError) {
        var next: SegmentHeader?
        for segment in found.segments.reversed() {
            let isUnknown = next.map(segment.header.isUnknown(to:)) ?? false
            var isPutBack = self.reporter.wasGone(segment)
            if !isPutBack, isUnknown { isPutBack = try !FoundSegments.isEmpty(segment.header, self.disk.openFromDevice(segment.path)) }
            guard isPutBack else {
                if !isUnknown { next = segment.header }
                continue
            }
            self.reporter.report(
                SpoolAlarm(
                    file: segment.path,
                    text: "the segment was away, and what is set aside went on without it: it is moved to quarantine, and its events are"
                        + " not delivered", holdsEvents: true), isNews: true)
            do throws(ForebayError) {
                try Folder(self.disk).quarantine(segment.path, of: self.directory)
            } catch {
                // Where it is, it does not count either.
                guard error.code == .spoolFull else { throw error }
            }
            found.drop(segment.header.number)
        }
    }

    /// Its last sequences were given again, because nothing told that they had been given. What has them now was accepted later, and is
    /// served; the file stays for the operator.
    private func cut(_ info: inout SegmentInfo, to end: UInt64) -> MissingRange {
        let end = max(info.base, end)
        let hole = MissingRange(
            sequences: end..<info.end, segment: info.number, position: info.position(of: end),
            reason: "the segment was away, and its sequences were given again")
        info.end = end
        info.isDamaged = true
        return hole
    }
}
