/// What is done to a ``SimulatedDisk`` while no process has it: by a device that fails, or by hand. All of it is durable.
extension SimulatedDisk {
    /// Paths of all files, sorted.
    package var files: [String] { self.tree.files.map(\.path) }

    /// Bytes that all files take which have a name.
    package var bytesOfFiles: Int { self.tree.files.reduce(0) { $0 + $1.inode.allocated } }

    /// Somebody deletes a segment or a cursor, the newest rather than others.
    func vanish() {
        let found = self.files.filter { $0.hasSuffix(".segment") || $0.contains("/cursors/") }
        let segments = found.filter { $0.hasSuffix(".segment") }
        guard let newest = segments.last, let any = found.randomElement(using: &self.chance) else { return }
        self.coverage.hit("fault.fileVanishes")
        let lost = Bool.random(using: &self.chance) ? newest : any
        self.lose(lost)
        self.watchers.onVanished?(lost, lost == newest)
    }

    /// Puts another file's content in a file's place.
    package func overwrite(_ path: String, with other: String) {
        guard let inode = self.tree.file(path), let donor = self.tree.file(other) else { return }
        self.room.resize(inode, to: 0)
        donor.content.withUnsafeBytes { inode.write($0, at: 0, isSynced: false) }
        self.room.charge(inode.allocated)
        inode.sync()
    }

    /// Bytes of a file.
    package func size(of path: String) -> Int? { self.tree.file(path)?.size }

    /// - Parameter number: picks the byte and the bit; data that is not zero is preferred.
    package func flip(bit number: UInt64, of path: String) {
        guard let inode = self.tree.file(path), inode.size > 0 else { return }
        var position = Int((number >> 3) % UInt64(inode.size))
        // Most of a segment that was made ready is zeros that nobody reads.
        if inode.byte(at: position) == 0, let used = inode.lastUsed, number & 1 == 0 { position %= used + 1 }
        inode.flip(bit: Int(number & 7), at: position)
    }

    package func lose(_ path: String) {
        guard let (folder, name) = self.tree.place(of: path), case .file(let inode)? = folder.entries[name] else { return }
        self.tree.changeDurably(name, in: folder, to: nil)
        self.room.unlink(inode)
    }

    /// With all that is in it.
    package func lose(folder path: String) {
        guard let (parent, name) = self.tree.place(of: path), case .folder(let folder)? = parent.entries[name] else { return }
        for (_, inode) in folder.files(at: path) { self.room.unlink(inode) }
        self.tree.changeDurably(name, in: parent, to: nil)
        self.tree.foldersChanged()
    }

    /// To a length, or a share of the length it has.
    package func cut(_ path: String, to size: Int, of whole: Int? = nil) {
        guard let inode = self.tree.file(path) else { return }
        self.room.resize(inode, to: whole.map { inode.size * size / $0 } ?? size)
        inode.sync()
    }

    /// Never replaces a file.
    package func copy(_ path: String, to target: String) {
        if let bytes = self.contents(of: path) { _ = self.put(bytes, at: target) }
    }

    package func contents(of path: String) -> [UInt8]? { self.tree.file(path)?.content }

    /// Makes a file of these bytes. Never replaces one.
    ///
    /// - Returns: false: the name is taken, or its folder is gone.
    package func put(_ bytes: [UInt8], at path: String) -> Bool {
        guard let (folder, name) = self.tree.place(of: path), folder.entries[name] == nil else { return false }
        let inode = SimulatedInode(number: self.tree.newNumber(), content: bytes)
        inode.links = 1
        self.tree.changeDurably(name, in: folder, to: .file(inode))
        self.room.charge(inode.allocated)
        return true
    }
}

extension SimulatedInode {
    var content: [UInt8] { self.cache }

    func byte(at position: Int) -> UInt8 { self.cache[position] }

    /// The position of the last byte that is not zero.
    var lastUsed: Int? { self.cache.lastIndex { $0 != 0 } }
}
