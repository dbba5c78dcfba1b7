import ForebayCore
import Glibc

/// Linux's O_DIRECT, which Glibc hides from Swift behind _GNU_SOURCE.
#if arch(arm64)
    let O_DIRECT: Int32 = 0o200000
#else
    let O_DIRECT: Int32 = 0o40000
#endif

/// Owns one file descriptor. Every call is whole or throws: short reads and writes and EINTR end here.
final class File: Sendable {
    let descriptor: Int32
    let path: String

    init(_ path: String, flags: Int32, mode: mode_t = 0o640) throws(ForebayError) {
        let descriptor = Glibc.open(path, flags | O_CLOEXEC, mode)
        guard descriptor >= 0 else { throw .system("open", path) }
        self.descriptor = descriptor
        self.path = path
    }

    /// Opens, or makes, a file for durable appending: past the page cache and synced with each write, where the file system can.
    ///
    /// One call instead of two, and no copy into the page cache: a tenth less CPU a request at 128 connections, a quarter at 8.
    ///
    /// - Returns: and whether it can; else each write needs a ``syncData()``. Writes must be whole blocks from aligned memory.
    static func forDurableWrites(_ path: String) throws(ForebayError) -> (file: File, syncsItself: Bool) {
        let flags = O_RDWR | O_CREAT
        if let file = try? File(path, flags: flags | O_DIRECT | O_DSYNC) { return (file, true) }  // tmpfs, for one, has no O_DIRECT.
        return (try File(path, flags: flags), false)
    }

    deinit { Glibc.close(self.descriptor) }

    func write(_ bytes: UnsafeRawBufferPointer, at position: Int) throws(ForebayError) {
        var done = 0
        while done < bytes.count {
            let written = pwrite(self.descriptor, bytes.baseAddress! + done, bytes.count - done, off_t(position + done))
            if written < 0 {
                if errno == EINTR { continue }
                throw .system("write", self.path)
            }
            done += written
        }
    }

    func write(_ bytes: [UInt8], at position: Int) throws(ForebayError) {
        let outcome = bytes.withUnsafeBytes { bytes -> Result<Void, ForebayError> in
            Result { () throws(ForebayError) in try self.write(bytes, at: position) }
        }
        try outcome.get()
    }

    /// - Returns: bytes read; fewer than asked only at the end of the file.
    func read(into buffer: UnsafeMutableRawBufferPointer, at position: Int) throws(ForebayError) -> Int {
        var done = 0
        while done < buffer.count {
            let count = pread(self.descriptor, buffer.baseAddress! + done, buffer.count - done, off_t(position + done))
            if count < 0 {
                if errno == EINTR { continue }
                throw .system("read", self.path)
            }
            if count == 0 { break }
            done += count
        }
        return done
    }

    func bytes(at position: Int, count: Int) throws(ForebayError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        let outcome = bytes.withUnsafeMutableBytes { buffer -> Result<Int, ForebayError> in
            Result { () throws(ForebayError) in try self.read(into: buffer, at: position) }
        }
        bytes.removeLast(count - (try outcome.get()))
        return bytes
    }

    /// Data, and the size if it grew.
    func syncData() throws(ForebayError) {
        guard fdatasync(self.descriptor) == 0 else { throw .syncFailed("fdatasync", self.path) }
    }

    func sync() throws(ForebayError) {
        guard fsync(self.descriptor) == 0 else { throw .syncFailed("fsync", self.path) }
    }

    func truncate(to size: Int) throws(ForebayError) {
        guard ftruncate(self.descriptor, off_t(size)) == 0 else { throw .system("truncate", self.path) }
    }

    func size() throws(ForebayError) -> Int {
        var status = stat()
        guard fstat(self.descriptor, &status) == 0 else { throw .system("stat", self.path) }
        return Int(status.st_size)
    }
}

/// Calls on folders. A name made, changed or removed in a folder is durable only once the folder is synced.
enum Folder {
    /// Makes the folder and its parents as needed, each entry synced in its parent.
    static func make(_ path: String) throws(ForebayError) {
        var status = stat()
        if stat(path, &status) == 0 {
            guard status.st_mode & S_IFMT == S_IFDIR else { throw .plain("\(path) is not a folder") }
            return
        }
        let parent = self.parent(of: path)
        try self.make(parent)
        guard mkdir(path, 0o750) == 0 || errno == EEXIST else { throw .system("make folder", path) }
        try self.sync(parent)
    }

    static func sync(_ path: String) throws(ForebayError) {
        try File(path, flags: O_RDONLY | O_DIRECTORY).sync()
    }

    static func rename(_ from: String, to: String) throws(ForebayError) {
        guard Glibc.rename(from, to) == 0 else { throw .system("rename", from) }
        try self.sync(self.parent(of: to))
    }

    static func remove(_ path: String) throws(ForebayError) {
        guard unlink(path) == 0 || errno == ENOENT else { throw .system("remove", path) }
        try self.sync(self.parent(of: path))
    }

    /// Names of the entries, sorted; empty if there is no such folder.
    static func entries(_ path: String) throws(ForebayError) -> [String] {
        guard let folder = opendir(path) else {
            if errno == ENOENT { return [] }
            throw .system("list", path)
        }
        defer { closedir(folder) }
        var names: [String] = []
        while let entry = readdir(folder) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// Bytes free for us, and bytes in all, of the file system that holds `path`.
    static func space(_ path: String) throws(ForebayError) -> (free: Int, total: Int) {
        var status = statvfs()
        guard statvfs(path, &status) == 0 else { throw .system("statvfs", path) }
        return (Int(status.f_bavail) * Int(status.f_frsize), Int(status.f_blocks) * Int(status.f_frsize))
    }

    static func parent(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}

extension ForebayError {
    /// The last system call's `errno`, told in words.
    static func system(_ call: String, _ path: String) -> ForebayError {
        let number = errno
        let code: Code = number == ENOSPC || number == EDQUOT ? .spoolFull : .systemCall
        return ForebayError(code, recovery: .rewindAndRestart, "\(call) \(path): \(String(cString: strerror(number)))")
    }

    static func syncFailed(_ call: String, _ path: String) -> ForebayError {
        ForebayError(.syncFailed, recovery: .stop, "\(call) \(path): \(String(cString: strerror(errno)))")
    }

    static func plain(_ message: String) -> ForebayError {
        ForebayError(.spoolUnreadable, recovery: .stop, message)
    }
}
