import ForebayCore
import ForebaySpool
import Glibc

/// The names on a ``SimulatedDisk`` as a process sees them that holds some folders: these are what their paths mean, wherever they are.
struct SimulatedNames: Disk, @unchecked Sendable {  // Safe because: one thread at a time runs the simulation.
    private let disk: SimulatedDisk
    private var held: [(path: String, folder: SimulatedFolder)] = []

    init(_ disk: SimulatedDisk) { self.disk = disk }

    // MARK: Folders that are held

    func holding(_ folders: [String]) throws(ForebayError) -> any Disk {
        var names = self
        for path in folders {
            let folder = try self.disk.call(.open, path) { () throws(ForebayError) in
                try self.disk.fail([.tooManyFiles], EMFILE, "open", path)
                guard let folder = names.folder(path), !folder.isRemoved else { throw names.missing(path, "open") }
                return folder
            }
            names.held.removeAll { $0.path == path }
            names.held.append((path, folder))
        }
        return names
    }

    func whereabouts(of folder: String) throws(ForebayError) -> Whereabouts {
        try self.disk.call(.kind, folder) { () throws(ForebayError) in
            guard let own = self.held(folder) else { return .inPlace }
            if own.isRemoved { return .removed }
            guard let found = self.disk.tree.folder(folder) else { return .gone }
            return found === own ? .inPlace : .replaced
        }
    }

    private func held(_ path: String) -> SimulatedFolder? { self.held.first { $0.path == path }?.folder }

    private func folder(_ path: String) -> SimulatedFolder? {
        if let own = self.held(path) { return own }
        guard self.held.contains(where: { path.hasPrefix($0.path + "/") }) else { return self.disk.tree.folder(path) }
        guard let (parent, name) = self.found(path), case .folder(let folder)? = parent.entries[name] else { return nil }
        return folder
    }

    private func found(_ path: String) -> (SimulatedFolder, String)? {
        guard let slash = path.lastIndex(of: "/") else { return nil }
        guard let folder = self.folder(slash == path.startIndex ? "/" : String(path[..<slash])) else { return nil }
        return (folder, String(path[path.index(after: slash)...]))
    }

    private func place(of path: String, _ call: String) throws(ForebayError) -> (SimulatedFolder, String) {
        guard let found = self.found(path), !found.0.isRemoved else { throw self.missing(path, call) }
        return found
    }

    /// What is not there: lost, unless the folder that is held above it was removed.
    private func missing(_ path: String, _ call: String) -> ForebayError {
        .disk(call, path, self.isStale(path) ? ESTALE : ENOENT)
    }

    private func checkStale(_ path: String, _ call: String) throws(ForebayError) {
        if self.isStale(path) { throw .disk(call, path, ESTALE) }
    }

    private func isStale(_ path: String) -> Bool {
        self.held.contains { $0.folder.isRemoved && (path == $0.path || path.hasPrefix($0.path + "/")) }
    }

    // MARK: Calls

    func open(_ path: String, _ options: OpenOptions) throws(ForebayError) -> any DiskFile {
        try self.disk.call(.open, path) { () throws(ForebayError) in
            try self.disk.fail([.tooManyFiles], EMFILE, "open", path)
            if options.contains(.create) { try self.disk.fail([.noSpace], ENOSPC, "open", path) }
            let (folder, name) = try self.place(of: path, "open")
            if options.contains(.write) { self.disk.absence.use(folder, at: String(path.dropLast(name.utf8.count + 1))) }
            var inode: SimulatedInode
            switch folder.entries[name] {
            case .folder: throw .disk("open", path, EISDIR)
            case .file(let found):
                if options.contains([.create, .exclusive]) { throw .disk("open", path, EEXIST) }
                inode = found
            case nil:
                guard options.contains(.create) else { throw self.missing(path, "open") }
                inode = SimulatedInode(number: self.disk.tree.newNumber())
                inode.links = 1
                self.disk.tree.change(name, in: folder, to: .file(inode))
            }
            // As Linux does it: the name is made before the file system refuses.
            if options.contains(.direct), !self.disk.supportsDirect { throw .disk("open", path, EINVAL) }
            if options.contains(.truncate) { self.disk.room.resize(inode, to: 0) }
            inode.opens += 1
            return SimulatedFile(disk: self.disk, inode: inode, path: path, options: options)
        }
    }

    func makeFolder(_ path: String) throws(ForebayError) {
        try self.disk.call(.makeFolder, path) { () throws(ForebayError) in
            if self.held(path)?.isRemoved == false { return }
            let (folder, name) = try self.place(of: path, "make folder")
            guard folder.entries[name] == nil else { return }
            try self.disk.fail([.noSpace], ENOSPC, "make folder", path)
            self.disk.tree.change(name, in: folder, to: .folder(SimulatedFolder()))
        }
    }

    func rename(_ from: String, to: String) throws(ForebayError) {
        try self.disk.call(.rename, to) { () throws(ForebayError) in
            let (folder, name) = try self.place(of: from, "rename")
            let (target, newName) = try self.place(of: to, "rename")
            guard let node = folder.entries[name] else { throw self.missing(from, "rename") }
            try self.disk.fail([.noSpace], ENOSPC, "rename", from)
            if case .file(let old) = target.entries[newName] {
                if case .file(let new) = node, new === old { return }
                self.disk.room.unlink(old)
            } else if case .folder(let old) = target.entries[newName], !old.entries.isEmpty {
                throw .disk("rename", to, ENOTEMPTY)
            }
            if case .folder = node { self.disk.tree.foldersChanged() }
            self.disk.watchers.onName?(from, to)
            self.disk.tree.change((name, nil), in: folder, (newName, node), in: target)
        }
    }

    /// Of files.
    func exchange(_ one: String, _ other: String) throws(ForebayError) {
        try self.disk.call(.rename, other) { () throws(ForebayError) in
            let (folder, name) = try self.place(of: one, "exchange")
            let (target, otherName) = try self.place(of: other, "exchange")
            guard let node = folder.entries[name] else { throw self.missing(one, "exchange") }
            guard let otherNode = target.entries[otherName] else { throw self.missing(other, "exchange") }
            try self.disk.fail([.noSpace], ENOSPC, "exchange", one)
            self.disk.watchers.onName?(one, other)
            self.disk.tree.change((name, otherNode), in: folder, (otherName, node), in: target)
        }
    }

    func renameCreating(_ from: String, to: String) throws(ForebayError) {
        try self.disk.call(.rename, to) { () throws(ForebayError) in
            let (folder, name) = try self.place(of: from, "link")
            let (target, newName) = try self.place(of: to, "link")
            guard case .file(let inode)? = folder.entries[name] else { throw .disk("link", to, ENOENT) }
            guard target.entries[newName] == nil else { throw .disk("link", to, EEXIST) }
            try self.disk.fail([.noSpace], ENOSPC, "link", to)
            self.disk.tree.change(newName, in: target, to: .file(inode))
            self.disk.watchers.onName?(from, to)
            inode.links += 1
            self.disk.maybeDie()
            self.disk.tree.change(name, in: folder, to: nil)
            inode.links -= 1
        }
    }

    func remove(_ path: String) throws(ForebayError) {
        try self.disk.call(.remove, path) { () throws(ForebayError) in
            guard let (folder, name) = self.found(path), let node = folder.entries[name] else { return try self.checkStale(path, "remove") }
            guard case .file(let inode) = node else { throw .disk("remove", path, EISDIR) }
            try self.disk.fail([.noSpace], ENOSPC, "remove", path)  // Copy-on-write takes room to give some back.
            try self.disk.fail([.removeFails], EIO, "remove", path)
            self.disk.watchers.onName?(path, nil)
            self.disk.tree.change(name, in: folder, to: nil)
            self.disk.room.unlink(inode)
        }
    }

    func removeFolder(_ path: String) throws(ForebayError) {
        try self.disk.call(.remove, path) { () throws(ForebayError) in
            guard let (folder, name) = self.found(path), let node = folder.entries[name] else { return try self.checkStale(path, "remove") }
            guard case .folder(let old) = node else { throw .disk("remove", path, ENOTDIR) }
            guard old.entries.isEmpty else { throw .disk("remove", path, ENOTEMPTY) }
            self.disk.tree.change(name, in: folder, to: nil)
            old.isRemoved = true
            self.disk.tree.foldersChanged()
        }
    }

    func syncFolder(_ path: String) throws(ForebayError) {
        try self.disk.call(.syncFolder, path) { () throws(ForebayError) in
            try self.disk.fail([.tooManyFiles], EMFILE, "open", path)
            guard let folder = self.folder(path), !folder.isRemoved else { throw self.missing(path, "open") }
            if self.disk.strikes([.syncLosesData, .syncKeepsData]) != nil { throw .syncFailed("fsync", path, EIO) }
            self.disk.wait(path)
            folder.sync()
        }
    }

    func entries(_ path: String) throws(ForebayError) -> [String]? {
        try self.disk.call(.list, path) { () throws(ForebayError) in
            try self.disk.fail([.tooManyFiles], EMFILE, "list", path)
            guard let folder = self.folder(path) else {
                if let (parent, name) = self.found(path), parent.entries[name] != nil { throw .disk("list", path, ENOTDIR) }
                return nil
            }
            guard !folder.isRemoved else { throw self.missing(path, "list") }
            let names = folder.entries.keys.sorted()
            // Who only looks at a disk at rest changes nothing of what comes.
            return self.disk.process == nil ? names : names.shuffled(using: &self.disk.chance)
        }
    }

    func kind(of path: String) throws(ForebayError) -> EntryKind? {
        try self.disk.call(.kind, path) { () throws(ForebayError) in
            if path == "/" { return .folder }
            if let own = self.held(path) { return own.isRemoved ? nil : .folder }
            guard let (folder, name) = self.found(path) else { return nil }
            return switch folder.entries[name] {
            case .file: .file
            case .folder: .folder
            case nil: nil
            }
        }
    }

    func space(_ path: String) throws(ForebayError) -> (free: Int, total: Int) {
        try self.disk.call(.space, path) { () throws(ForebayError) in
            try self.disk.fail([.spaceUnknown], EIO, "statvfs", path)
            guard self.folder(path)?.isRemoved == false else { throw self.missing(path, "statvfs") }
            return (self.disk.room.free, self.disk.room.capacity)
        }
    }
}
