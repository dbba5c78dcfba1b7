import ForebayCore
import ForebayTelemetry
import Glibc

/// Calls on folders that are durable on return: a name made, changed or removed is so only once its folder is synced.
struct Folder {
    let disk: any Disk
    private static let logger = Logger(label: "spool")

    init(_ disk: any Disk) {
        self.disk = disk
    }

    /// Makes the folder and its parents as needed, each entry synced in its parent.
    func make(_ path: String) throws(ForebayError) {
        switch try self.disk.kind(of: path) {
        case .folder?: return try self.syncParent(of: path)
        case .none: break
        // Somebody's own choice above the data folder; below it nothing of ours is a link.
        case .link?: if try self.disk.entries(path) != nil { return } else { throw .plain("\(path) is a link to no folder") }
        case .file?, .other?: throw Self.noFolder(path)
        }
        let parent = Self.parent(of: path)
        try self.make(parent)
        try self.disk.makeFolder(path)
        try self.disk.syncFolder(parent)
    }

    private static func noFolder(_ path: String) -> ForebayError {
        .plain("\(path) is not a folder: move away what has that name, then start again")
    }

    /// Who made it may not have lived to sync its name. A parent that we may not read is not ours to care for.
    private func syncParent(of path: String) throws(ForebayError) {
        do throws(ForebayError) {
            try self.disk.syncFolder(Self.parent(of: path))
        } catch {
            guard error.systemCode == EACCES || error.systemCode == EPERM else { throw error }
        }
    }

    func rename(_ from: String, to: String) throws(ForebayError) {
        try self.disk.rename(from, to: to)
        try self.disk.syncFolder(Self.parent(of: to))
    }

    /// Never replaces a file.
    func renameCreating(_ from: String, to: String) throws(ForebayError) {
        try self.disk.renameCreating(from, to: to)
        try self.disk.syncFolder(Self.parent(of: to))
    }

    func remove(_ path: String) throws(ForebayError) {
        try self.disk.remove(path)
        try self.disk.syncFolder(Self.parent(of: path))
    }

    /// Names of the entries, sorted; empty if there is no such folder.
    func entries(_ path: String) throws(ForebayError) -> [String] {
        do throws(ForebayError) {
            return try self.disk.entries(path)?.sorted() ?? []
        } catch {
            guard error.systemCode == ENOTDIR else { throw error }
            throw Self.noFolder(path)
        }
    }

    func exists(_ path: String) throws(ForebayError) -> Bool {
        try self.disk.kind(of: path) != nil
    }

    /// Moves a file that may not count any more, and must not be lost either, to the log's folder `quarantine`. Fine if it is gone: moved
    /// by an attempt that failed behind that, or removed by somebody.
    func quarantine(_ path: String, of log: String) throws(ForebayError) {
        let folder = "\(log)/quarantine"
        try self.make(folder)
        if try self.exists(path) { try self.disk.rename(path, to: try self.freeName(for: path, in: folder)) }
        try self.disk.syncFolder(folder)
        try self.disk.syncFolder(Self.parent(of: path))
    }

    /// The same, where another file has its name at once: at no instant is there none, but on a file system that can't exchange names.
    ///
    /// - Parameter makeNew: makes that file, durably, where it is told to.
    func quarantine(
        _ path: String, of log: String, replacedBy makeNew: (_ place: String) throws(ForebayError) -> Void
    ) throws(ForebayError) {
        let folder = "\(log)/quarantine"
        try self.make(folder)
        let place = try self.freeName(for: path, in: folder)
        do throws(ForebayError) { try makeNew(place) } catch {
            try? self.disk.remove(place)  // The next attempt makes another.
            throw error
        }
        do throws(ForebayError) {
            try self.disk.exchange(place, path)
        } catch {
            // Gone meanwhile, or a file system that can't do it in one step.
            guard [ENOENT, EINVAL, ENOSYS].contains(error.systemCode) else {
                try? self.disk.remove(place)  // As above.
                throw error
            }
            if try self.exists(path) { try self.disk.rename(path, to: try self.freeName(for: path, in: folder)) }
            try self.disk.rename(place, to: path)
        }
        try self.disk.syncFolder(folder)
        try self.disk.syncFolder(Self.parent(of: path))
    }

    /// What has the name of a file of ours and is none (a folder, a socket, a link) is moved to the log's folder `quarantine`: none of it
    /// is ours, and the file is made anew.
    func putAsideUnlessFile(_ path: String, of log: String) throws(ForebayError) {
        guard let kind = try self.disk.kind(of: path), kind != .file else { return }
        Self.logger.error("something that is no file has the name of one; it is moved to quarantine", ["path": path])
        try self.quarantine(path, of: log)
    }

    private func freeName(for path: String, in folder: String) throws(ForebayError) -> String {
        let name = path.split(separator: "/").last.map(String.init) ?? "file"
        var target = "\(folder)/\(name)"
        var copy = 1
        while try self.exists(target) {
            copy += 1
            target = "\(folder)/\(name).\(copy)"
        }
        return target
    }

    static func parent(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}
