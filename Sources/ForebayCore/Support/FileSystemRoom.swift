package import Glibc

extension statvfs {
    /// Bytes that are free for everybody, and in all. Some network file systems claim as many as an `Int` counts, or more: they are cut so
    /// far that several of them can be added.
    package var room: (free: Int, total: Int) {
        func bytes(_ blocks: fsblkcnt_t) -> Int {
            let (bytes, isBeyond) = UInt64(blocks).multipliedReportingOverflow(by: UInt64(self.f_frsize))
            return isBeyond ? Self.mostBytes : Int(min(bytes, UInt64(Self.mostBytes)))
        }
        return (bytes(self.f_bavail), bytes(self.f_blocks))
    }

    private static let mostBytes = Int.max / 8
}
