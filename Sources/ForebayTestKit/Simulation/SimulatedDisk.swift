package import ForebayCore
package import ForebaySpool
import Glibc

/// A disk in memory that knows what was synced and what was not, and fails as a plan says.
///
/// A killed process leaves all that it wrote; a power cut (``cutPower()``) any part of what was not synced (``SimulatedInode``,
/// ``SimulatedFolder`` say which). One process at a time is attached; each of its calls takes simulated time, may fail
/// (``faults``), and may be its last (``death``).
package final class SimulatedDisk: Disk, @unchecked Sendable {  // Safe because: one thread at a time runs the simulation.
    enum Call: String {
        case open, makeFolder, rename, remove, syncFolder, list, kind, space, write, read, sync, truncate, size, lock, drop
    }

    var root = SimulatedFolder()
    private var folders: [String: SimulatedFolder] = [:]
    private var lastNumber = 0
    var chance: SplitMix
    /// In bytes, of the file system.
    package var capacity: Int
    /// Taken by others.
    package var eaten = 0
    package private(set) var used = 0
    /// Some file systems have no O_DIRECT.
    package var supportsDirect = true
    package var coverage = Coverage()
    /// Told of what was done to names: what became of `from`, and its new name, if it has one.
    package var onName: ((_ from: String, _ to: String?) -> Void)?
    /// Somebody has deleted a file, perhaps the newest segment of all.
    package var onVanished: ((_ file: String, _ isNewest: Bool) -> Void)?
    package var onTruncate: ((_ path: String, _ size: Int) -> Void)?

    private(set) var process: SimulatedProcess?
    /// Files of processes that ended are nobody's.
    private(set) var epoch = 0
    private var orphans: [Int: SimulatedInode] = [:]
    var locks: [Int: Int] = [:]
    /// Calls of the attached process so far.
    package private(set) var calls = 0
    private(set) var faults: [DiskFault] = []
    private var struck: [Int] = []
    private var death: DiskDeath?
    /// The call at which the process ends; none: it is not known yet, or it ends by itself.
    private var lastCall: Int?
    /// Folders in which the process has written, by the paths that they had.
    var inUse: [String: SimulatedFolder] = [:]
    var away: FolderAway?
    /// How often a folder was taken away, or put back.
    package internal(set) var moves = 0
    /// Files and folders that are synced under a lock.
    package var isLocked: (String) -> Bool = { _ in false }
    /// What was made in the place of a folder that was away.
    package internal(set) var intrusions: [String] = []

    package init(seed: UInt64, capacity: Int) {
        self.chance = SplitMix(seed: seed)
        self.capacity = capacity
        self.folders["/"] = self.root
    }

    // MARK: A process's life

    /// - Parameters:
    ///   - faults: by this process's calls.
    ///   - death: where it ends, if not by itself.
    package func attach(_ process: SimulatedProcess, faults: [DiskFault] = [], death: DiskDeath? = nil) {
        self.detach()
        (self.process, self.faults, self.death) = (process, faults, death)
        self.struck = faults.map { _ in 0 }
        self.calls = 0
        self.lastCall = death.flatMap { $0.isAtWrite ? nil : $0.call }
        self.eaten = 0
    }

    /// The process is gone: its locks are free, its unlinked files' room, too; the cache may lose what is clean. A folder that is away
    /// comes back.
    package func detach() {
        self.process = nil
        self.putBack()
        self.inUse = [:]
        self.faults = []
        self.death = nil
        self.epoch += 1
        self.locks = [:]
        self.eaten = 0
        for inode in self.orphans.values { self.used -= inode.allocated }
        self.orphans = [:]
        for (_, inode) in self.root.files(at: "") {
            inode.opens = 0
            if !inode.lost.isEmpty, Bool.random(using: &self.chance) { inode.dropCache() }
        }
    }

    /// A power cut: what is left is what a restarted machine finds.
    package func cutPower() {
        self.detach()
        self.root.cut(&self.chance)
        var images: [Int: SimulatedInode] = [:]
        self.used = 0
        self.root.replace { inode in
            if let image = images[inode.number] {
                image.links += 1
                return image
            }
            let image = SimulatedInode(number: inode.number, content: inode.image(&self.chance), bad: inode.bad)
            image.links = 1
            images[inode.number] = image
            self.used += image.allocated
            return image
        }
        self.foldersChanged()
    }

    /// No fault from now on, and no bad sector is left.
    package func heal() {
        self.faults = []
        self.eaten = 0
        for (_, inode) in self.root.files(at: "") { inode.bad = [] }
    }

    // MARK: Disk

    /// As somebody sees it who holds no folder.
    private var names: SimulatedNames { SimulatedNames(self) }

    package func open(_ path: String, _ options: OpenOptions) throws(ForebayError) -> any DiskFile { try self.names.open(path, options) }
    package func makeFolder(_ path: String) throws(ForebayError) { try self.names.makeFolder(path) }
    package func rename(_ from: String, to: String) throws(ForebayError) { try self.names.rename(from, to: to) }
    package func renameCreating(_ from: String, to: String) throws(ForebayError) { try self.names.renameCreating(from, to: to) }
    package func exchange(_ one: String, _ other: String) throws(ForebayError) { try self.names.exchange(one, other) }
    package func remove(_ path: String) throws(ForebayError) { try self.names.remove(path) }
    package func removeFolder(_ path: String) throws(ForebayError) { try self.names.removeFolder(path) }
    package func syncFolder(_ path: String) throws(ForebayError) { try self.names.syncFolder(path) }
    package func entries(_ path: String) throws(ForebayError) -> [String]? { try self.names.entries(path) }
    package func kind(of path: String) throws(ForebayError) -> EntryKind? { try self.names.kind(of: path) }
    package func space(_ path: String) throws(ForebayError) -> (free: Int, total: Int) { try self.names.space(path) }
    package func holding(_ folders: [String]) throws(ForebayError) -> any Disk { try self.names.holding(folders) }
    package func whereabouts(of folder: String) throws(ForebayError) -> Whereabouts { try self.names.whereabouts(of: folder) }

    var free: Int { max(0, self.capacity - self.used - self.eaten) }

    /// Whether the call that is made just now ends in a power cut.
    var isCut: Bool { self.isDying && self.death?.kind == .powerCut }

    // MARK: What each call goes through

    func call<Result>(_ call: Call, _ path: String, _ body: () throws(ForebayError) -> Result) throws(ForebayError) -> Result {
        guard let process = self.process else { return try body() }
        if process.isOver { process.die("after its end") }
        self.calls += 1
        process.machine.note(call.rawValue)
        process.machine.note(path)
        process.machine.advance(nanoseconds: 2_000)
        self.lastingFaults(process)
        if let death, self.lastCall == nil, self.calls >= death.call, call == .write, path.contains("/spool/segments/") {
            self.lastCall = self.calls
        }
        let isLast = self.isDying
        if isLast, Bool.random(using: &self.chance) { process.die(self.death!.kind.rawValue) }
        let result = try body()
        if isLast { process.die(self.death!.kind.rawValue) }
        return result
    }

    /// Whether this call is the process's last.
    var isDying: Bool { self.process != nil && self.lastCall == self.calls }

    /// In the middle of a call.
    func maybeDie() {
        guard self.isDying, Bool.random(using: &self.chance) else { return }
        self.process!.die(self.death!.kind.rawValue)
    }

    /// A sync's time, in which others go on: but for those that would wait for the lock under which it is called, and have no thread of
    /// their own here to do that.
    func wait(_ path: String) {
        guard let process = self.process else { return }
        func pass(_ nanoseconds: UInt64) {
            if self.isLocked(path) { process.machine.advance(nanoseconds: nanoseconds) } else { process.pause(nanoseconds: nanoseconds) }
        }
        if self.strikes([.syncHangs]) != nil {
            pass(UInt64.random(in: 1_000_000_000...30_000_000_000, using: &self.chance))
        } else if Int.random(in: 0..<4, using: &self.chance) == 0 {
            pass(UInt64.random(in: 50_000...5_000_000, using: &self.chance))
        } else {
            process.machine.advance(nanoseconds: 100_000)
        }
    }

    /// - Returns: the fault that strikes this call, if one of these does.
    func strikes(_ kinds: [DiskFault.Kind]) -> DiskFault.Kind? {
        guard self.process != nil else { return nil }
        for (place, fault) in self.faults.enumerated()
        where kinds.contains(fault.kind) && self.calls >= fault.call && self.struck[place] < fault.count {
            self.struck[place] += 1
            self.coverage.hit("fault.\(fault.kind.rawValue)")
            return fault.kind
        }
        return nil
    }

    func fail(_ kinds: [DiskFault.Kind], _ number: CInt, _ call: String, _ path: String) throws(ForebayError) {
        if self.strikes(kinds) != nil { throw .disk(call, path, number) }
    }

    private func lastingFaults(_ process: SimulatedProcess) {
        var isEaten = false
        for (place, fault) in self.faults.enumerated() where self.calls >= fault.call {
            switch fault.kind {
            case .diskEaten where self.calls < fault.call + fault.count:
                isEaten = true
                if self.struck[place] == 0 { self.coverage.hit("fault.diskEaten") }
                self.struck[place] = 1
            case .fileVanishes where self.struck[place] == 0:
                self.struck[place] = 1
                self.vanish()
            case .folderAway where self.calls < fault.call + fault.count:
                if self.struck[place] == 0, self.takeAway() { self.struck[place] = 1 }
            case .folderAway where self.struck[place] == 1:
                self.struck[place] = 2
                self.putBack()
            case .clockJumps where self.struck[place] == 0:
                self.struck[place] = 1
                self.coverage.hit("fault.clockJumps")
                process.machine.wallOffset += Int64.random(in: -90_000_000...90_000_000, using: &self.chance)
            default: break
            }
        }
        self.eaten = isEaten ? max(0, self.capacity - self.used) : 0
    }

    // MARK: Names

    func next() -> Int {
        self.lastNumber += 1
        return self.lastNumber
    }

    func resize(_ inode: SimulatedInode, to size: Int) {
        self.used += SimulatedInode.allocated(size) - inode.allocated
        inode.truncate(to: size)
    }

    func charge(_ bytes: Int) { self.used += bytes }

    func closed(_ inode: SimulatedInode, epoch: Int) {
        guard epoch == self.epoch else { return }
        inode.opens -= 1
        if inode.opens == 0, inode.links == 0, self.orphans.removeValue(forKey: inode.number) != nil { self.used -= inode.allocated }
    }

    func unlink(_ inode: SimulatedInode) {
        inode.links -= 1
        guard inode.links == 0 else { return }
        if inode.opens > 0 { self.orphans[inode.number] = inode } else { self.used -= inode.allocated }
    }

    /// Folders have other paths now.
    func foldersChanged() { self.folders = ["/": self.root] }

    func found(_ path: String) -> (SimulatedFolder, String)? {
        guard let slash = path.lastIndex(of: "/") else { return nil }
        let parent = slash == path.startIndex ? "/" : String(path[..<slash])
        guard let folder = self.folder(parent) else { return nil }
        return (folder, String(path[path.index(after: slash)...]))
    }

    func folder(_ path: String) -> SimulatedFolder? {
        if let known = self.folders[path] { return known }
        guard let (parent, name) = self.found(path), case .folder(let folder)? = parent.entries[name] else { return nil }
        self.folders[path] = folder
        return folder
    }
}
