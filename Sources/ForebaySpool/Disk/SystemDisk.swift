package import ForebayCore
import Glibc

/// The operating system's disk.
package struct SystemDisk: Disk {
    /// Those further down first.
    private let held: [HeldFolder]

    package init() { self.held = [] }

    private init(held: [HeldFolder]) { self.held = held }

    // MARK: Folders that are held

    package func holding(_ folders: [String]) throws(ForebayError) -> any Disk {
        var held = self.held
        for path in folders {
            let folder = try HeldFolder(path, at: SystemDisk(held: held).place(inside: path))
            held.removeAll { $0.path == path }
            held.append(folder)
        }
        held.sort { $0.path.utf8.count > $1.path.utf8.count }
        return SystemDisk(held: held)
    }

    package func whereabouts(of folder: String) throws(ForebayError) -> Whereabouts {
        try self.held.first { $0.path == folder }?.whereabouts() ?? .inPlace
    }

    /// Where a name is: an entry of its folder.
    private func place(_ path: String) -> DiskPlace {
        for folder in self.held where path.hasPrefix(folder.path) {
            let rest = path.utf8.dropFirst(folder.path.utf8.count)
            guard rest.first == UInt8(ascii: "/") else { continue }
            return DiskPlace(path, in: folder, name: String(Substring(rest.drop { $0 == UInt8(ascii: "/") })))
        }
        return DiskPlace(path)
    }

    /// Where a folder is that is to be looked into: the one that is held, if it is.
    private func place(inside path: String) -> DiskPlace {
        self.held.first { $0.path == path }.map { DiskPlace(path, in: $0, name: ".") } ?? self.place(path)
    }

    // MARK: Calls

    package func open(_ path: String, _ options: OpenOptions) throws(ForebayError) -> any DiskFile {
        try SystemFile(self.place(inside: path), options)
    }

    package func makeFolder(_ path: String) throws(ForebayError) {
        let place = self.place(inside: path)
        guard mkdirat(place.descriptor, place.name, 0o750) == 0 || errno == EEXIST else { throw place.failure("make folder", errno) }
    }

    package func rename(_ from: String, to: String) throws(ForebayError) {
        let (old, new) = (self.place(from), self.place(to))
        guard renameat(old.descriptor, old.name, new.descriptor, new.name) == 0 else { throw old.failure("rename", errno) }
    }

    package func renameCreating(_ from: String, to: String) throws(ForebayError) {
        let (old, new) = (self.place(from), self.place(to))
        if let renameat2 = Self.renameat2 {
            if renameat2(old.descriptor, old.name, new.descriptor, new.name, Self.noReplace) == 0 { return }
            // A file system, or a kernel, that can't do it in one step.
            guard errno == EINVAL || errno == ENOSYS else { throw new.failure("rename", errno) }
        }
        try Self.renameByLink(old, to: new)
    }

    package func exchange(_ one: String, _ other: String) throws(ForebayError) {
        let (one, other) = (self.place(one), self.place(other))
        guard let renameat2 = Self.renameat2 else { throw one.failure("exchange", ENOSYS) }
        guard renameat2(one.descriptor, one.name, other.descriptor, other.name, Self.exchanges) == 0 else {
            throw one.failure("exchange", errno)
        }
    }

    /// A second name, then one less: `link` never replaces. Like a rename it is done whole or not at all.
    static func renameByLink(
        _ from: DiskPlace, to: DiskPlace, unlink: (DiskPlace) -> CInt = { unlinkat($0.descriptor, $0.name, 0) }
    ) throws(ForebayError) {
        guard linkat(from.descriptor, from.name, to.descriptor, to.name, 0) == 0 else { throw to.failure("link", errno) }
        guard unlink(from) != 0 else { return }
        let number = errno
        // With both names nobody could tell whether it counts; a start can.
        guard unlink(to) == 0 else { throw .syncFailed("remove", to.path, errno) }
        throw .disk("remove", from.path, number)
    }

    private typealias RenameAt2 = @convention(c) (CInt, UnsafePointer<CChar>, CInt, UnsafePointer<CChar>, CUnsignedInt) -> CInt

    /// Not declared by the Glibc module; musl has none.
    private static let renameat2 = dlsym(nil, "renameat2").map { unsafeBitCast($0, to: RenameAt2.self) }
    private static let noReplace: CUnsignedInt = 1  // RENAME_NOREPLACE
    private static let exchanges: CUnsignedInt = 2  // RENAME_EXCHANGE

    package func remove(_ path: String) throws(ForebayError) { try self.remove(path, flags: 0) }

    package func removeFolder(_ path: String) throws(ForebayError) { try self.remove(path, flags: Self.removeFolderFlag) }

    private func remove(_ path: String, flags: CInt) throws(ForebayError) {
        let place = self.place(path)
        guard unlinkat(place.descriptor, place.name, flags) != 0 else { return }
        let failure = place.failure("remove", errno)
        guard failure.systemCode == ENOENT else { throw failure }
    }

    private static let removeFolderFlag: CInt = 0x200  // AT_REMOVEDIR

    package func syncFolder(_ path: String) throws(ForebayError) {
        try self.inFolder(path, "open") { descriptor throws(ForebayError) in
            guard fsync(descriptor) == 0 else { throw .syncFailed("fsync", path, errno) }
        }
    }

    package func entries(_ path: String) throws(ForebayError) -> [String]? {
        let descriptor: CInt
        do throws(ForebayError) {
            descriptor = try self.place(inside: path).openFolder("list")
        } catch {
            guard error.systemCode == ENOENT else { throw error }
            return nil
        }
        do throws(SystemCallFailure) {
            return try FolderEntries.names(closing: descriptor)
        } catch {
            throw .disk("list", path, error.code)
        }
    }

    package func kind(of path: String) throws(ForebayError) -> EntryKind? {
        let place = self.place(inside: path)
        guard !place.isRemoved else { return nil }
        var status = stat()
        guard fstatat(place.descriptor, place.name, &status, Self.noFollow) == 0 else {
            let failure = place.failure("stat", errno)
            if failure.systemCode == ENOENT || failure.systemCode == ENOTDIR { return nil }
            throw failure
        }
        return switch status.st_mode & S_IFMT {
        case S_IFREG: .file
        case S_IFDIR: .folder
        case S_IFLNK: .link
        default: .other
        }
    }

    private static let noFollow: CInt = 0x100  // AT_SYMLINK_NOFOLLOW

    package func space(_ path: String) throws(ForebayError) -> (free: Int, total: Int) {
        try self.inFolder(path, "statvfs") { descriptor throws(ForebayError) in
            var status = statvfs()
            guard fstatvfs(descriptor, &status) == 0 else { throw .disk("statvfs", path, errno) }
            return status.room
        }
    }

    private func inFolder<Result>(
        _ path: String, _ call: String, _ body: (CInt) throws(ForebayError) -> Result
    ) throws(ForebayError) -> Result {
        let descriptor = try self.place(inside: path).openFolder(call)
        defer { close(descriptor) }
        return try body(descriptor)
    }
}
