import ForebayCore
import ForebaySpool
import Glibc

/// An open file of a ``SimulatedDisk``.
final class SimulatedFile: DiskFile, @unchecked Sendable {  // Safe because: one thread at a time runs the simulation.
    private let disk: SimulatedDisk
    private let inode: SimulatedInode
    private let options: OpenOptions
    private let epoch: Int
    private let number: Int
    let path: String

    init(disk: SimulatedDisk, inode: SimulatedInode, path: String, options: OpenOptions) {
        self.disk = disk
        self.inode = inode
        self.path = path
        self.options = options
        self.epoch = disk.locks.epoch
        self.number = disk.tree.newNumber()
    }

    deinit {
        self.disk.closed(self.inode, file: self.number, epoch: self.epoch)
    }

    func write(_ bytes: UnsafeRawBufferPointer, at position: Int) throws(ForebayError) {
        try self.disk.call(.write, self.path) { () throws(ForebayError) in
            guard self.options.contains(.write) else { throw .disk("write", self.path, EBADF) }
            try self.check(bytes.baseAddress, position, bytes.count, "write")
            // A power cut in the middle of it leaves any of its sectors.
            let isSynced = self.options.contains(.syncsWrites) && !self.disk.isCut
            if self.disk.strikes([.writeFails]) != nil || self.isBad(position, bytes.count) {
                self.put(bytes, self.anyPart(of: bytes.count), at: position, isSynced: false)
                throw .disk("write", self.path, EIO)
            }
            if self.disk.strikes([.noSpace]) != nil {
                self.put(bytes, self.anyPart(of: bytes.count), at: position, isSynced: false)
                throw .disk("write", self.path, ENOSPC)
            }
            let growth = SimulatedInode.allocated(max(self.inode.size, position + bytes.count)) - self.inode.allocated
            if growth > self.disk.room.free {
                let fits = max(0, min(bytes.count, (self.inode.allocated + self.disk.room.free / 4096 * 4096) - position))
                self.put(bytes, fits, at: position, isSynced: isSynced)
                self.disk.coverage.hit("fault.diskFull")
                throw .disk("write", self.path, ENOSPC)
            }
            if isSynced { self.disk.wait(self.path) }
            self.put(bytes, bytes.count, at: position, isSynced: isSynced)
        }
    }

    func read(into buffer: UnsafeMutableRawBufferPointer, at position: Int) throws(ForebayError) -> Int {
        try self.disk.call(.read, self.path) { () throws(ForebayError) in
            let isDirect = self.options.contains(.direct)
            try self.check(buffer.baseAddress, position, buffer.count, "read")
            let count = max(0, min(buffer.count, self.inode.size - position))
            if count > 0, self.disk.strikes([.badSector]) != nil {
                let sectors = SimulatedInode.sectors(position, count)
                let first = Int.random(in: sectors, using: &self.disk.chance) / 8 * 8
                self.inode.bad.formUnion(first..<first + 8)  // A device's unit of failing is 4 KiB.
            }
            if self.disk.strikes([.readFails]) != nil || self.isBad(position, count) { throw .disk("read", self.path, EIO) }
            return self.inode.read(into: buffer, at: position, isDirect: isDirect)
        }
    }

    func syncData() throws(ForebayError) { try self.sync("fdatasync") }

    func sync() throws(ForebayError) { try self.sync("fsync") }

    private func sync(_ name: String) throws(ForebayError) {
        try self.disk.call(.sync, self.path) { () throws(ForebayError) in
            switch self.disk.strikes([.syncLosesData, .syncKeepsData, .noSpaceAtSync]) {
            case .syncLosesData:
                self.inode.loseUnsynced(&self.disk.chance)
                throw .syncFailed(name, self.path, EIO)
            case .noSpaceAtSync:
                self.inode.loseUnsynced(&self.disk.chance)
                throw .syncFailed(name, self.path, ENOSPC)
            case .some: throw .syncFailed(name, self.path, EIO)
            case nil:
                self.disk.wait(self.path)
                self.inode.sync()
            }
        }
    }

    func truncate(to size: Int) throws(ForebayError) {
        try self.disk.call(.truncate, self.path) { () throws(ForebayError) in
            guard self.options.contains(.write) else { throw .disk("truncate", self.path, EINVAL) }
            if size > self.inode.size { try self.disk.fail([.noSpace], ENOSPC, "truncate", self.path) }
            self.disk.watchers.onTruncate?(self.path, size)
            self.disk.room.resize(self.inode, to: size)
        }
    }

    func size() throws(ForebayError) -> Int {
        try self.disk.call(.size, self.path) { () throws(ForebayError) in self.inode.size }
    }

    func hasName() throws(ForebayError) -> Bool {
        try self.disk.call(.size, self.path) { () throws(ForebayError) in self.inode.links > 0 }
    }

    func dropCache() {
        self.inode.dropCache()
    }

    func lock() throws(ForebayError) -> Bool {
        try self.disk.call(.lock, self.path) { () throws(ForebayError) in
            self.disk.locks.take(self.inode.number, for: self.number)
        }
    }

    private func put(_ bytes: UnsafeRawBufferPointer, _ count: Int, at position: Int, isSynced: Bool) {
        guard count > 0 else { return }
        let before = self.inode.allocated
        defer { self.disk.room.charge(self.inode.allocated - before) }
        let bytes = UnsafeRawBufferPointer(rebasing: bytes[..<count])
        if self.disk.isDying {
            // Half-way: a part is written, and after a cut any sectors of that are on the device.
            let part = Bool.random(using: &self.disk.chance) ? count : self.anyPart(of: count)
            self.inode.write(UnsafeRawBufferPointer(rebasing: bytes[..<part]), at: position, isSynced: false)
            self.disk.maybeDie()
        }
        self.inode.write(bytes, at: position, isSynced: isSynced)
    }

    /// What is written of it before it fails: whole blocks, as the page cache and the device have them.
    private func anyPart(of count: Int) -> Int {
        Bool.random(using: &self.disk.chance) ? 0 : min(count, Int.random(in: 0...count, using: &self.disk.chance) / 512 * 512)
    }

    private func isBad(_ position: Int, _ count: Int) -> Bool {
        !self.inode.bad.isEmpty && SimulatedInode.sectors(position, count).contains { self.inode.bad.contains($0) }
    }

    /// O_DIRECT takes whole blocks of aligned memory.
    private func check(_ base: UnsafeRawPointer?, _ position: Int, _ count: Int, _ call: String) throws(ForebayError) {
        guard self.options.contains(.direct), count > 0 else { return }
        let block = SimulatedInode.block
        guard position % block == 0, count % block == 0, UInt(bitPattern: base) % UInt(block) == 0 else {
            throw .disk(call, self.path, EINVAL)
        }
    }
}
