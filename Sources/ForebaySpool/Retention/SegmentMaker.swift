import ForebayCore
import ForebayTelemetry

/// Makes the files of next segments, on the keeper's thread: fills new ones, or takes those of segments that nobody needs any more. One at
/// a time (``SpoolView/claimPrepared()``), each under a name of its own, its room charged from before it is made until it is given back.
struct SegmentMaker {
    /// What has become of a segment whose file was to be used again.
    enum Reused {
        /// It is as it was.
        case not
        /// None: its file could not be opened, and went.
        case file(PreparedSegment?)
    }

    private let configuration: SpoolConfiguration
    private let view: SpoolView
    private let budget: SpoolBudget
    private let sweeper: SegmentSweeper
    private let logger = Logger(label: "spool")
    private var last = 0

    init(_ configuration: SpoolConfiguration, _ view: SpoolView, _ budget: SpoolBudget, _ sweeper: SegmentSweeper) {
        self.configuration = configuration
        self.view = view
        self.budget = budget
        self.sweeper = sweeper
    }

    private var prepares: Bool { self.configuration.preparesNext && !self.configuration.kind.isSideLog }

    private mutating func nextPath() -> String {
        self.last += 1
        return "\(self.configuration.segments)/prepared-\(self.last)"
    }

    /// Bytes of a file that is filled. None: this log makes none ready.
    var size: Int? { self.prepares ? SpoolFormat.aligned(self.configuration.segmentSize) : nil }

    /// Fills a file with zeros and syncs it, so that the sync of a group has only data to write, no sizes and no extents.
    ///
    /// - Returns: none: there is one, or no room.
    mutating func fill() -> PreparedSegment? {
        guard let size = self.size, self.budget.room(for: self.configuration.kind) >= size, self.view.claimPrepared() else { return nil }
        let path = self.nextPath()
        // From now on: filling it takes a while, in which others would take the same room.
        self.budget.add(size, ahead: size)
        var left = size
        do throws(ForebayError) {
            return try PreparedSegment.fill(self.configuration.disk, path, size: size) { [budget] written in
                left -= written
                budget.wrote(written)
            }
        } catch {
            self.logger.warning("the next segment could not be prepared", ["error": error.description])
            self.giveBack(path, size: size, ahead: left)
            self.budget.refresh()
            return nil
        }
    }

    /// A segment's file, whose blocks are on disk already; the salt in every CRC keeps what it held from being taken for new frames.
    mutating func reuse(_ segment: SegmentInfo) -> Reused {
        guard !segment.isDamaged, self.canReuse(segment), self.view.claimPrepared() else { return .not }
        guard let path = self.rename(segment) else {
            self.view.releasePrepared()
            return .not
        }
        do throws(ForebayError) {
            return .file(try PreparedSegment(self.configuration.disk, path, size: segment.size))
        } catch {
            self.giveBack(path, size: segment.size)
            return .file(nil)
        }
    }

    private func canReuse(_ segment: SegmentInfo) -> Bool {
        let size = self.configuration.segmentSize
        return self.prepares && segment.size >= size / 4 * 3 && segment.size <= size * 2
    }

    /// - Returns: its name now; none: it can't be used again.
    private mutating func rename(_ segment: SegmentInfo) -> String? {
        let path = self.nextPath()
        do throws(ForebayError) {
            try self.sweeper.released(through: segment.end)
            try Folder(self.configuration.disk).rename(segment.path, to: path)
        } catch {
            if error.code == .syncFailed { self.configuration.onDiskFailure(error) }
            try? self.configuration.disk.remove(path)  // By whichever name it is there: it goes as any other.
            return nil
        }
        self.sweeper.removed(segment)
        return path
    }

    /// Nobody needs it.
    func discard(_ prepared: PreparedSegment) { self.giveBack(prepared.path, size: prepared.size) }

    private func giveBack(_ path: String, size: Int, ahead: Int = 0) {
        try? self.configuration.disk.remove(path)  // Taken away at the next start, too.
        self.budget.add(-size, ahead: -ahead)
        self.view.releasePrepared()
    }

    /// What a file system says is free need not be for us: an inode for the file, a quota.
    mutating func takesFile() -> Bool {
        let (disk, path) = (self.configuration.disk, self.nextPath())
        defer { try? disk.remove(path) }  // Taken away at the next start, too.
        // Whatever fails: the next look tries again.
        return (try? PreparedSegment.fill(disk, path, size: max(SpoolFormat.block, self.configuration.leastSegment))) != nil
    }
}
