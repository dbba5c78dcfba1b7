package import ForebayCore

/// What a cursor keeps on the disk.
package struct HeldSegments: Sendable, Equatable {
    /// Bytes of the segments that it has not passed.
    package var bytes = 0
    /// Of those, bytes of the ones that nobody else needs: they go when it is given up.
    package var bytesAlone = 0

    /// - Parameters:
    ///   - sequence: where it stands.
    ///   - others: where all others stand.
    init(_ segments: [SegmentInfo], sequence: UInt64, others: [UInt64]) {
        let held = segments.filter { $0.end > sequence }
        let needed = others.min() ?? .max
        self.bytes = held.reduce(0) { $0 + $1.size }
        // The newest stays: it has the log's place.
        self.bytesAlone = held.reduce(0) { sum, segment in
            segment.end <= needed && !segment.isActive && segment.number != segments.last?.number ? sum + segment.size : sum
        }
    }
}

extension Spool {
    package func held(by cursor: SpoolCursor) -> HeldSegments {
        let others = self.allCursors.filter { $0.name != cursor.name }.map(\.syncedSequence)
        return self.view.read { HeldSegments($0.segments, sequence: cursor.syncedSequence, others: others) }
    }

    /// When the first event that waits for a cursor was accepted, in ms since 1970; none if none can be read. Waits for the disk.
    package func oldestAcceptedAt(of cursor: SpoolCursor) throws(ForebayError) -> Int64? {
        let reader = self.reader(of: cursor)
        while true {
            let batches = try reader.read(upTo: 1)
            if let first = batches.first { return first.acceptedAt }
            if reader.isCaughtUp { return nil }
        }
    }
}

extension SpoolInspection {
    /// One cursor, and what waits for it.
    package struct Waiting: Sendable {
        package let name: String
        package let sequence: UInt64
        /// Events at or behind it.
        package let events: UInt64
        package let held: HeldSegments

        package var delivery: DeliveryName { CursorSet.delivery(of: self.name) }
    }

    /// The cursors with what waits for each, by name: of a log that nobody has open.
    package func waiting() throws(ForebayError) -> [Waiting] {
        let segments = try self.segmentsWithRoutes()
        let end = segments.last?.end ?? 0
        let totals = Dictionary(segments.flatMap(\.routes.entries).map { ($0.route, $0.ordinal) }, uniquingKeysWith: max)
        let view = SpoolView(
            SpoolView.State(
                segments: segments, durableEnd: end, ordinals: totals, retention: .cursors, recent: RecentTail(limit: 0)))
        let census = LogCensus(view, self.disk)
        var found: [Waiting] = []
        for cursor in self.cursors.sorted(by: { $0.name < $1.name }) {
            var events: UInt64 = 0
            for route in cursor.routes {
                let (total, passed) = (totals[route] ?? 0, try census.ordinal(of: [route], at: cursor.sequence))
                events += total > passed ? total - passed : 0
            }
            let others = self.cursors.filter { $0.name != cursor.name }.map(\.sequence)
            found.append(
                Waiting(
                    name: cursor.name, sequence: cursor.sequence, events: events,
                    held: HeldSegments(segments, sequence: cursor.sequence, others: others)))
        }
        return found
    }
}
