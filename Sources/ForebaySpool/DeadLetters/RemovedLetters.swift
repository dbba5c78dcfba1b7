import ForebayCore
import ForebayTelemetry
import Synchronization

/// Which letters of a dead-letter log were removed: in memory, and in its two files (``RemovedLettersFile`` has the layout).
///
/// A letter is removed when a file says so durably, or when it is known to stand elsewhere, and only then it is hidden. A segment of which
/// every letter is removed is needed by nobody, and goes.
///
///     there ── written in one file, synced ──> removed: in no list, in no count ── all of its segment are ──> the segment goes
///       `────── durable elsewhere ───────────────^  a file that could not be written yet is, as soon as it can
final class RemovedLetters: SegmentHolder {
    private struct State {
        var file: RemovedLettersFile
        /// Files that do not say that yet.
        var unwritten: Set<Int> = []
        /// Files that say nothing: damaged, cut short, or not there.
        var torn: Set<Int> = []
        /// A file may hide letters whose numbers were not given, and would be given by the next append.
        var hidesNext = false
        /// How many bytes the budget knows.
        var countedBytes = 0
    }

    private let disk: any Disk
    let directory: String
    private let log: SpoolID
    private let state: Mutex<State>

    /// Where the disk has no room for it, what is to be written waits for ``saveAgain()``.
    ///
    /// - Parameters:
    ///   - end: sequences from here on were not given, as far as this start knows, and may be given again: what was removed of them is
    ///     forgotten, durably, before that.
    ///   - report: told if neither file can be read.
    init(
        _ disk: any Disk, directory: String, log: SpoolID, end: UInt64, report: (SpoolAlarm) -> Void
    ) throws(ForebayError) {
        self.disk = disk
        self.directory = directory
        self.log = log
        let found = try RemovedLettersFile.read(disk, of: directory, log: log)
        var file = found.file
        file.ranges = file.ranges.compactMap { $0.lowerBound < end ? $0.lowerBound..<min($0.upperBound, end) : nil }
        if found.isLost {
            report(
                SpoolAlarm(
                    file: "\(directory)/\(RemovedLettersFile.files[0])",
                    text: "which dead letters were removed can't be read any more: those that are still on disk are seen again"))
        } else if !found.isWhole {
            Logger(label: "spool").warning(
                "one copy of the list of removed dead letters was damaged or gone; it is written anew", ["folder": directory])
        }
        var state = State(file: file, unwritten: found.stale, torn: found.torn, hidesNext: found.highestEnd > end)
        // At the first start, too: later there may be no room for new files.
        if file.ranges != found.file.ranges || file.generation == 0 {
            state.file.generation += 1
            state.unwritten = Set(RemovedLettersFile.files.indices)
        }
        self.state = Mutex(state)
    }

    /// Bytes of the files.
    var byteCount: Int { self.state.withLock { $0.file.byteCount } }

    /// Bytes by which the files have grown since this was asked last; all of them the first time.
    func takeGrowth() -> Int {
        self.state.withLock { state in
            defer { state.countedBytes = state.file.byteCount }
            return state.file.byteCount - state.countedBytes
        }
    }

    func contains(_ sequence: UInt64) -> Bool { self.state.withLock { $0.file.contains(sequence) } }

    /// The first letter from a sequence on that is not removed.
    func next(from sequence: UInt64) -> UInt64 { self.state.withLock { $0.file.next(from: sequence) } }

    func count(in range: Range<UInt64>) -> UInt64 { self.state.withLock { $0.file.count(in: range) } }

    /// Whether letters can be removed as far as the list of them goes.
    ///
    /// - Throws: `too_many_pieces`: they lie in too many pieces between others.
    func check(_ ranges: [Range<UInt64>], start: UInt64, end: UInt64) throws(ForebayError) {
        _ = try self.with(ranges, start: start, end: end)
    }

    /// Removes letters, durably on return: one file at least says so. One caller at a time; waits for the disk.
    ///
    /// - Parameters:
    ///   - start: nothing below it is on disk any more.
    ///   - end: one past the last letter.
    /// - Throws: `too_many_pieces`; nothing is removed then.
    func add(_ ranges: [Range<UInt64>], start: UInt64, end: UInt64) throws(ForebayError) {
        guard let file = try self.with(ranges, start: start, end: end) else { return }
        let written = try self.write(file)
        self.state.withLock { state in
            state.file = file
            state.unwritten = Set(RemovedLettersFile.files.indices).subtracting([written])
        }
    }

    /// Letters that are durable elsewhere, and could not be removed just now: they are hidden, and that is written by ``saveAgain()``.
    func hide(_ ranges: [Range<UInt64>], start: UInt64, end: UInt64) throws(ForebayError) {
        guard let file = try self.with(ranges, start: start, end: end) else { return }
        self.state.withLock { state in
            state.file = file
            state.unwritten = Set(RemovedLettersFile.files.indices)
        }
    }

    /// The list with these in it; none: they are there already.
    private func with(_ ranges: [Range<UInt64>], start: UInt64, end: UInt64) throws(ForebayError) -> RemovedLettersFile? {
        var file = self.state.withLock { $0.file }
        let known = file.ranges
        file.add(ranges.compactMap { $0.lowerBound < end ? $0.lowerBound..<min($0.upperBound, end) : nil }, start: start)
        guard file.ranges != known else { return nil }
        guard file.ranges.count <= RemovedLettersFile.rangeLimit else {
            throw ForebayError(
                .tooManyPieces, recovery: .retry,
                "the letters to remove lie in more than \(RemovedLettersFile.rangeLimit) pieces between others that stay; remove those "
                    + "between them, too, or replay them, the oldest first")
        }
        file.generation += 1
        return file
    }

    /// Any file will do: one that says nothing, or something older, first.
    ///
    /// - Returns: which says it now.
    private func write(_ file: RemovedLettersFile) throws(ForebayError) -> Int {
        let first = self.state.withLock { $0.torn.min() ?? $0.unwritten.min() }
        var failure: ForebayError?
        for copy in [first ?? 0, 1 - (first ?? 0)] {
            do throws(ForebayError) {
                try self.replace(copy, with: file)
                return copy
            } catch {
                guard error.code != .syncFailed else { throw error }
                failure = failure ?? error
            }
        }
        if let failure, failure.code != .spoolFull { throw failure }
        try self.overwrite(first ?? 1, with: file)
        return first ?? 1
    }

    private func replace(_ copy: Int, with file: RemovedLettersFile) throws(ForebayError) {
        try file.write(copy: copy, self.disk, to: self.directory, log: self.log)
        self.state.withLock { _ = $0.torn.remove(copy) }
    }

    /// Where there is no room for a new file. The other one is sound meanwhile, or neither is.
    private func overwrite(_ copy: Int, with file: RemovedLettersFile) throws(ForebayError) {
        self.state.withLock { _ = $0.torn.insert(copy) }
        try file.overwrite(copy: copy, self.disk, in: self.directory, log: self.log)
        self.state.withLock { _ = $0.torn.remove(copy) }
    }

    /// What is in memory and not in both files.
    var isUnwritten: Bool { self.state.withLock { !$0.unwritten.isEmpty || !$0.torn.isEmpty } }

    /// Before numbers are given the next time.
    var hidesNext: Bool { self.state.withLock { $0.hidesNext } }

    /// Writes what could not be written yet. One caller at a time; waits for the disk.
    func saveAgain() throws(ForebayError) {
        let (file, unwritten, torn) = self.state.withLock { ($0.file, $0.unwritten.union($0.torn), $0.torn) }
        for copy in unwritten.sorted(by: { (torn.contains($0) ? 0 : 1, $0) < (torn.contains($1) ? 0 : 1, $1) }) {
            do throws(ForebayError) {
                try self.replace(copy, with: file)
            } catch {
                guard error.code == .spoolFull else { throw error }
                try self.overwrite(copy, with: file)
            }
            self.state.withLock { _ = $0.unwritten.remove(copy) }
        }
        self.state.withLock { $0.hidesNext = false }
    }

    // MARK: Segments

    func needs(_ segment: SegmentInfo) -> Bool { self.state.withLock { !$0.file.holds(segment.base..<segment.end) } }

    func forget(present segments: [SegmentInfo]) -> [UInt64] { [] }

    /// They are written whole each time: as long as what is in them.
    func shrink() {}
}

extension RemovedLettersFile {
    /// The first range that ends above a sequence.
    private func index(above sequence: UInt64) -> Int {
        var (low, high) = (0, self.ranges.count)
        while low < high {
            let middle = (low + high) / 2
            if self.ranges[middle].upperBound <= sequence { low = middle + 1 } else { high = middle }
        }
        return low
    }

    func contains(_ sequence: UInt64) -> Bool { self.next(from: sequence) != sequence }

    /// Whether all of it is removed.
    func holds(_ range: Range<UInt64>) -> Bool {
        guard !range.isEmpty else { return true }
        let index = self.index(above: range.lowerBound)
        return index < self.ranges.count && self.ranges[index].lowerBound <= range.lowerBound
            && range.upperBound <= self.ranges[index].upperBound
    }

    func next(from sequence: UInt64) -> UInt64 {
        let index = self.index(above: sequence)
        return index < self.ranges.count && self.ranges[index].lowerBound <= sequence ? self.ranges[index].upperBound : sequence
    }

    func count(in range: Range<UInt64>) -> UInt64 {
        self.ranges[self.index(above: range.lowerBound)...].prefix { $0.lowerBound < range.upperBound }.reduce(0) {
            let part = $1.clamped(to: range)
            return $0 + (part.upperBound - part.lowerBound)
        }
    }

    /// - Parameter start: what lies below it is forgotten: nothing of it is there.
    mutating func add(_ others: [Range<UInt64>], start: UInt64) {
        var merged: [Range<UInt64>] = []
        for range in (self.ranges + others).sorted(by: { $0.lowerBound < $1.lowerBound }) where range.upperBound > start && !range.isEmpty {
            if let last = merged.last, range.lowerBound <= last.upperBound {
                merged[merged.count - 1] = last.lowerBound..<Swift.max(last.upperBound, range.upperBound)
            } else {
                merged.append(range)
            }
        }
        self.ranges = merged
    }
}

extension ForebayError.Code {
    /// What was asked for can't be written down: it is scattered too much.
    static let tooManyPieces: Self = "too_many_pieces"
}
