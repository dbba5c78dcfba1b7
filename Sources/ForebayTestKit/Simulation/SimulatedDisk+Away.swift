import ForebayCore

/// By an operator, while a process uses the disk; durable at once.
extension SimulatedDisk {
    package var isFolderAway: Bool { self.absence.away != nil }

    /// How often a folder was taken away, or put back.
    package var moves: Int { self.absence.moves }

    /// What was made in the place of a folder that was away.
    package var intrusions: [String] { self.absence.intrusions }

    /// Of a log that is in use, with those above it. What is left of one that could not be made is made again, whatever became of it: so
    /// only where something is in it.
    private var candidates: [String] {
        var paths: Set<String> = []
        for (path, folder) in self.absence.inUse where self.tree.folder(path) === folder && !Self.isSpare(path) {
            var path = Substring(path)
            let parent = path.lastIndex(of: "/").map { path[..<$0] } ?? ""
            guard [path, parent].contains(where: { self.tree.folder(String($0)).map(Self.isLog) ?? false }) else { continue }
            while let slash = path.lastIndex(of: "/") {
                paths.insert(String(path))
                path = path[..<slash]
            }
        }
        return paths.sorted()
    }

    private static func isLog(_ folder: SimulatedFolder) -> Bool {
        guard folder.entries["registry"] != nil, case .folder(let segments) = folder.entries["segments"] else { return false }
        return !segments.entries.isEmpty
    }

    /// What is made again without harm, wherever it went: what is settled ahead is delivered again, the others are of no use to the log.
    private static func isSpare(_ path: String) -> Bool {
        path.contains("/quarantine") || path.contains("/forgotten") || path.hasSuffix("/ahead")
    }

    /// - Returns: false: none is in use, or one is away already.
    func takeAway() -> Bool {
        guard self.absence.away == nil, let path = self.candidates.randomElement(using: &self.chance),
            let folder = self.tree.folder(path), let (parent, name) = self.tree.place(of: path)
        else { return false }
        // Where something is mounted over it, there is an empty folder in its place.
        let standIn = Bool.random(using: &self.chance) ? SimulatedFolder() : nil
        self.coverage.hit("fault.folderAway")
        self.coverage.hit(standIn == nil ? "a folder is moved away" : "a folder has another one in its place")
        self.absence.begin(FolderAway(path: path, folder: folder, parent: parent, name: name, standIn: standIn))
        self.put(standIn, at: name, in: parent)
        return true
    }

    func putBack() {
        if let away = self.absence.end() { self.put(away.folder, at: away.name, in: away.parent) }
    }

    private func put(_ folder: SimulatedFolder?, at name: String, in parent: SimulatedFolder) {
        self.tree.changeDurably(name, in: parent, to: folder.map { .folder($0) })
        self.tree.foldersChanged()
    }
}
