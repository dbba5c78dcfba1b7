package import ForebayCore
import Glibc

/// Looks at a spool folder from outside: takes no lock, changes nothing, works beside a running node.
package struct SpoolInspection {
    package let directory: String
    package let id: SpoolID?
    package private(set) var segments: [Segment] = []
    package private(set) var cursors: [Cursor] = []
    private var headers: [SegmentHeader] = []
    private var unreadable: [Problem] = []
    /// What the log is for, as far as it tells.
    let kind: LogKind
    private var routeNames: [RouteID: String] = [:]
    /// Everything below it was acknowledged.
    private var mark: UInt64 = 0
    /// What lay below it was let go of.
    private var released: UInt64 = 0

    let disk: any Disk

    /// - Throws: `spool_unreadable` if there is no spool in the folder.
    package init(directory: String, disk: any Disk = SystemDisk()) throws(ForebayError) {
        self.directory = directory
        self.disk = disk
        let folder = "\(directory)/segments"
        let registry = try CursorRegistry.read(disk, of: directory)
        let isThere = try disk.kind(of: folder) == .folder
        guard registry.isThere || isThere else { throw .plain("there is no spool in \(directory)") }
        var found: [(SegmentHeader, any DiskFile, Int)] = []
        var unreadable: [(file: String, reason: String)] = []
        for name in try Folder(disk).entries(folder) {
            guard let number = SegmentFile.number(ofName: name), try disk.kind(of: "\(folder)/\(name)") == .file else { continue }
            let file = try disk.open("\(folder)/\(name)", [])
            let (outcome, isWhole) = try SegmentHeader.read(from: file)
            switch outcome {
            case .success(let header) where header.number == number:
                found.append((header, file, try file.size()))
                if !isWhole { unreadable.append((name, "one copy of the segment's header is damaged")) }
            case .success: continue  // A copy under another name: it does not count.
            // The start tells of these.
            case .failure: continue
            }
        }
        self.id = registry.registry?.log ?? found.last?.0.log
        if let kind = registry.registry?.kind { self.kind = kind } else { self.kind = try Self.kind(of: directory, disk) }
        for (file, reason) in unreadable { self.note(file, reason) }
        for entry in registry.registry?.cursors ?? [] {
            for route in entry.routes where self.routeNames[route] == nil { self.routeNames[route] = CursorSet.route(of: entry.name) }
        }
        found.removeAll { $0.0.log != self.id }
        try self.readMarks(registry.registry, areRecent: found.contains { $0.0.version > 2 })
        while found.count > 1 {
            let (last, before) = (found[found.count - 1], found[found.count - 2])
            guard try FoundSegments.isUnused((last.0, last.1), behind: (before.0, before.1), marked: self.mark) else { break }
            self.mark = max(self.mark, last.0.knownEnd)
            found.removeLast()
        }
        for (place, (header, file, size)) in found.enumerated() {
            let next = place + 1 < found.count ? found[place + 1].0 : nil
            let (end, isSealed) = try Self.end(disk, header, file, size: size, next: next)
            self.headers.append(header)
            self.segments.append(
                Segment(
                    number: header.number, file: file.path, base: header.base, end: end, bytes: size, isSealed: isSealed,
                    madeAt: header.madeAt))
            self.mark = max(self.mark, isSealed ? end : header.base)
        }
    }

    private mutating func note(_ file: String, _ reason: String) {
        self.unreadable.append(Problem(file: file, reason: reason))
    }

    /// The name of a route, where the registry has it.
    package func name(of route: RouteID) -> String? { self.routeNames[route] }

    /// Reads everything and checks every checksum, the order of sequences, the chain of segments and the footers; and all that the next
    /// start would tell of, by that start itself.
    ///
    /// - Parameter logs: of the same data folder, all that are there.
    package func verify(beside logs: Set<SpoolID> = []) throws(ForebayError) -> Verdict {
        var verdict = try self.verifySegments()
        // What has been looked at is told of once.
        verdict.problems += try self.rehearse(beside: logs).filter { problem in
            problem.missing.isEmpty || !verdict.problems.contains { $0.missing.overlaps(problem.missing) }
        }
        return verdict
    }

    /// Where the registry does not say.
    private static func kind(of directory: String, _ disk: any Disk) throws(ForebayError) -> LogKind {
        if try disk.kind(of: "\(directory)/\(UnitTable.file)") != nil { return .setAside }
        let parent = Folder.parent(of: directory).split(separator: "/").last.map(String.init) ?? ""
        return LogKind(rawValue: parent) ?? .spool
    }

    private func verifySegments() throws(ForebayError) -> Verdict {
        var verdict = Verdict()
        verdict.problems = self.unreadable
        var expected = self.segments.first?.base ?? 0
        // There segments go in any order.
        let isSetAside = self.kind == .setAside
        for place in self.segments.indices {
            let segment = self.segments[place]
            verdict.segments += 1
            verdict.bytes += segment.bytes
            expected = max(expected, min(self.released, segment.base))
            let known = self.headers[place].knownEnd
            if known > expected, !isSetAside {
                verdict.problems.append(Problem(file: segment.file, position: 0, missing: expected..<known, reason: "a segment is gone"))
            }
            if segment.base < expected, !isSetAside {
                verdict.problems.append(
                    Problem(
                        file: segment.file, position: 0, missing: segment.base..<expected,
                        reason: "the segment before it has the same sequences"))
            }
            expected = segment.end
            let isLast = place == self.segments.count - 1
            try self.verifyUnlessLetGo(
                segment, self.headers[place], end: isLast && !segment.isSealed ? nil : segment.end, &verdict)
        }
        return verdict
    }

    /// A running node may remove a segment, use its file again, or cut it, at any moment: what is wrong then is no damage.
    private func verifyUnlessLetGo(
        _ segment: Segment, _ header: SegmentHeader, end: UInt64?, _ verdict: inout Verdict
    ) throws(ForebayError) {
        let known = verdict
        do throws(ForebayError) {
            if try self.isHusk(segment, header) { return }
            try self.verify(segment, header, end: end, &verdict)
            guard verdict.problems.count > known.problems.count, try self.isHusk(segment, header) else { return }
            verdict = known
        } catch {
            guard error.systemCode == ENOENT, try self.disk.kind(of: segment.file) == nil else { throw error }
            verdict = known  // Should it be missed, the next start says so.
        }
    }

    /// Whether its header stays alone to say where the one before it ends, or is about to: nobody needs what it had.
    private func isHusk(_ segment: Segment, _ header: SegmentHeader) throws(ForebayError) -> Bool {
        if header.version == 1, segment.bytes <= header.dataStart { return true }
        var scanner = SegmentScanner(
            file: try self.disk.open(segment.file, []), salt: header.salt, position: header.dataStart, limit: segment.bytes)
        guard case .footer(let footer) = try scanner.step() else { return false }
        // One that was not sealed when the segments were listed may have gone on before.
        return footer.end >= segment.end
    }

    func isHusk(at place: Int) throws(ForebayError) -> Bool { try self.isHusk(self.segments[place], self.headers[place]) }

    /// Calls `body` with each event from a sequence on, until it returns false.
    package func dump(from sequence: UInt64, _ body: (Event, _ sequence: UInt64, _ batch: Batch) -> Bool) throws(ForebayError) {
        try self.batches(from: sequence) { batch in
            var goesOn = true
            batch.forEachEvent { event, number in
                if goesOn, number >= sequence { goesOn = body(event, number, batch) }
            }
            return goesOn
        }
    }

    /// Calls `body` with each batch that has events from a sequence on, until it returns false. Broken ones are passed over.
    func batches(from sequence: UInt64, _ body: (Batch) -> Bool) throws(ForebayError) {
        for (segment, header) in zip(self.segments, self.headers) where segment.end > sequence || !segment.isSealed {
            var scanner = SegmentScanner(
                file: try self.disk.open(segment.file, []), salt: header.salt, position: header.dataStart, limit: segment.bytes)
            scan: while true {
                switch try scanner.step() {
                case .gap: continue
                case .footer, .end: break scan
                case .frame(let frame, let position):
                    guard frame.base < segment.end || !segment.isSealed && segment.number == self.segments.last?.number else { break scan }
                    guard frame.end > sequence, case .events(let batch) = try scanner.events(of: frame, at: position, in: header) else {
                        continue
                    }
                    guard body(batch) else { return }
                }
            }
        }
    }

    /// The segments with what their footers say of routes, or their frames where they have none.
    func segmentsWithRoutes() throws(ForebayError) -> [SegmentInfo] {
        var found: [SegmentInfo] = []
        for (segment, header) in zip(self.segments, self.headers) {
            let file = try self.disk.open(segment.file, [])
            var info = SegmentInfo(header: header, path: segment.file, end: segment.end, dataEnd: segment.bytes, size: segment.bytes)
            if let footer = try SegmentFooter.read(from: file, size: segment.bytes, salt: header.salt, base: header.base) {
                info.routes = RouteTable(footer.ordinals)
            } else {
                info.routes = try SegmentContents(scanning: file, header, size: segment.bytes, end: segment.end).routes
            }
            found.append(info)
        }
        return found
    }

    private static func end(
        _ disk: any Disk, _ header: SegmentHeader, _ file: any DiskFile, size: Int, next: SegmentHeader?
    ) throws(ForebayError) -> (UInt64, Bool) {
        if let footer = try SegmentFooter.read(from: file, size: size, salt: header.salt, base: header.base) { return (footer.end, true) }
        if let next, next.previousNumber == header.number { return (max(next.knownEnd, header.base), false) }
        // As the next start would: a torn group, and what is left of one that was refused, does not count.
        return (try TailRecovery(disk, header, file.path, size: size).end(), false)
    }

    private mutating func readMarks(_ registry: CursorRegistry?, areRecent: Bool) throws(ForebayError) {
        guard let id = self.id else { return }
        let folder = "\(self.directory)/cursors"
        let takesOlder = !(registry?.hasKinds ?? areRecent)
        let mark = try SlotFile.read(self.disk, "\(self.directory)/\(SpoolMark.file)", as: .mark, log: id, takesOlder: takesOlder)
        if let value = mark?.value {
            self.mark = max(self.mark, value.sequence)
            self.released = value.ordinal
        }
        for file in try Folder(self.disk).entries(folder) {
            let name = LogIdentity.cursorName(ofFile: file)
            guard registry == nil || registry?.entry(name) != nil else { continue }
            let found = try SlotFile.read(
                self.disk, "\(folder)/\(file)", as: .cursor, log: id, owner: SpoolCursor.owner(name), takesOlder: takesOlder)
            guard let value = found?.value else { continue }
            self.mark = max(self.mark, value.sequence)
            let routes = registry?.entry(name)?.routes ?? [RouteID(name: CursorSet.route(of: name))]
            self.cursors.append(Cursor(name: name, sequence: value.sequence, routes: routes))
        }
    }

    /// - Parameter end: none for the unsealed last segment, whose end the marks decide.
    private func verify(_ segment: Segment, _ header: SegmentHeader, end: UInt64?, _ verdict: inout Verdict) throws(ForebayError) {
        var scanner = SegmentScanner(
            file: try self.disk.open(segment.file, []), salt: header.salt, position: header.dataStart, limit: segment.bytes)
        var next = segment.base
        var mark = max(self.mark, segment.base)
        var pending: [Problem] = []
        func miss(_ sequences: Range<UInt64>, _ position: Int, _ reason: String) {
            pending.append(Problem(file: segment.file, position: position, missing: sequences, reason: reason))
        }
        var last = SpoolFormat.block
        scan: while true {
            switch try scanner.step() {
            case .gap: continue
            case .footer(let footer):
                if footer.end != next { miss(next..<max(next, footer.end), footer.dataEnd, "the footer names another end") }
                mark = max(mark, footer.end)
                next = max(next, footer.end)
                break scan
            case .end(let position):
                last = position
                break scan
            case .frame(let frame, let position):
                if let end, frame.base >= end { break scan }
                mark = max(mark, frame.durable)
                if frame.base > next { miss(next..<frame.base, position, "frames are missing") }
                if case .broken(let reason) = try scanner.events(of: frame, at: position, in: header) {
                    miss(frame.base..<frame.end, position, reason)
                }
                verdict.frames += 1
                verdict.events += UInt64(frame.count)
                next = max(next, frame.end)
            }
        }
        let shouldEnd = end ?? mark
        if next < shouldEnd { miss(next..<shouldEnd, last, "frames are missing") }
        // What no mark covers is the torn tail of a crash, not damage.
        verdict.problems += pending.filter { end != nil || $0.missing.lowerBound < mark }
    }
}
