package import ForebayCore
import Glibc

/// Linux's O_DIRECT, which Glibc hides from Swift behind _GNU_SOURCE.
#if arch(arm64)
    private let O_DIRECT: Int32 = 0o200000
#else
    private let O_DIRECT: Int32 = 0o40000
#endif

/// The operating system's disk.
package struct SystemDisk: Disk {
    package init() {}

    package func open(_ path: String, _ options: OpenOptions) throws(ForebayError) -> any DiskFile {
        try SystemFile(path, options)
    }

    package func makeFolder(_ path: String) throws(ForebayError) {
        guard mkdir(path, 0o750) == 0 || errno == EEXIST else { throw .system("make folder", path, errno) }
    }

    package func rename(_ from: String, to: String) throws(ForebayError) {
        guard Glibc.rename(from, to) == 0 else { throw .system("rename", from, errno) }
    }

    package func renameCreating(_ from: String, to: String) throws(ForebayError) {
        if let renameat2 = Self.renameat2 {
            if renameat2(Self.workingDirectory, from, Self.workingDirectory, to, Self.noReplace) == 0 { return }
            // A file system, or a kernel, that can't do it in one step.
            guard errno == EINVAL || errno == ENOSYS else { throw .system("rename", to, errno) }
        }
        try Self.renameByLink(from, to: to)
    }

    /// A second name, then one less: `link` never replaces. Like a rename it is done whole or not at all.
    static func renameByLink(_ from: String, to: String, unlink: (String) -> CInt = { Glibc.unlink($0) }) throws(ForebayError) {
        guard link(from, to) == 0 else { throw .system("link", to, errno) }
        guard unlink(from) != 0 else { return }
        let number = errno
        // With both names nobody could tell whether it counts; a start can.
        guard unlink(to) == 0 else { throw .syncFailed("remove", to, errno) }
        throw .system("remove", from, number)
    }

    private typealias RenameAt2 = @convention(c) (CInt, UnsafePointer<CChar>, CInt, UnsafePointer<CChar>, CUnsignedInt) -> CInt

    /// Not declared by the Glibc module; musl has none.
    private static let renameat2 = dlsym(nil, "renameat2").map { unsafeBitCast($0, to: RenameAt2.self) }
    private static let workingDirectory: CInt = -100  // AT_FDCWD
    private static let noReplace: CUnsignedInt = 1  // RENAME_NOREPLACE

    package func remove(_ path: String) throws(ForebayError) {
        guard unlink(path) == 0 || errno == ENOENT else { throw .system("remove", path, errno) }
    }

    package func removeFolder(_ path: String) throws(ForebayError) {
        guard rmdir(path) == 0 || errno == ENOENT else { throw .system("remove", path, errno) }
    }

    package func syncFolder(_ path: String) throws(ForebayError) {
        let descriptor = Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .system("open", path, errno) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw .syncFailed("fsync", path, errno) }
    }

    package func entries(_ path: String) throws(ForebayError) -> [String]? {
        do throws(SystemCallFailure) { return try FolderEntries.names(of: path) } catch { throw .system("list", path, error.code) }
    }

    package func kind(of path: String) throws(ForebayError) -> EntryKind? {
        var status = stat()
        guard lstat(path, &status) == 0 else {
            if errno == ENOENT { return nil }
            throw .system("stat", path, errno)
        }
        return switch status.st_mode & S_IFMT {
        case S_IFREG: .file
        case S_IFDIR: .folder
        case S_IFLNK: .link
        default: .other
        }
    }

    package func space(_ path: String) throws(ForebayError) -> (free: Int, total: Int) {
        var status = statvfs()
        guard statvfs(path, &status) == 0 else { throw .system("statvfs", path, errno) }
        let unit = UInt(status.f_frsize)
        // Some network file systems claim more bytes than an Int counts.
        return (Int(clamping: UInt(status.f_bavail) &* unit), Int(clamping: UInt(status.f_blocks) &* unit))
    }
}

/// Owns one file descriptor. Short reads and writes and EINTR end here.
private final class SystemFile: DiskFile {
    let descriptor: Int32
    let path: String

    init(_ path: String, _ options: OpenOptions) throws(ForebayError) {
        var flags: Int32 = O_CLOEXEC | O_NOFOLLOW | (options.contains(.write) ? O_RDWR : O_RDONLY)
        if options.contains(.create) { flags |= O_CREAT }
        if options.contains(.exclusive) { flags |= O_EXCL }
        if options.contains(.truncate) { flags |= O_TRUNC }
        if options.contains(.direct) { flags |= O_DIRECT }
        if options.contains(.syncsWrites) { flags |= O_DSYNC }
        let descriptor = Glibc.open(path, flags, 0o640)
        guard descriptor >= 0 else { throw .system("open", path, errno) }
        self.descriptor = descriptor
        self.path = path
    }

    deinit { close(self.descriptor) }

    func write(_ bytes: UnsafeRawBufferPointer, at position: Int) throws(ForebayError) {
        var done = 0
        while done < bytes.count {
            let written = pwrite(self.descriptor, bytes.baseAddress! + done, bytes.count - done, off_t(position + done))
            if written < 0 {
                if errno == EINTR { continue }
                throw .system("write", self.path, errno)
            }
            done += written
        }
    }

    func read(into buffer: UnsafeMutableRawBufferPointer, at position: Int) throws(ForebayError) -> Int {
        var done = 0
        while done < buffer.count {
            let count = pread(self.descriptor, buffer.baseAddress! + done, buffer.count - done, off_t(position + done))
            if count < 0 {
                if errno == EINTR { continue }
                throw .system("read", self.path, errno)
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
        guard ftruncate(self.descriptor, off_t(size)) == 0 else { throw .system("truncate", self.path, errno) }
    }

    func size() throws(ForebayError) -> Int { Int(try self.status().st_size) }

    func hasName() throws(ForebayError) -> Bool {
        guard let statx = Self.statx else { return try self.status().st_nlink > 0 }
        return try withUnsafeTemporaryAllocation(byteCount: 256, alignment: 8) { found throws(ForebayError) in
            guard statx(self.descriptor, "", Self.emptyPath, Self.linkCount, found.baseAddress!) == 0 else {
                throw .system("statx", self.path, errno)
            }
            return found.load(fromByteOffset: Self.linkCountOffset, as: UInt32.self) > 0
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
        guard fstat(self.descriptor, &status) == 0 else { throw .system("stat", self.path, errno) }
        return status
    }

    func dropCache() {
        posix_fadvise(self.descriptor, 0, 0, POSIX_FADV_DONTNEED)
    }

    func lock() throws(ForebayError) -> Bool {
        if flock(self.descriptor, LOCK_EX | LOCK_NB) == 0 { return true }
        guard errno == EWOULDBLOCK else { throw .system("lock", self.path, errno) }
        return false
    }
}

extension ForebayError {
    /// A call that failed. No space may mean that the file system has no inode left, while it has bytes: that is said.
    fileprivate static func system(_ call: String, _ path: String, _ number: Int32) -> ForebayError {
        var status = statvfs()
        guard number == ENOSPC, statvfs(Folder.parent(of: path), &status) == 0, Self.lacksInodes(status) else {
            return .disk(call, path, number)
        }
        return .disk("no inode is left on the file system (df -i): \(call)", path, number)
    }

    /// Some file systems have none to count.
    static func lacksInodes(_ status: statvfs) -> Bool { status.f_files > 0 && status.f_favail == 0 && status.f_bavail > 0 }
}
