import ForebayCore

/// A folder that somebody has moved away for a while.
struct FolderAway {
    let path: String
    let folder: SimulatedFolder
    let parent: SimulatedFolder
    let name: String
    /// What has its path meanwhile; none: nothing.
    let standIn: SimulatedFolder?
}

/// By an operator, while a process uses the disk; durable at once.
extension SimulatedDisk {
    package var isFolderAway: Bool { self.away != nil }

    /// Of a log that is in use, with those above it. What is left of one that could not be made is made again, whatever became of it: so
    /// only where something is in it.
    private var candidates: [String] {
        var paths: Set<String> = []
        for (path, folder) in self.inUse where self.folder(path) === folder && !Self.isSpare(path) {
            var path = Substring(path)
            let parent = path.lastIndex(of: "/").map { path[..<$0] } ?? ""
            guard [path, parent].contains(where: { self.folder(String($0)).map(Self.isLog) ?? false }) else { continue }
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
        guard self.away == nil, let path = self.candidates.randomElement(using: &self.chance), let folder = self.folder(path),
            let (parent, name) = self.found(path)
        else { return false }
        // Where something is mounted over it, there is an empty folder in its place.
        let standIn = Bool.random(using: &self.chance) ? SimulatedFolder() : nil
        self.coverage.hit("fault.folderAway")
        self.coverage.hit(standIn == nil ? "a folder is moved away" : "a folder has another one in its place")
        self.away = FolderAway(path: path, folder: folder, parent: parent, name: name, standIn: standIn)
        self.put(standIn.map { .folder($0) }, at: name, in: parent)
        return true
    }

    func putBack() {
        guard let away = self.away else { return }
        self.away = nil
        let found: [String] =
            switch away.parent.entries[away.name] {
            case nil: []
            case .file: ["a file"]
            case .folder(let folder): folder === away.standIn ? folder.entries.keys.sorted() : ["a folder"]
            }
        if !found.isEmpty { self.intrusions.append("\(found.joined(separator: ", ")) in the place of \(away.path)") }
        self.put(.folder(away.folder), at: away.name, in: away.parent)
    }

    private func put(_ node: SimulatedFolder.Node?, at name: String, in parent: SimulatedFolder) {
        self.moves += 1
        parent.change(.init(number: self.next(), changes: [(name, node)], partner: nil))
        parent.sync()
        self.foldersChanged()
    }
}
