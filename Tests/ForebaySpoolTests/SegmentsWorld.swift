import ForebayCore
import ForebayTelemetry
import ForebayTestKit
import Foundation

@testable import ForebaySpool

/// Three segments in a folder, and what looks after them: no log.
final class SegmentsWorld: Sendable {
    let watched = WatchedDisk()
    let broken = BrokenWord()
    let configuration: SpoolConfiguration
    let budget: SpoolBudget
    let view: SpoolView
    let reporter: SpoolReporter
    let sweeper: SegmentSweeper

    static let size = 40_960

    /// Three segments of ten events of a unit each; the last has the log's place.
    init(_ kind: LogKind = .setAside, segmentSize: Int = 64 << 10, ballast: Int = 0) throws {
        let (directory, disk, broken) = (self.watched.directory, self.watched.disk, self.broken)
        var configuration = SpoolConfiguration(directory: directory, kind: kind, segmentSize: segmentSize) { broken($0) }
        configuration.disk = disk
        self.configuration = configuration
        self.budget = try SpoolBudget(capacity: 1 << 30, directory: directory, disk: disk, ballast: ballast)
        let log = spoolID("0123456789ABCDEF")
        let slots = try SlotFile.make(
            disk, directory + "/mark", of: directory, as: .mark, log: log, SlotFile.Value(SpoolMark.Value()))
        let segments = try (1...3 as ClosedRange<UInt64>).map { number in
            let header = SegmentHeader(log: log, origin: log, number: number, base: (number - 1) * 10, salt: number, madeAt: 0)
            var info = SegmentInfo(
                header: header, path: "\(directory)/\(number)", end: number * 10, dataEnd: Self.size - 4096, size: Self.size)
            info.index = [SegmentFooter.IndexEntry(sequence: header.base, position: header.dataStart)]
            info.routes = RouteTable([RouteID(rawValue: 7): number * 10])
            info.hasFooter = true
            try Data(repeating: 0x5A, count: info.size).write(to: URL(filePath: info.path))
            return info
        }
        self.budget.add(segments.count * Self.size)
        self.view = SpoolView(
            SpoolView.State(segments: segments, durableEnd: 30, ordinals: [:], retention: .everything, recent: RecentTail(limit: 0)))
        self.reporter = SpoolReporter(directory: directory, metrics: SpoolMetrics(MetricsRegistry()), time: ManualClock())
        self.sweeper = SegmentSweeper(
            configuration, view: self.view, budget: self.budget,
            mark: SpoolMark(slots: slots, value: SpoolMark.Value(), budget: self.budget), reporter: self.reporter)
        _ = self.watched.calls()
    }

    func segment(_ number: UInt64) -> SegmentInfo { self.view.read { state in state.segments.first { $0.number == number }! } }

    var numbers: [UInt64] { self.view.read { $0.segments.map(\.number) } }

    /// From now on a log of that kind may take so many bytes more.
    func leave(_ bytes: Int) throws { self.budget.add(self.budget.room(for: self.configuration.kind) - bytes) }
}
