package import ForebayCore
package import ForebaySpool
import Glibc
import Synchronization

/// The real disk, with the calls failing that a test names.
package final class FaultDisk: Disk {
    package enum Call: Sendable {
        case open, read, write, sync, truncate, rename, remove, makeFolder, list, space, hasName
        /// The two halves of ``Disk/syncFolder(_:)``: without a descriptor nothing was tried.
        case openFolder, syncFolder
    }

    /// - Returns: the `errno` to fail with; none: the call is made.
    package typealias Rule = @Sendable (_ call: Call, _ path: String) -> Int32?

    /// One for all disks that hold folders of this one.
    private final class Rules: Sendable {
        struct State {
            var rule: Rule?
            var told: (free: Int, total: Int)?
        }

        let state = Mutex(State())
    }

    private let disk: any Disk
    private let rules: Rules

    package init() { (self.disk, self.rules) = (SystemDisk(), Rules()) }

    private init(_ disk: any Disk, _ rules: Rules) { (self.disk, self.rules) = (disk, rules) }

    package func holding(_ folders: [String]) throws(ForebayError) -> any Disk {
        FaultDisk(try self.disk.holding(folders), self.rules)
    }

    package func whereabouts(of folder: String) throws(ForebayError) -> Whereabouts { try self.disk.whereabouts(of: folder) }

    /// From now on; none: nothing fails.
    package func fail(_ rule: Rule?) {
        self.rules.state.withLock { $0.rule = rule }
    }

    /// What ``space(_:)`` says from now on; none: the truth.
    package func tell(_ space: (free: Int, total: Int)?) {
        self.rules.state.withLock { $0.told = space }
    }

    fileprivate func check(_ call: Call, _ path: String) throws(ForebayError) {
        guard let number = self.rules.state.withLock({ $0.rule })?(call, path) else { return }
        if call == .sync || call == .syncFolder { throw .syncFailed("sync", path, number) }
        throw .disk("\(call)", path, number)
    }

    package func open(_ path: String, _ options: OpenOptions) throws(ForebayError) -> any DiskFile {
        try self.check(.open, path)
        return FaultFile(try self.disk.open(path, options), self)
    }

    package func makeFolder(_ path: String) throws(ForebayError) {
        try self.check(.makeFolder, path)
        try self.disk.makeFolder(path)
    }

    package func rename(_ from: String, to: String) throws(ForebayError) {
        try self.check(.rename, to)
        try self.disk.rename(from, to: to)
    }

    package func renameCreating(_ from: String, to: String) throws(ForebayError) {
        try self.check(.rename, to)
        try self.disk.renameCreating(from, to: to)
    }

    package func exchange(_ one: String, _ other: String) throws(ForebayError) {
        try self.check(.rename, other)
        try self.disk.exchange(one, other)
    }

    package func remove(_ path: String) throws(ForebayError) {
        try self.check(.remove, path)
        try self.disk.remove(path)
    }

    package func removeFolder(_ path: String) throws(ForebayError) {
        try self.check(.remove, path)
        try self.disk.removeFolder(path)
    }

    package func syncFolder(_ path: String) throws(ForebayError) {
        try self.check(.openFolder, path)
        try self.check(.syncFolder, path)
        try self.disk.syncFolder(path)
    }

    package func entries(_ path: String) throws(ForebayError) -> [String]? {
        try self.check(.list, path)
        return try self.disk.entries(path)
    }

    package func kind(of path: String) throws(ForebayError) -> EntryKind? { try self.disk.kind(of: path) }

    package func space(_ path: String) throws(ForebayError) -> (free: Int, total: Int) {
        try self.check(.space, path)
        if let told = self.rules.state.withLock({ $0.told }) { return told }
        return try self.disk.space(path)
    }
}

private final class FaultFile: DiskFile {
    private let file: any DiskFile
    private let disk: FaultDisk

    init(_ file: any DiskFile, _ disk: FaultDisk) {
        self.file = file
        self.disk = disk
    }

    var path: String { self.file.path }

    func write(_ bytes: UnsafeRawBufferPointer, at position: Int) throws(ForebayError) {
        try self.disk.check(.write, self.path)
        try self.file.write(bytes, at: position)
    }

    func read(into buffer: UnsafeMutableRawBufferPointer, at position: Int) throws(ForebayError) -> Int {
        try self.disk.check(.read, "\(self.path)@\(position)+\(buffer.count)")
        return try self.file.read(into: buffer, at: position)
    }

    func syncData() throws(ForebayError) {
        try self.disk.check(.sync, self.path)
        try self.file.syncData()
    }

    func sync() throws(ForebayError) {
        try self.disk.check(.sync, self.path)
        try self.file.sync()
    }

    func truncate(to size: Int) throws(ForebayError) {
        try self.disk.check(.truncate, self.path)
        try self.file.truncate(to: size)
    }

    func size() throws(ForebayError) -> Int { try self.file.size() }

    func hasName() throws(ForebayError) -> Bool {
        try self.disk.check(.hasName, self.path)
        return try self.file.hasName()
    }

    func dropCache() { self.file.dropCache() }
    func lock() throws(ForebayError) -> Bool { try self.file.lock() }
}
