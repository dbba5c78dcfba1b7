import ForebayCore

/// Counts events of routes by the log itself: for a cursor whose own count is not known.
struct LogCensus {
    private let view: SpoolView
    private let disk: any Disk

    init(_ view: SpoolView, _ disk: any Disk) {
        self.view = view
        self.disk = disk
    }

    /// How many events of the routes were appended before a place: not more than there were. What can't be read from there on may have been
    /// theirs, and is not before it.
    func ordinal(of routes: [RouteID], at sequence: UInt64) throws(ForebayError) -> UInt64 {
        var sum: UInt64 = 0, unread: UInt64 = 0
        for route in routes {
            let total = self.view.read { $0.ordinals[route] ?? 0 }
            let first = try self.firstFrame(of: [route], from: sequence)
            sum += first.frame.map { $0.ordinal + (sequence > $0.base ? sequence - $0.base : 0) } ?? total
            unread = max(unread, first.unread)
        }
        return sum - min(sum, unread)
    }

    /// How many events of the routes lie in ranges, which ascend and do not overlap: of those that can be read.
    func events(of routes: [RouteID], in ranges: [Range<UInt64>]) throws(ForebayError) -> UInt64 {
        guard let first = ranges.first, let last = ranges.last else { return 0 }
        var sum: UInt64 = 0, index = 0
        for segment in self.view.read({ $0.segments }) where segment.end > first.lowerBound && segment.base < last.upperBound {
            guard routes.contains(where: { segment.routes[$0] != nil }), let file = try self.open(segment) else { continue }
            let position = segment.position(of: max(segment.base, first.lowerBound))
            var scanner = SegmentScanner(file: file, salt: segment.salt, position: position, limit: segment.dataEnd)
            scan: while true {
                switch try scanner.step() {
                case .gap: continue
                case .footer, .end: break scan
                case .frame(let frame, _):
                    guard frame.base < last.upperBound else { break scan }
                    guard routes.contains(frame.route) else { continue }
                    while ranges[index].upperBound <= frame.base { index += 1 }
                    let overlapping = ranges[index...].prefix { $0.lowerBound < frame.end }
                    sum += overlapping.reduce(0) { $0 + UInt64($1.clamped(to: frame.base..<frame.end).count) }
                }
            }
        }
        return sum
    }

    /// Whether some are left at or behind a place. What can't be read may be some.
    func hasEvents(of routes: [RouteID], from sequence: UInt64) throws(ForebayError) -> Bool {
        let first = try self.firstFrame(of: routes, from: sequence)
        return first.frame != nil || first.hasHoles
    }

    /// Whether some can be found there.
    func findsEvents(of routes: [RouteID], from sequence: UInt64) throws(ForebayError) -> Bool {
        try self.firstFrame(of: routes, from: sequence).frame != nil
    }

    /// - Returns: with it whether anything before it is not there, and how many sequences.
    private func firstFrame(
        of routes: [RouteID], from sequence: UInt64
    ) throws(ForebayError) -> (frame: FrameHeader?, hasHoles: Bool, unread: UInt64) {
        let (segments, durableEnd) = self.view.read { state in (state.segments.filter { $0.end > sequence }, state.durableEnd) }
        var hasHoles = false
        var expected = sequence, unread: UInt64 = 0
        func reach(_ place: UInt64) {
            if place > expected { unread += place - expected }
        }
        for segment in segments {
            hasHoles = hasHoles || segment.isDamaged || segment.header.knownEnd > expected
            reach(segment.header.knownEnd)
            expected = max(expected, segment.base)
            defer { expected = max(expected, segment.end) }
            guard routes.contains(where: { segment.routes[$0] != nil }) || segment.isDamaged else { continue }
            guard let file = try self.open(segment) else {
                hasHoles = true
                reach(segment.end)
                continue
            }
            var scanner = SegmentScanner(file: file, salt: segment.salt, position: segment.position(of: sequence), limit: segment.dataEnd)
            scan: while true {
                switch try scanner.step() {
                case .gap: hasHoles = true
                case .footer, .end: break scan
                case .frame(let frame, _):
                    guard frame.base < segment.end else { break scan }
                    guard frame.end > sequence else { continue }
                    reach(frame.base)
                    if routes.contains(frame.route) { return (frame, hasHoles, unread) }
                    expected = max(expected, frame.end)
                }
            }
            reach(segment.end)
        }
        // The newest may be gone.
        reach(durableEnd)
        return (nil, hasHoles || expected < durableEnd, unread)
    }

    /// None if it is gone, or can't be read.
    private func open(_ segment: SegmentInfo) throws(ForebayError) -> (any DiskFile)? {
        do throws(ForebayError) {
            return try self.disk.open(segment.path, [])
        } catch {
            guard error.isLoss else { throw error }
            return nil
        }
    }
}
