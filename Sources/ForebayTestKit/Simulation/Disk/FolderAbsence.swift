/// A folder that somebody has moved away for a while.
struct FolderAway {
    let path: String
    let folder: SimulatedFolder
    let parent: SimulatedFolder
    let name: String
    /// What has its path meanwhile; none: nothing.
    let standIn: SimulatedFolder?

    /// What has been made in its place.
    fileprivate var intruders: [String] {
        switch self.parent.entries[self.name] {
        case nil: []
        case .file: ["a file"]
        case .folder(let folder): folder === self.standIn ? folder.entries.keys.sorted() : ["a folder"]
        }
    }
}

/// The folders that a process uses, and the one of them that is away.
struct FolderAbsence {
    /// Those that it has written in, by the paths that they had.
    private(set) var inUse: [String: SimulatedFolder] = [:]
    private(set) var away: FolderAway?
    /// How often one was taken away, or put back.
    private(set) var moves = 0
    /// What was made in the place of one that was away.
    private(set) var intrusions: [String] = []

    mutating func use(_ folder: SimulatedFolder, at path: String) { self.inUse[path] = folder }

    /// The process is gone.
    mutating func processEnded() { self.inUse = [:] }

    mutating func begin(_ away: FolderAway) {
        precondition(self.away == nil, "one at a time")
        self.away = away
        self.moves += 1
    }

    /// - Returns: the one that was away, to be put back.
    mutating func end() -> FolderAway? {
        guard let away = self.away else { return nil }
        self.away = nil
        self.moves += 1
        let intruders = away.intruders
        if !intruders.isEmpty { self.intrusions.append("\(intruders.joined(separator: ", ")) in the place of \(away.path)") }
        return away
    }
}
