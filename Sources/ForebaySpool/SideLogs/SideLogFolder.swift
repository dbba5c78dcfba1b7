package import ForebayCore
import Glibc

/// The folder of one route's side log as a whole: taken over by a route that has another name now, or given up. Nobody has the log open
/// meanwhile.
///
/// What is given up is first renamed to the data folder's `forgotten/`, durably, and then removed: a log is there whole or not at all,
/// whenever the process is killed, and what is left in `forgotten/` goes with the next start.
package struct SideLogFolder: Sendable {
    /// Named as the folder they lie in.
    package enum Kind: String, Sendable, CaseIterable {
        case setAside = "setaside"
        case deadLetters = "deadletters"

        var log: LogKind { self == .setAside ? .setAside : .deadLetters }
    }

    /// What became of a former name's log.
    package enum Takeover: Sendable, Equatable {
        case nothing
        case taken
        /// There is one under the new name, too, and neither is empty: it stays where it is.
        case refused
    }

    package let kind: Kind
    package let route: String
    package let path: String
    private let data: String
    private let disk: any Disk
    private let known: KnownLogs?

    /// - Parameters:
    ///   - data: the node's data folder.
    ///   - known: which logs it has: none for who only looks.
    package init(_ kind: Kind, of route: String, in data: String, disk: any Disk = SystemDisk(), known: KnownLogs? = nil) {
        self.known = known
        self.kind = kind
        self.route = route
        self.path = "\(data)/\(kind.rawValue)/\(route)"
        self.data = data
        self.disk = disk
    }

    /// Those that hold a log, by name.
    package static func all(_ kind: Kind, in data: String, disk: any Disk = SystemDisk()) throws(ForebayError) -> [SideLogFolder] {
        var found: [SideLogFolder] = []
        for name in try Folder(disk).entries("\(data)/\(kind.rawValue)") {
            let folder = SideLogFolder(kind, of: name, in: data, disk: disk)
            if try folder.holdsLog { found.append(folder) }
        }
        return found
    }

    /// Whether there is a log in it.
    package var holdsLog: Bool {
        get throws(ForebayError) { try self.disk.kind(of: "\(self.path)/segments") == .folder }
    }

    /// Events that wait in it, as its files say: of one that nobody has open.
    package func eventCount() throws(ForebayError) -> UInt64 {
        guard try self.holdsLog else { return 0 }
        switch self.kind {
        case .setAside:
            return try SetAsideLog.list(directory: self.path, disk: self.disk).reduce(0) { $0 + $1.end - min($1.settled, $1.end) }
        case .deadLetters:
            return try SpoolInspection(directory: self.path, disk: self.disk).letterCount()
        }
    }

    /// Bytes of its files: those that count in `max_size`, and those kept in quarantine.
    package func size() throws(ForebayError) -> Int {
        try Self.files(under: self.path, self.disk).reduce(0) { $0 + $1.bytes }
    }

    /// Takes over the log of a route that this one was called before; durably.
    package func takeOver(_ old: SideLogFolder) throws(ForebayError) -> Takeover {
        guard try old.holdsLog else { return .nothing }
        if try self.disk.kind(of: self.path) != nil {
            guard self.isEmpty else {
                guard old.isEmpty else { return .refused }
                try old.giveUp()
                return .nothing
            }
            try self.giveUp()
        }
        try Folder(self.disk).rename(old.path, to: self.path)
        return .taken
    }

    /// Nothing waits in it, and nothing of it is kept for the operator. What can't be read may be something.
    private var isEmpty: Bool {
        do throws(ForebayError) {
            guard try self.holdsLog else { return true }
            // Cheap first: a log is read whole only if it says that there is nothing in it.
            guard try self.eventCount() == 0, try Folder(self.disk).entries("\(self.path)/quarantine").isEmpty else { return false }
            return try SpoolInspection(directory: self.path, disk: self.disk).verify().problems.isEmpty
        } catch {
            return false
        }
    }

    /// Removes it, durably.
    ///
    /// - Parameter budget: that counts its files; none: of a log that was not opened.
    package func giveUp(_ budget: SpoolBudget? = nil) throws(ForebayError) {
        // It comes back.
        if try self.known?.isAway(self.path) == true { throw .disk("give up", self.path, ENOENT) }
        guard try self.disk.kind(of: self.path) != nil else { return }
        guard let budget else {
            try self.known?.forget([self.path])
            return try Self.remove(try self.setApart(), self.disk)
        }
        // Also where the disk has no room for a name.
        let path = try budget.withReserve { () throws(ForebayError) in
            // First: one that is not there must not be missed.
            try self.known?.forget([self.path])
            return try self.setApart()
        }
        let bytes = try Self.files(under: path, self.disk).reduce(0) { $0 + ($1.counts ? $1.bytes : 0) }
        try Self.remove(path, self.disk)
        budget.add(-bytes)
    }

    /// - Returns: where it lies now.
    private func setApart() throws(ForebayError) -> String {
        let folder = Folder(self.disk)
        let trash = Self.trash(in: self.data)
        try folder.make(trash)
        var target = "\(trash)/\(self.kind.rawValue).\(self.route)"
        var copy = 1
        while try folder.exists(target) {
            copy += 1
            target = "\(trash)/\(self.kind.rawValue).\(self.route).\(copy)"
        }
        try folder.rename(self.path, to: target)
        try self.disk.syncFolder(Folder.parent(of: self.path))
        return target
    }

    /// What a kill left of logs that were given up.
    package static func removeLeftovers(in data: String, disk: any Disk = SystemDisk()) throws(ForebayError) {
        for name in try Folder(disk).entries(self.trash(in: data)) { try self.remove("\(self.trash(in: data))/\(name)", disk) }
    }

    private static func trash(in data: String) -> String { "\(data)/forgotten" }

    private static func remove(_ path: String, _ disk: any Disk) throws(ForebayError) {
        guard try disk.kind(of: path) == .folder else { return try disk.remove(path) }
        for name in try Folder(disk).entries(path) { try self.remove("\(path)/\(name)", disk) }
        try disk.removeFolder(path)
    }

    /// - Returns: the files, their bytes, and whether the log's budget counts them.
    private static func files(under path: String, _ disk: any Disk) throws(ForebayError) -> [(bytes: Int, counts: Bool)] {
        var found: [(bytes: Int, counts: Bool)] = []
        for name in try Folder(disk).entries(path) {
            let entry = "\(path)/\(name)"
            switch try disk.kind(of: entry) {
            case .folder?: found += try self.files(under: entry, disk)
            case .file?:
                let counts = name == UnitTable.file || RemovedLettersFile.files.contains(name) || path.hasSuffix("/segments")
                // Of one that can't be looked at (in quarantine, say) the size is not known, and nothing else hangs on it.
                guard let size = try? disk.open(entry, []).size() else { continue }
                found.append((size, counts))
            default: continue
            }
        }
        return found
    }
}
