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

    var tree = SimulatedTree()
    package var room: SimulatedRoom
    var locks = SimulatedLocks()
    private var script = DiskScript()
    var absence = FolderAbsence()
    var chance: SplitMix
    private(set) var process: SimulatedProcess?
    package var watchers = DiskWatchers()
    package var coverage = Coverage()
    /// Some file systems have no O_DIRECT.
    package var supportsDirect = true
    /// Files and folders that are synced under a lock.
    package var isLocked: (String) -> Bool = { _ in false }

    /// - Parameter capacity: in bytes, of the file system.
    package init(seed: UInt64, capacity: Int) {
        self.chance = SplitMix(seed: seed)
        self.room = SimulatedRoom(capacity: capacity)
    }

    /// Calls of the attached process so far.
    package var calls: Int { self.script.calls }

    // MARK: A process's life

    /// - Parameters:
    ///   - faults: by this process's calls.
    ///   - death: where it ends, if not by itself.
    package func attach(_ process: SimulatedProcess, faults: [DiskFault] = [], death: DiskDeath? = nil) {
        self.detach()
        self.process = process
        self.script.begin(faults, death)
    }

    /// The process is gone: its locks are free, its unlinked files' room, too; the cache may lose what is clean. A folder that is away
    /// comes back.
    package func detach() {
        self.process = nil
        self.putBack()
        self.absence.processEnded()
        self.script.end()
        self.locks.processEnded()
        self.room.closeAll()
        for (_, inode) in self.tree.files {
            inode.opens = 0
            if !inode.lost.isEmpty, Bool.random(using: &self.chance) { inode.dropCache() }
        }
    }

    /// A power cut: what is left is what a restarted machine finds.
    package func cutPower() {
        self.detach()
        self.tree.root.cut(&self.chance)
        var images: [Int: SimulatedInode] = [:]
        self.tree.root.replace { inode in
            if let image = images[inode.number] {
                image.links += 1
                return image
            }
            let image = SimulatedInode(number: inode.number, content: inode.image(&self.chance), bad: inode.bad)
            image.links = 1
            images[inode.number] = image
            return image
        }
        self.room.beginAnew(with: images.values)
        self.tree.foldersChanged()
    }

    /// No fault from now on, and no bad sector is left.
    package func heal() {
        self.script.heal()
        self.room.eat(false)
        for (_, inode) in self.tree.files { inode.bad = [] }
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

    /// Whether the call that is made just now ends in a power cut.
    var isCut: Bool { self.script.ending == .powerCut }

    // MARK: What each call goes through

    func call<Result>(_ call: Call, _ path: String, _ body: () throws(ForebayError) -> Result) throws(ForebayError) -> Result {
        guard let process = self.process else { return try body() }
        if process.isOver { process.die("after its end") }
        self.script.called(isWrite: call == .write && path.contains("/spool/segments/"))
        process.machine.note(call.rawValue)
        process.machine.note(path)
        process.machine.advance(nanoseconds: 2_000)
        self.happen(process)
        let ending = self.script.ending
        if let ending, Bool.random(using: &self.chance) { process.die(ending.rawValue) }
        let result = try body()
        if let ending { process.die(ending.rawValue) }
        return result
    }

    /// Whether this call is the process's last.
    var isDying: Bool { self.script.ending != nil }

    /// In the middle of a call.
    func maybeDie() {
        guard let ending = self.script.ending, Bool.random(using: &self.chance) else { return }
        self.process!.die(ending.rawValue)
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
        guard let kind = self.script.strikes(kinds) else { return nil }
        self.coverage.hit("fault.\(kind.rawValue)")
        return kind
    }

    func fail(_ kinds: [DiskFault.Kind], _ number: CInt, _ call: String, _ path: String) throws(ForebayError) {
        if self.strikes(kinds) != nil { throw .disk(call, path, number) }
    }

    /// What goes wrong beside the call.
    private func happen(_ process: SimulatedProcess) {
        var isEaten = false
        for event in self.script.events() {
            switch event {
            case .diskEaten(let isNew):
                isEaten = true
                if isNew { self.coverage.hit("fault.diskEaten") }
            case .fileVanishes: self.vanish()
            case .folderGoesAway(let fault): if self.takeAway() { self.script.took(fault) }
            case .folderComesBack: self.putBack()
            case .clockJumps:
                self.coverage.hit("fault.clockJumps")
                process.machine.wallOffset += Int64.random(in: -90_000_000...90_000_000, using: &self.chance)
            }
        }
        self.room.eat(isEaten)
    }

    /// One of a process that ended is nobody's.
    func closed(_ inode: SimulatedInode, file: Int, epoch: Int) {
        guard epoch == self.locks.epoch else { return }
        self.locks.release(inode.number, of: file)
        self.room.close(inode)
    }
}
