package import ForebayCore

/// Where a spool lies and how large it may grow.
package struct SpoolConfiguration: Sendable {
    /// The folder; made if it isn't there.
    package var directory: String
    /// Bytes of a segment; a group that is larger gets a larger one.
    package var segmentSize: Int
    /// Milliseconds between syncs of the cursors.
    package var cursorSyncInterval = 100
    /// Milliseconds without a group after which the mark slot is written.
    package var markAfterIdle = 500
    /// Bytes of the newest batches that stay in memory for readers that keep up.
    package var recentBytes = 16 << 20
    /// Whether the next segment is filled with zeros ahead: nearly doubles the sync rate, costs its room.
    package var preparesNext = true
    /// What to do when the disk breaks its word (a failed sync or write): leave at once, the next start mends. Never returns.
    package var onDiskFailure: @Sendable (ForebayError) -> Never

    package init(directory: String, segmentSize: Int, onDiskFailure: @escaping @Sendable (ForebayError) -> Never) {
        self.directory = directory
        self.segmentSize = segmentSize
        self.onDiskFailure = onDiskFailure
    }
}
