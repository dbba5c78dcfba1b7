import ForebayCore
import ForebayTelemetry

/// A segment that a reader has open, where it stands in it, and what that has cost so far.
struct SegmentVisit {
    /// What opening a file costs, as bytes read.
    private static let opening = 16 << 10

    private(set) var segment: SegmentInfo
    var scanner: SegmentScanner
    let isPatient: Bool
    /// Nothing more of it is wanted.
    var isOver = false
    private var (bytes, failures) = (0, 0)

    /// - Parameter isPatient: whether a device that gives EIO is waited for, and what it does not give at last is taken for damage. If not,
    ///   that is thrown.
    init(
        _ segment: SegmentInfo, from position: Int, _ disk: any Disk, _ cache: ReadCache, isPatient: Bool, counter: Counter?
    ) throws(ForebayError) {
        let sharing = SegmentWindow.Sharing(
            cache: cache, segment: ReadCache.Segment(number: segment.number, salt: segment.salt))
        let open = { () throws(ForebayError) in try disk.open(segment.path, isPatient ? [] : .impatient) }
        let file = try isPatient ? open() : sharing.unlessFailing(SegmentWindow.Sharing.opening, of: segment.path, open)
        if isPatient { sharing.asked(SegmentWindow.Sharing.opening, failed: []) }
        self.segment = segment
        self.isPatient = isPatient
        self.scanner = SegmentScanner(
            file: file, salt: segment.salt, position: position, limit: segment.dataEnd, sharing: sharing, isTolerant: isPatient,
            counter: counter)
        self.scanner.givesTurns = true
    }

    /// It may have grown.
    ///
    /// - Returns: false: that is another one.
    mutating func goesOn(in segment: SegmentInfo) -> Bool {
        guard segment.number == self.segment.number, !self.isOver else { return false }
        self.segment = segment
        self.scanner.limit = segment.dataEnd
        return true
    }

    /// What was done since this was asked last.
    ///
    /// - Returns: bytes, read or found, and whether the device gave all of them.
    mutating func takeWork() -> (bytes: Int, isWhole: Bool) {
        let (bytes, failures) = (Self.opening + self.scanner.bytesTaken, self.scanner.failures)
        defer { (self.bytes, self.failures) = (bytes, failures) }
        return (bytes - self.bytes, failures == self.failures)
    }
}
