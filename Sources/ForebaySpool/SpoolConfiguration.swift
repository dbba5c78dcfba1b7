package import ForebayCore

/// Where a log lies, how large it may grow, and what it takes from outside.
package struct SpoolConfiguration: Sendable {
    /// The folder; made if it isn't there.
    package var directory: String
    package var kind: LogKind
    /// Whether it is a side log of a delivery that gives way where there is no room: nobody makes some for it.
    package var givesWay = false
    /// Bytes of a segment; a group that is larger gets a larger one, and where room is short it is smaller.
    package var segmentSize: Int
    /// Milliseconds between syncs of the cursors.
    package var cursorSyncInterval = 100
    /// Milliseconds from a group to the writing of the mark: how old the mark may be.
    package var markInterval = 1000
    /// Milliseconds between looks for room while there is none.
    package var roomInterval = 1000
    /// Bytes of the newest batches that stay in memory for readers that keep up.
    package var recentBytes = 16 << 20
    /// Bytes of what was read from the disk last that stay in memory for other readers, while two or more read it.
    package var sharedReadBytes = 16 << 20
    /// Whether the next segment is filled with zeros ahead: nearly doubles the sync rate, costs its room.
    package var preparesNext = true
    package var disk: any Disk = SystemDisk()
    package var surroundings = Surroundings.real
    /// Below which everything was durable, by log, as something outside of the folder knows.
    package var knownEnds: [SpoolID: UInt64] = [:]
    /// What to do when the disk breaks its word (a failed sync or write): leave at once, the next start mends. Never returns.
    package var onDiskFailure: @Sendable (ForebayError) -> Never

    package init(
        directory: String, kind: LogKind = .spool, segmentSize: Int, onDiskFailure: @escaping @Sendable (ForebayError) -> Never
    ) {
        self.directory = directory
        self.kind = kind
        self.segmentSize = segmentSize
        self.onDiskFailure = onDiskFailure
    }

    var segments: String { "\(self.directory)/segments" }

    /// Which stay what they were when the log was opened. A side log has no cursors.
    var held: [String] { [self.directory, self.segments] + (self.kind == .spool ? ["\(self.directory)/cursors"] : []) }

    /// With less room for groups that are on their way no new ones are to come.
    var leastRoom: Int { min(self.segmentSize / 4, 8 << 20) }

    /// The smallest segment that is worth its file: a side log takes what it can get.
    var leastSegment: Int { self.kind.isSideLog ? 0 : min(self.segmentSize, max(64 << 10, self.segmentSize / 16)) }
}
