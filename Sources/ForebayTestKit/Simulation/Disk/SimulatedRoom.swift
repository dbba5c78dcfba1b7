/// The bytes of a ``SimulatedDisk``: a file takes its own while it has a name, and without one until nobody has it open.
package struct SimulatedRoom {
    /// Of the file system.
    package var capacity: Int
    private(set) var used = 0
    /// By others.
    private var eaten = 0
    /// Files that are open and have no name, by number.
    private var orphans: [Int: SimulatedInode] = [:]

    init(capacity: Int) { self.capacity = capacity }

    var free: Int { max(0, self.capacity - self.used - self.eaten) }

    /// Others take all that there is now, or give it back.
    mutating func eat(_ isEaten: Bool) { self.eaten = isEaten ? max(0, self.capacity - self.used) : 0 }

    /// For a file that is new or has grown; below 0: that has shrunk.
    mutating func charge(_ bytes: Int) { self.used += bytes }

    mutating func resize(_ inode: SimulatedInode, to size: Int) {
        self.used += SimulatedInode.allocated(size) - inode.allocated
        inode.truncate(to: size)
    }

    /// One of its names is gone.
    mutating func unlink(_ inode: SimulatedInode) {
        inode.links -= 1
        guard inode.links == 0 else { return }
        if inode.opens > 0 { self.orphans[inode.number] = inode } else { self.used -= inode.allocated }
    }

    /// One who had it open has not any more.
    mutating func close(_ inode: SimulatedInode) {
        inode.opens -= 1
        if inode.opens == 0, inode.links == 0, self.orphans.removeValue(forKey: inode.number) != nil { self.used -= inode.allocated }
    }

    /// Nobody has anything open any more, and nobody else eats.
    mutating func closeAll() {
        for inode in self.orphans.values { self.used -= inode.allocated }
        self.orphans = [:]
        self.eaten = 0
    }

    /// A power cut: these files are all that there is.
    mutating func beginAnew(with files: some Sequence<SimulatedInode>) { self.used = files.reduce(0) { $0 + $1.allocated } }
}
