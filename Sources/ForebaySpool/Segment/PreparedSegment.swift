import ForebayCore
import Glibc

/// A segment's file before it is one: made ready ahead, its blocks on disk already, so that the sync of a group has only data to write.
///
/// Whoever holds it owns the file and the room that it takes; there is one at a time (``SpoolView/claimPrepared()``), and its name is
/// never used twice while the process lives.
final class PreparedSegment: Sendable {
    let file: any DiskFile
    let path: String
    let syncsItself: Bool
    /// Bytes of the file, charged to the budget.
    let size: Int

    init(_ disk: any Disk, _ path: String, size: Int) throws(ForebayError) {
        (self.file, self.syncsItself) = try disk.openForDurableWrites(path)
        self.path = path
        self.size = size
    }

    /// Makes a file of zeros, durably but for its name.
    ///
    /// - Parameter wrote: called with the bytes of each piece when the disk has it.
    static func fill(
        _ disk: any Disk, _ path: String, size: Int, wrote: (Int) -> Void = { _ in }
    ) throws(ForebayError) -> PreparedSegment {
        let piece = 1 << 20
        let zeros = Slab(capacity: piece, alignment: SpoolFormat.block)
        memset(zeros.base, 0, piece)
        let file = try self.open(disk, path)
        var position = 0
        while position < size {
            // Synced piece by piece: one large sync would hold up the commits behind it.
            let count = SpoolFormat.aligned(min(piece, size - position))
            try file.write(UnsafeRawBufferPointer(start: zeros.base, count: count), at: position)
            try file.syncData()
            wrote(count)
            position += count
        }
        try file.sync()
        return try PreparedSegment(disk, path, size: position)
    }

    /// Past the page cache where the file system can: these zeros are not read again.
    private static func open(_ disk: any Disk, _ path: String) throws(ForebayError) -> any DiskFile {
        let options: OpenOptions = [.write, .create, .exclusive]
        if let file = try? disk.open(path, options.union(.direct)) { return file }  // tmpfs, for one, has no O_DIRECT.
        return try disk.open(path, [.write, .create, .truncate])
    }
}
