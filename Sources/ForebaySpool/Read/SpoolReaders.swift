import ForebayCore
import ForebayTelemetry

/// Makes the readers of a log, which share what they read, and tells of what they miss: with how much of it nobody had settled.
final class SpoolReaders: Sendable {
    let metrics: SpoolMetrics
    private let view: SpoolView
    private let disk: any Disk
    private let kind: LogKind
    private let cursors: CursorSet
    private let reporter: SpoolReporter
    private let cache: ReadCache

    init(
        _ configuration: SpoolConfiguration, _ view: SpoolView, _ cursors: CursorSet, _ reporter: SpoolReporter, _ metrics: SpoolMetrics
    ) {
        self.view = view
        self.disk = configuration.disk
        self.kind = configuration.kind
        self.cursors = cursors
        self.reporter = reporter
        self.metrics = metrics
        // Side logs have a reader at a time.
        self.cache = ReadCache(limit: configuration.kind == .spool ? configuration.sharedReadBytes : 0)
    }

    /// Bytes that were read from the disk and stay in memory for other readers.
    var sharedBytes: Int { self.cache.byteCount }

    /// - Parameter route: none: the events of all.
    func reader(route: RouteID?, from sequence: UInt64) -> SpoolReader {
        self.reader(route.map { .one($0) } ?? .all, from: sequence) { [weak self] in self?.report($0) }
    }

    /// A reader of what the cursor counts, from where it stands.
    func reader(of cursor: SpoolCursor) -> SpoolReader {
        let routes = cursor.routes
        return self.reader(RouteFilter(routes), from: cursor.sequence) { [weak self] missing in
            self?.report(missing)
            if missing.isGone { self?.reporter.passed(missing.sequences, by: routes) }
        } onLeftOut: { [weak self] in
            self?.reporter.passed($0, by: routes)
        }
    }

    private func reader(
        _ routes: RouteFilter, from sequence: UInt64, onMissing: @escaping (MissingRange) -> Void,
        onLeftOut: @escaping (Range<UInt64>) -> Void = { _ in }
    ) -> SpoolReader {
        SpoolReader(
            view: self.view, disk: self.disk, cache: self.cache, metrics: self.metrics, routes: routes, from: sequence,
            onMissing: onMissing, onLeftOut: onLeftOut)
    }

    /// Waits for the disk.
    func report(_ missing: MissingRange) {
        // Beside one that is gone the segments are sound.
        if !missing.isGone { self.view.damaged(missing.segment) }
        guard !missing.isCounted, self.kind == .spool else { return self.reporter.report(missing) }
        let losses = self.view.read { state in
            LossCount(segments: state.segments, totals: state.ordinals, durableEnd: state.durableEnd, disk: self.disk)
        }
        self.reporter.report(losses.whole(missing)) { range in losses.unsettledOrAll(range, self.cursors.parties) }
    }
}
