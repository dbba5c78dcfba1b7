import ForebayCore
import Glibc

/// A folder that stays the one that was opened, whatever becomes of its path: names in it are looked up from its descriptor.
final class HeldFolder: Sendable {
    let path: String
    let descriptor: CInt
    /// Some file systems of user space count no links.
    private let countsLinks: Bool

    /// - Parameter place: where the path leads now.
    init(_ path: String, at place: DiskPlace) throws(ForebayError) {
        self.descriptor = try place.openFolder()
        self.path = path
        var status = stat()
        self.countsLinks = fstat(self.descriptor, &status) == 0 && status.st_nlink > 0
    }

    deinit { close(self.descriptor) }

    /// Nothing can be found in it any more, nor made.
    var isRemoved: Bool {
        var status = stat()
        return self.countsLinks && fstat(self.descriptor, &status) == 0 && status.st_nlink == 0
    }

    func whereabouts() throws(ForebayError) -> Whereabouts {
        var (own, found) = (stat(), stat())
        guard fstat(self.descriptor, &own) == 0 else { throw .disk("stat", self.path, errno) }
        guard own.st_nlink > 0 || !self.countsLinks else { return .removed }
        guard stat(self.path, &found) == 0 else {
            if errno == ENOENT || errno == ENOTDIR { return .gone }
            throw .disk("stat", self.path, errno)
        }
        return (own.st_dev, own.st_ino) == (found.st_dev, found.st_ino) ? .inPlace : .replaced
    }
}

/// What a call on a name is made with: from a folder that is held, or by the path alone.
struct DiskPlace {
    private static let workingDirectory: CInt = -100  // AT_FDCWD

    let path: String
    /// None: no folder above the path is held.
    let folder: HeldFolder?
    /// From the folder.
    let name: String

    /// By the path alone.
    init(_ path: String) {
        (self.path, self.folder, self.name) = (path, nil, path)
    }

    init(_ path: String, in folder: HeldFolder, name: String) {
        (self.path, self.folder, self.name) = (path, folder, name)
    }

    var descriptor: CInt { self.folder?.descriptor ?? Self.workingDirectory }

    /// It is a held folder itself, and that was removed.
    var isRemoved: Bool { self.name == "." && self.folder?.isRemoved == true }

    /// The error of a call that failed. A folder that was removed has no names: that says nothing of what was in it. No space may mean that
    /// the file system has no inode left, while it has bytes.
    func failure(_ call: String, _ number: CInt) -> ForebayError {
        if number == ENOENT, self.folder?.isRemoved == true { return .disk(call, self.path, ESTALE) }
        var status = statvfs()
        guard number == ENOSPC, statvfs(Folder.parent(of: self.path), &status) == 0 else { return .disk(call, self.path, number) }
        return self.noSpace(call, on: status)
    }

    func noSpace(_ call: String, on fileSystem: statvfs) -> ForebayError {
        .disk(Self.lacksInodes(fileSystem) ? "no inode is left on the file system (df -i): \(call)" : call, self.path, ENOSPC)
    }

    /// Some file systems have none to count.
    private static func lacksInodes(_ status: statvfs) -> Bool { status.f_files > 0 && status.f_favail == 0 && status.f_bavail > 0 }

    /// - Returns: a descriptor, to be closed.
    func openFolder(_ call: String = "open") throws(ForebayError) -> CInt {
        guard !self.isRemoved else { throw .disk(call, self.path, ESTALE) }
        let descriptor = openat(self.descriptor, self.name, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw self.failure(call, errno) }
        return descriptor
    }
}
