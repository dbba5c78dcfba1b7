package import ForebayCore
import Glibc

/// Looks at a spool folder from outside: takes no lock, changes nothing, works beside a running node.
package struct SpoolInspection {
    package struct Segment: Sendable {
        package let number: UInt64
        package let file: String
        package let base: UInt64
        package let end: UInt64
        package let bytes: Int
        package let isSealed: Bool
        /// ms since 1970.
        package let madeAt: Int64
    }

    package struct Cursor: Sendable {
        package let name: String
        package let sequence: UInt64
    }

    /// Something wrong with acknowledged data.
    package struct Problem: Sendable {
        package let file: String
        package let position: Int
        /// Empty where no sequence can be named.
        package let missing: Range<UInt64>
        package let reason: String
    }

    /// What ``verify()`` found.
    package struct Verdict: Sendable {
        package var segments = 0
        package var frames = 0
        package var events: UInt64 = 0
        package var bytes = 0
        /// Bytes behind the last whole group that no mark covers: cut at the next start.
        package var tornBytes = 0
        package var problems: [Problem] = []
    }

    package let directory: String
    package let id: SpoolID?
    package private(set) var segments: [Segment] = []
    package private(set) var cursors: [Cursor] = []
    private var headers: [SegmentHeader] = []
    private var unreadable: [Problem] = []
    /// Everything below it was acknowledged.
    private var mark: UInt64 = 0

    /// - Throws: `spool_unreadable` if there is no spool in the folder.
    package init(directory: String) throws(ForebayError) {
        self.directory = directory
        let folder = "\(directory)/segments"
        var found: [(SegmentHeader, File, Int)] = []
        for name in try Folder.entries(folder) where name.hasSuffix(".segment") {
            let file = try File("\(folder)/\(name)", flags: O_RDONLY)
            let bytes = try file.bytes(at: 0, count: SpoolFormat.block)
            switch bytes.withUnsafeBytes({ bytes in Result { () throws(SegmentHeader.Unreadable) in try SegmentHeader(decoding: bytes) } })
            {
            case .success(let header): found.append((header, file, try file.size()))
            case .failure(.version(let version)):
                self.unreadable.append(Problem(file: name, position: 0, missing: 0..<0, reason: "format version \(version) is not known"))
            case .failure(.damaged):
                self.unreadable.append(Problem(file: name, position: 0, missing: 0..<0, reason: "the segment's header is damaged"))
            }
        }
        guard !found.isEmpty || !self.unreadable.isEmpty else { throw .plain("there is no spool in \(directory)") }
        self.id = found.last?.0.spool
        for (place, (header, file, size)) in found.enumerated() {
            let next = place + 1 < found.count ? found[place + 1].0 : nil
            let (end, isSealed) = try Self.end(header, file, size: size, next: next)
            self.headers.append(header)
            self.segments.append(
                Segment(
                    number: header.number, file: file.path, base: header.base, end: end, bytes: size, isSealed: isSealed,
                    madeAt: header.madeAt))
            self.mark = max(self.mark, isSealed ? end : header.base)
        }
        try self.readMarks()
    }

    /// Reads everything and checks every checksum, the order of sequences, the chain of segments and the footers.
    package func verify() throws(ForebayError) -> Verdict {
        var verdict = Verdict()
        verdict.problems = self.unreadable
        var expected = self.segments.first?.base ?? 0
        // There segments go in any order, and a header may stay alone to say where the one before it ends.
        let isSetAside = access("\(self.directory)/\(UnitTable.file)", F_OK) == 0
        for place in self.segments.indices {
            let segment = self.segments[place]
            verdict.segments += 1
            verdict.bytes += segment.bytes
            if isSetAside, segment.bytes <= SpoolFormat.block { continue }
            if segment.base != expected, place > 0, !isSetAside {
                verdict.problems.append(
                    Problem(file: segment.file, position: 0, missing: expected..<max(expected, segment.base), reason: "a segment is gone"))
            }
            let isLast = place == self.segments.count - 1
            try self.verify(segment, self.headers[place], end: isLast && !segment.isSealed ? nil : segment.end, &verdict)
            expected = segment.end
        }
        return verdict
    }

    /// Calls `body` with each event from a sequence on, until it returns false.
    package func dump(from sequence: UInt64, _ body: (Event, _ sequence: UInt64, _ route: RouteID) -> Bool) throws(ForebayError) {
        try self.batches(from: sequence) { batch in
            var goesOn = true
            batch.forEachEvent { event, number in
                if goesOn, number >= sequence { goesOn = body(event, number, batch.route) }
            }
            return goesOn
        }
    }

    /// Calls `body` with each batch that has events from a sequence on, until it returns false. Broken ones are passed over.
    func batches(from sequence: UInt64, _ body: (Batch) -> Bool) throws(ForebayError) {
        for (segment, header) in zip(self.segments, self.headers) where segment.end > sequence || !segment.isSealed {
            var scanner = SegmentScanner(
                file: try File(segment.file, flags: O_RDONLY), salt: header.salt, position: SpoolFormat.block, limit: segment.bytes)
            scan: while true {
                switch try scanner.step() {
                case .gap: continue
                case .footer, .end: break scan
                case .frame(let frame, let position):
                    guard frame.base < segment.end || !segment.isSealed && segment.number == self.segments.last?.number else { break scan }
                    guard frame.end > sequence, let payload = try scanner.payload(of: frame, at: position) else { continue }
                    let batch = Batch(
                        lane: .spool(header.spool), first: frame.base, count: frame.count, route: frame.route, acceptedAt: frame.acceptedAt,
                        slab: payload.slab, range: payload.range)
                    if batch.isWellFormed, !body(batch) { return }
                }
            }
        }
    }

    /// The segments with what their footers say of routes, or their frames where they have none.
    func segmentsWithRoutes() throws(ForebayError) -> [SegmentInfo] {
        var found: [SegmentInfo] = []
        for (segment, header) in zip(self.segments, self.headers) {
            let file = try File(segment.file, flags: O_RDONLY)
            let isLast = segment.number == self.segments.last?.number
            var info = SegmentInfo(
                number: segment.number, path: segment.file, base: segment.base, salt: header.salt, end: segment.end,
                dataEnd: segment.bytes, size: segment.bytes, isActive: false, index: [])
            if let footer = try SegmentFooter.read(from: file, size: segment.bytes, salt: header.salt) {
                info.routes = RouteTable(footer.ordinals)
            } else {
                info.routes = try RouteTable(scanning: file, salt: header.salt, size: segment.bytes, end: isLast ? nil : segment.end)
            }
            found.append(info)
        }
        return found
    }

    private static func end(
        _ header: SegmentHeader, _ file: File, size: Int, next: SegmentHeader?
    ) throws(ForebayError) -> (UInt64, Bool) {
        if let footer = try SegmentFooter.read(from: file, size: size, salt: header.salt) { return (footer.end, true) }
        if let next { return (max(next.base, header.base), false) }
        var scanner = SegmentScanner(file: file, salt: header.salt, position: SpoolFormat.block, limit: size)
        var end = header.base
        while case .frame(let frame, _) = try scanner.step() { end = max(end, frame.end) }
        return (end, false)
    }

    private mutating func readMarks() throws(ForebayError) {
        guard let id = self.id else { return }
        let folder = "\(self.directory)/cursors"
        if let value = try SlotFile.read("\(self.directory)/mark", spool: id) { self.mark = max(self.mark, value.sequence) }
        for name in try Folder.entries(folder) {
            guard let value = try SlotFile.read("\(folder)/\(name)", spool: id) else { continue }
            self.mark = max(self.mark, value.sequence)
            self.cursors.append(Cursor(name: Spool.cursorName(ofFile: name), sequence: value.sequence))
        }
    }

    /// - Parameter end: none for the unsealed last segment, whose end the marks decide.
    private func verify(_ segment: Segment, _ header: SegmentHeader, end: UInt64?, _ verdict: inout Verdict) throws(ForebayError) {
        var scanner = SegmentScanner(
            file: try File(segment.file, flags: O_RDONLY), salt: header.salt, position: SpoolFormat.block, limit: segment.bytes)
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
                break scan
            case .end(let position):
                last = position
                break scan
            case .frame(let frame, let position):
                if let end, frame.base >= end { break scan }
                mark = max(mark, frame.durable)
                if frame.base > next { miss(next..<frame.base, position, "frames are missing") }
                let payload = try scanner.payload(of: frame, at: position)
                if let payload {
                    let batch = Batch(
                        lane: .spool(header.spool), first: frame.base, count: frame.count, route: frame.route, acceptedAt: frame.acceptedAt,
                        slab: payload.slab, range: payload.range)
                    if !batch.isWellFormed { miss(frame.base..<frame.end, position, "the records of a frame do not fit it") }
                } else {
                    miss(frame.base..<frame.end, position, "the checksum of a frame is wrong")
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
