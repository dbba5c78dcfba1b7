package import ForebayCore

/// Where a log's files lie: the operating system's calls, one to one, and nothing that decides. A simulation has another one that knows
/// what was synced and what was not.
///
/// Every call is whole or throws. Names are durable only once their folder is synced: ``Folder`` has the calls that see to that.
package protocol Disk: Sendable {
    /// - Throws: `system_call` (`cause`: a ``SystemCallFailure`` with the `errno`), `spool_full` for no space and no quota.
    func open(_ path: String, _ options: OpenOptions) throws(ForebayError) -> any DiskFile

    /// Makes one folder; its parent must be there. Fine if it is there already.
    func makeFolder(_ path: String) throws(ForebayError)

    /// Replaces what has the name `to`.
    func rename(_ from: String, to: String) throws(ForebayError)

    /// Like ``rename(_:to:)``, but throws (`EEXIST`) if something has the name `to`.
    func renameCreating(_ from: String, to: String) throws(ForebayError)

    /// Two files have each other's name, in one step.
    ///
    /// - Throws: `EINVAL` or `ENOSYS` where the file system or the kernel can't.
    func exchange(_ one: String, _ other: String) throws(ForebayError)

    /// Fine if there is no such file.
    func remove(_ path: String) throws(ForebayError)

    func removeFolder(_ path: String) throws(ForebayError)

    /// The names made, changed and removed in a folder are durable on return.
    func syncFolder(_ path: String) throws(ForebayError)

    /// Names of the entries, in no order.
    ///
    /// - Returns: none if there is no such folder.
    func entries(_ path: String) throws(ForebayError) -> [String]?

    /// What has the name; links are not followed.
    ///
    /// - Returns: none if nothing has it.
    func kind(of path: String) throws(ForebayError) -> EntryKind?

    /// Bytes free for us, and bytes in all, of the file system that holds `path`.
    func space(_ path: String) throws(ForebayError) -> (free: Int, total: Int)

    /// The same disk, on which each of these folders stays the one that has the path now: wherever it is moved, and whatever is made or
    /// mounted in its place. What is in it is found there; a name that it has not is not there, or, once the folder itself was removed,
    /// fails with `ESTALE`.
    ///
    /// - Parameter folders: those further up first; each is looked for in the ones before it.
    func holding(_ folders: [String]) throws(ForebayError) -> any Disk

    /// What became of a folder that is held. One that is not is where it is.
    func whereabouts(of folder: String) throws(ForebayError) -> Whereabouts
}

/// Where a folder is that is held by its path (``Disk/holding(_:)``).
package enum Whereabouts: Sendable {
    case inPlace
    /// Nothing has its path.
    case gone
    /// Something else has its path: another folder, or one that is mounted there.
    case replaced
    /// It has no name any more, and holds nothing.
    case removed
}

package enum EntryKind: Sendable {
    case file, folder, link, other
}

package struct OpenOptions: OptionSet, Sendable {
    package let rawValue: UInt8

    package init(rawValue: UInt8) { self.rawValue = rawValue }

    /// Without it the file can only be read.
    package static let write = OpenOptions(rawValue: 1)
    package static let create = OpenOptions(rawValue: 2)
    /// With `create`: throws (`EEXIST`) if the file is there.
    package static let exclusive = OpenOptions(rawValue: 4)
    package static let truncate = OpenOptions(rawValue: 8)
    /// Past the page cache: whole blocks, from aligned memory. Not every file system can (`EINVAL`).
    package static let direct = OpenOptions(rawValue: 16)
    /// Each write is synced as ``DiskFile/syncData()`` would.
    package static let syncsWrites = OpenOptions(rawValue: 32)
    /// EIO is told at once: who opened it waits for the device elsewhere (``ReadPatience``).
    package static let impatient = OpenOptions(rawValue: 64)
}

/// One open file; closed when the last reference goes.
package protocol DiskFile: AnyObject, Sendable {
    var path: String { get }

    /// At `position`, all of it.
    func write(_ bytes: UnsafeRawBufferPointer, at position: Int) throws(ForebayError)

    /// - Returns: bytes read; fewer than asked only at the end of the file.
    func read(into buffer: UnsafeMutableRawBufferPointer, at position: Int) throws(ForebayError) -> Int

    /// Data, and the size if it grew.
    ///
    /// - Throws: `sync_failed`: what was written since the last sync may be lost, whatever a later sync says.
    func syncData() throws(ForebayError)

    func sync() throws(ForebayError)

    func truncate(to size: Int) throws(ForebayError)

    func size() throws(ForebayError) -> Int

    /// The file's name is still the one it was opened by, or was renamed to by us.
    ///
    /// - Returns: false once it was removed from its folder.
    func hasName() throws(ForebayError) -> Bool

    /// What is cached of it and written is read from the device next time.
    func dropCache()

    /// One owner at a time, until this file is closed.
    ///
    /// - Returns: false if another has it.
    func lock() throws(ForebayError) -> Bool
}

extension DiskFile {
    package func write(_ bytes: [UInt8], at position: Int) throws(ForebayError) {
        let outcome = bytes.withUnsafeBytes { bytes -> Result<Void, ForebayError> in
            Result { () throws(ForebayError) in try self.write(bytes, at: position) }
        }
        try outcome.get()
    }

    /// - Returns: fewer than `count` only at the end of the file.
    package func bytes(at position: Int, count: Int) throws(ForebayError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        let outcome = bytes.withUnsafeMutableBytes { buffer -> Result<Int, ForebayError> in
            Result { () throws(ForebayError) in try self.read(into: buffer, at: position) }
        }
        bytes.removeLast(count - (try outcome.get()))
        return bytes
    }
}

extension Disk {
    /// Why what is stored now could not be found again: one of the held folders is not in its place. None if all are.
    func fault(of folders: [String]) -> String? {
        for folder in folders {
            // A call that fails says nothing of the folder.
            switch try? self.whereabouts(of: folder) {
            case .inPlace?, nil: continue
            case .gone?: return "\(folder) is gone; nothing is accepted until it is back in its place"
            case .replaced?:
                return "\(folder) is not the folder that this node opened; nothing is accepted until that one is back in its place"
            case .removed?: return "\(folder) was removed; nothing is accepted until the node is started again"
            }
        }
        return nil
    }

    /// Opens, or makes, a file for durable appending: past the page cache and synced with each write, where the file system can.
    ///
    /// One call instead of two, and no copy into the page cache: a tenth less CPU a request at 128 connections, a quarter at 8.
    ///
    /// - Returns: and whether it can; else each write needs a ``DiskFile/syncData()``. Writes must be whole blocks from aligned memory.
    func openForDurableWrites(_ path: String, _ options: OpenOptions = []) throws(ForebayError) -> (file: any DiskFile, syncsItself: Bool) {
        let options = options.union(.write)
        // tmpfs, for one, has no O_DIRECT.
        if let file = try? self.open(path, options.union([.direct, .syncsWrites])) { return (file, true) }
        return (try self.open(path, options), false)
    }

    /// For reading what the device has: the page cache may hold bytes that a failed sync never brought there.
    func openFromDevice(_ path: String) throws(ForebayError) -> any DiskFile {
        if let file = try? self.open(path, .direct) { return file }  // tmpfs, for one, has no O_DIRECT.
        let file = try self.open(path, [])
        file.dropCache()
        return file
    }
}
