import Glibc

/// The names in a folder.
package enum FolderEntries {
    /// - Returns: without `.` and `..`, in no order; none if there is no such folder.
    /// - Throws: also when the folder can be read in part only: what is not listed would be taken for lost.
    package static func names(of path: String) throws(SystemCallFailure) -> [String]? {
        guard let folder = opendir(path) else {
            if errno == ENOENT { return nil }
            throw SystemCallFailure(code: errno)
        }
        defer { closedir(folder) }
        return try self.names(in: folder)
    }

    /// - Parameter descriptor: of the folder; it is closed.
    package static func names(closing descriptor: CInt) throws(SystemCallFailure) -> [String] {
        guard let folder = fdopendir(descriptor) else {
            let number = errno
            close(descriptor)
            throw SystemCallFailure(code: number)
        }
        defer { closedir(folder) }
        return try self.names(in: folder)
    }

    static func names(in folder: OpaquePointer) throws(SystemCallFailure) -> [String] {
        var names: [String] = []
        while true {
            errno = 0  // readdir says by it alone whether the end was reached.
            guard let entry = readdir(folder) else {
                if errno != 0 { throw SystemCallFailure(code: errno) }
                return names
            }
            let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            if name != ".", name != ".." { names.append(name) }
        }
    }
}
