import ForebayCore

/// How the batches of a group become frames: one run of frames for each route, each about a MiB, of events that were accepted about
/// together, whatever the number of requests they came from. Decides; writes nothing.
struct GroupPlan {
    struct Piece {
        let slab: Slab
        let range: Range<Int>
        let count: Int
    }

    struct Frame {
        let route: RouteID
        let acceptedAt: Int64
        var pieces: [Piece] = []
        var length = 0
        var count = 0
        /// From the start of the group.
        var first: UInt64 = 0
    }

    private(set) var frames: [Frame] = []
    /// For each submission, for each of its batches: the events before it in the group.
    private(set) var places: [[UInt64]]
    private(set) var eventCount: UInt64 = 0

    init(_ submissions: [Submission]) {
        self.places = submissions.map { [UInt64](repeating: 0, count: $0.batches.count) }
        for run in Self.runs(submissions) {
            var isFirst = true
            for (index, place) in run {
                self.places[index][place] = self.eventCount
                self.add(submissions[index].batches[place], opensFrame: isFirst)
                isFirst = false
            }
        }
    }

    /// Each route's batches, in the order in which the routes first come. In one pass: what is set aside has a thousand of them.
    private static func runs(_ submissions: [Submission]) -> [[(index: Int, place: Int)]] {
        var runs: [[(index: Int, place: Int)]] = []
        var numbers: [RouteID: Int] = [:]
        var last: (route: RouteID, number: Int)?
        for (index, submission) in submissions.enumerated() {
            for (place, batch) in submission.batches.enumerated() {
                var number = last?.route == batch.route ? last?.number : numbers[batch.route]
                if number == nil { runs.append([]) }
                number = number ?? runs.count - 1
                if last?.route != batch.route { numbers[batch.route] = number }
                last = (batch.route, number!)
                runs[number!].append((index, place))
            }
        }
        return runs
    }

    /// Of the routes in this group alone.
    func ordinals(from all: [RouteID: UInt64]) -> [RouteID: UInt64] {
        var ordinals: [RouteID: UInt64] = [:]
        for frame in self.frames { ordinals[frame.route] = all[frame.route] }
        return ordinals
    }

    /// Bytes that the group takes in a segment, padding included.
    var size: Int {
        SpoolFormat.aligned(self.frames.reduce(0) { $0 + SpoolFormat.frameHeader + SpoolFormat.aligned($1.length, to: 8) })
    }

    /// The group's batches as they are numbered, in order, on the same slabs.
    func batches(_ headers: [FrameHeader], of segment: SegmentHeader) -> [Batch] {
        var batches: [Batch] = []
        for (frame, header) in zip(self.frames, headers) {
            var first = header.base
            for piece in frame.pieces {
                batches.append(
                    Batch(
                        lane: .spool(segment.log), origin: segment.origin, first: first, count: piece.count, route: frame.route,
                        acceptedAt: frame.acceptedAt, slab: piece.slab, range: piece.range))
                first += UInt64(piece.count)
            }
        }
        return batches
    }

    private mutating func add(_ batch: Batch, opensFrame: Bool) {
        var opens = opensFrame
        // A frame keeps one time of acceptance, by which our times are told from the producers'. What is set aside after an outage was
        // accepted hours apart.
        if !opens { opens = !Self.isAboutTogether(batch.acceptedAt, self.frames[self.frames.count - 1].acceptedAt) }
        for piece in Self.pieces(of: batch) {
            if opens || self.frames[self.frames.count - 1].length + piece.range.count > SpoolFormat.framePayload {
                self.frames.append(Frame(route: batch.route, acceptedAt: batch.acceptedAt, first: self.eventCount))
                opens = false
            }
            self.frames[self.frames.count - 1].pieces.append(piece)
            self.frames[self.frames.count - 1].length += piece.range.count
            self.frames[self.frames.count - 1].count += piece.count
            self.eventCount += UInt64(piece.count)
        }
    }

    private static func isAboutTogether(_ one: Int64, _ other: Int64) -> Bool {
        let (difference, isBeyond) = one.subtractingReportingOverflow(other)
        return !isBeyond && difference.magnitude <= 1000
    }

    /// A batch as it is, or cut between records into pieces that fit a frame.
    private static func pieces(of batch: Batch) -> [Piece] {
        guard batch.byteCount > SpoolFormat.framePayload else {
            return [Piece(slab: batch.slab, range: batch.range, count: batch.count)]
        }
        var pieces: [Piece] = []
        var start = batch.range.lowerBound, next = start, count = 0
        batch.forEachEvent { event, _ in
            let size = event.record.count
            if count > 0, next - start + size > SpoolFormat.framePayload {
                pieces.append(Piece(slab: batch.slab, range: start..<next, count: count))
                (start, count) = (next, 0)
            }
            next += size
            count += 1
        }
        pieces.append(Piece(slab: batch.slab, range: start..<next, count: count))
        return pieces
    }
}
