import ForebayCore
import Glibc

/// Linux's O_DIRECT, which Glibc hides from Swift behind _GNU_SOURCE.
#if arch(arm64)
    private let O_DIRECT: Int32 = 1 << 16
#else
    private let O_DIRECT: Int32 = 1 << 14
#endif

/// Owns one file descriptor. Short reads and writes and EINTR end here.
final class SystemFile: DiskFile {
    let descriptor: Int32
    let path: String
    private let isImpatient: Bool

    init(_ place: DiskPlace, _ options: OpenOptions) throws(ForebayError) {
        var flags: Int32 = O_CLOEXEC | O_NOFOLLOW | (options.contains(.write) ? O_RDWR : O_RDONLY)
        if options.contains(.create) { flags |= O_CREAT }
        if options.contains(.exclusive) { flags |= O_EXCL }
        if options.contains(.truncate) { flags |= O_TRUNC }
        if options.contains(.direct) { flags |= O_DIRECT }
        if options.contains(.syncsWrites) { flags |= O_DSYNC }
        let open = { (Int(openat(place.descriptor, place.name, flags, 0o640)), errno) }
        // Who writes must not wait so long, and loses nothing by a failure.
        self.isImpatient = options.contains(.impatient)
        let opened = options.contains(.write) || self.isImpatient ? open() : ReadPatience.shared.call(place.path, open)
        guard opened.0 >= 0 else { throw place.failure("open", opened.1) }
        self.descriptor = Int32(opened.0)
        self.path = place.path
    }

    deinit { close(self.descriptor) }

    func write(_ bytes: UnsafeRawBufferPointer, at position: Int) throws(ForebayError) {
        var done = 0
        while done < bytes.count {
            let written = pwrite(self.descriptor, bytes.baseAddress! + done, bytes.count - done, off_t(position + done))
            if written < 0 {
                if errno == EINTR { continue }
                throw .disk("write", self.path, errno)
            }
            done += written
        }
    }

    func read(into buffer: UnsafeMutableRawBufferPointer, at position: Int) throws(ForebayError) -> Int {
        var done = 0
        while done < buffer.count {
            let call = {
                (pread(self.descriptor, buffer.baseAddress! + done, buffer.count - done, off_t(position + done)), errno)
            }
            let (count, number) = self.isImpatient ? call() : ReadPatience.shared.call(self.path, call)
            if count < 0 {
                if number == EINTR { continue }
                throw .disk("read", self.path, number)
            }
            if count == 0 { break }
            done += count
        }
        return done
    }

    func syncData() throws(ForebayError) {
        guard fdatasync(self.descriptor) == 0 else { throw .syncFailed("fdatasync", self.path, errno) }
    }

    func sync() throws(ForebayError) {
        guard fsync(self.descriptor) == 0 else { throw .syncFailed("fsync", self.path, errno) }
    }

    func truncate(to size: Int) throws(ForebayError) {
        guard ftruncate(self.descriptor, off_t(size)) == 0 else { throw .disk("truncate", self.path, errno) }
    }

    func size() throws(ForebayError) -> Int { Int(try self.status().st_size) }

    func hasName() throws(ForebayError) -> Bool { try self.links() > 0 }

    private func links() throws(ForebayError) -> UInt {
        guard let statx = Self.statx else { return UInt(try self.status().st_nlink) }
        return try withUnsafeTemporaryAllocation(byteCount: 256, alignment: 8) { found throws(ForebayError) in
            guard statx(self.descriptor, "", Self.emptyPath, Self.linkCount, found.baseAddress!) == 0 else {
                throw .disk("statx", self.path, errno)
            }
            return UInt(found.load(fromByteOffset: Self.linkCountOffset, as: UInt32.self))
        }
    }

    // fstat asks for the times, too; from then on Linux (6.13 and later) gives each write a time of its own, and every synced write has to
    // write the inode: a twentieth of the rate of single POSTs. (Hidden from Swift behind _GNU_SOURCE.)
    private typealias Statx = @convention(c) (CInt, UnsafePointer<CChar>, CInt, CUnsignedInt, UnsafeMutableRawPointer) -> CInt
    private static let statx = dlsym(nil, "statx").map { unsafeBitCast($0, to: Statx.self) }
    private static let emptyPath: CInt = 0x1000  // AT_EMPTY_PATH
    private static let linkCount: CUnsignedInt = 0x4  // STATX_NLINK
    private static let linkCountOffset = 16  // of stx_nlink in struct statx

    private func status() throws(ForebayError) -> stat {
        var status = stat()
        guard fstat(self.descriptor, &status) == 0 else { throw .disk("stat", self.path, errno) }
        return status
    }

    func dropCache() {
        posix_fadvise(self.descriptor, 0, 0, POSIX_FADV_DONTNEED)
    }

    func lock() throws(ForebayError) -> Bool {
        if flock(self.descriptor, LOCK_EX | LOCK_NB) == 0 { return true }
        guard errno == EWOULDBLOCK else { throw .disk("lock", self.path, errno) }
        return false
    }
}
