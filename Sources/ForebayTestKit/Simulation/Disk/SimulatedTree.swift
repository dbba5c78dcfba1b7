/// All names of a ``SimulatedDisk``, from its root on.
struct SimulatedTree {
    let root: SimulatedFolder
    /// By path, those that were looked for.
    private var known: [String: SimulatedFolder]
    private var last = 0

    init() {
        self.root = SimulatedFolder()
        self.known = ["/": self.root]
    }

    /// For a file, or for a change of names: later ones are higher.
    mutating func newNumber() -> Int {
        self.last += 1
        return self.last
    }

    // MARK: Finding

    /// The folder that a path's last name is in, and that name, whether it is taken or not.
    mutating func place(of path: String) -> (folder: SimulatedFolder, name: String)? {
        guard let slash = path.lastIndex(of: "/") else { return nil }
        let parent = slash == path.startIndex ? "/" : String(path[..<slash])
        guard let folder = self.folder(parent) else { return nil }
        return (folder, String(path[path.index(after: slash)...]))
    }

    mutating func folder(_ path: String) -> SimulatedFolder? {
        if let known = self.known[path] { return known }
        guard let (parent, name) = self.place(of: path), case .folder(let folder)? = parent.entries[name] else { return nil }
        self.known[path] = folder
        return folder
    }

    mutating func file(_ path: String) -> SimulatedInode? {
        guard let (folder, name) = self.place(of: path), case .file(let inode)? = folder.entries[name] else { return nil }
        return inode
    }

    /// All files, in the order of their paths.
    var files: [(path: String, inode: SimulatedInode)] { self.root.files(at: "") }

    // MARK: Changing

    /// Folders have other paths now.
    mutating func foldersChanged() { self.known = ["/": self.root] }

    /// - Parameter node: what the name stands for from now on; none: nothing.
    mutating func change(_ name: String, in folder: SimulatedFolder, to node: SimulatedFolder.Node?) {
        folder.change(.init(number: self.newNumber(), changes: [(name, node)], partner: nil))
    }

    /// Two names, in one folder or two: both or none.
    mutating func change(
        _ first: (name: String, node: SimulatedFolder.Node?), in folder: SimulatedFolder,
        _ second: (name: String, node: SimulatedFolder.Node?), in other: SimulatedFolder
    ) {
        let number = self.newNumber()
        if folder === other {
            folder.change(.init(number: number, changes: [first, second], partner: nil))
        } else {
            folder.change(.init(number: number, changes: [first], partner: other))
            other.change(.init(number: number, changes: [second], partner: folder))
        }
    }

    /// Durable at once.
    mutating func changeDurably(_ name: String, in folder: SimulatedFolder, to node: SimulatedFolder.Node?) {
        self.change(name, in: folder, to: node)
        folder.sync()
    }
}
