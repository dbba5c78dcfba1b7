import ForebayCore
import Glibc
import Synchronization

/// A disk over another one that keeps in memory all that is changed: what is done on it shows what doing it would come to, and leaves the
/// one below as it is. For a start of a log, which changes little.
final class RehearsalDisk: Disk {
    private enum Entry {
        case file(RehearsalFile)
        case folder
        /// Moved here from the disk below, with all that is in it.
        case other(EntryKind)
        case gone
    }

    private let base: any Disk
    /// What differs, by path.
    private let changed = Mutex<[String: Entry]>([:])

    init(_ base: any Disk) {
        self.base = base
    }

    func open(_ path: String, _ options: OpenOptions) throws(ForebayError) -> any DiskFile {
        switch self.changed.withLock({ $0[path] }) {
        case .file(let file)?:
            if options.contains(.exclusive) { throw .disk("open", path, EEXIST) }
            if options.contains(.truncate) { try file.truncate(to: 0) }
            return file
        case .folder?, .other?: throw .disk("open", path, EISDIR)
        case .gone?: return try self.make(path, options)
        case nil: break
        }
        // A folder is opened for its lock: that is the running node's.
        if try self.base.kind(of: path) == .folder { return try RehearsalFile(path, over: nil) }
        guard options.contains(.write) else { return try self.base.open(path, options) }
        guard try self.base.kind(of: path) != nil else { return try self.make(path, options) }
        if options.contains(.exclusive) { throw .disk("open", path, EEXIST) }
        let file = try RehearsalFile(path, over: try self.base.open(path, []))
        if options.contains(.truncate) { try file.truncate(to: 0) }
        self.changed.withLock { $0[path] = .file(file) }
        return file
    }

    private func make(_ path: String, _ options: OpenOptions) throws(ForebayError) -> any DiskFile {
        guard options.contains(.create) else { throw .disk("open", path, ENOENT) }
        let file = try RehearsalFile(path, over: nil)
        self.changed.withLock { $0[path] = .file(file) }
        return file
    }

    func makeFolder(_ path: String) throws(ForebayError) {
        guard try self.kind(of: path) == nil else { return }
        self.changed.withLock { $0[path] = .folder }
    }

    func rename(_ from: String, to: String) throws(ForebayError) {
        let moved = try self.entry(from, as: to)
        self.changed.withLock { ($0[to], $0[from]) = (moved, .gone) }
    }

    func exchange(_ one: String, _ other: String) throws(ForebayError) {
        let moved = (try self.entry(one, as: other), try self.entry(other, as: one))
        self.changed.withLock { ($0[other], $0[one]) = moved }
    }

    /// What has a name, to be given another.
    private func entry(_ path: String, as name: String) throws(ForebayError) -> Entry {
        switch (self.changed.withLock { $0[path] }, try self.kind(of: path)) {
        case (let known?, _?): known
        case (nil, .file?): .file(try RehearsalFile(name, over: try self.base.open(path, [])))
        case (nil, let kind?): .other(kind)
        default: throw .disk("rename", path, ENOENT)
        }
    }

    func renameCreating(_ from: String, to: String) throws(ForebayError) {
        guard try self.kind(of: to) == nil else { throw .disk("rename", to, EEXIST) }
        try self.rename(from, to: to)
    }

    func remove(_ path: String) throws(ForebayError) {
        if try self.kind(of: path) == .folder { throw .disk("remove", path, EISDIR) }
        self.changed.withLock { $0[path] = .gone }
    }

    func removeFolder(_ path: String) throws(ForebayError) {
        self.changed.withLock { $0[path] = .gone }
    }

    func syncFolder(_ path: String) throws(ForebayError) {}

    func entries(_ path: String) throws(ForebayError) -> [String]? {
        let prefix = path + "/"
        let changed = self.changed.withLock { $0.filter { $0.key.hasPrefix(prefix) && !$0.key.dropFirst(prefix.count).contains("/") } }
        var names = Set(try self.base.entries(path) ?? [])
        for (path, entry) in changed {
            let name = String(path.dropFirst(prefix.count))
            if case .gone = entry { names.remove(name) } else { names.insert(name) }
        }
        return try self.kind(of: path) == nil ? nil : Array(names)
    }

    func kind(of path: String) throws(ForebayError) -> EntryKind? {
        switch self.changed.withLock({ $0[path] }) {
        case .file?: .file
        case .folder?: .folder
        case .other(let kind)?: kind
        case .gone?: nil
        case nil: try self.base.kind(of: path)
        }
    }

    func holding(_ folders: [String]) throws(ForebayError) -> any Disk { self }

    func whereabouts(of folder: String) throws(ForebayError) -> Whereabouts { .inPlace }

    func space(_ path: String) throws(ForebayError) -> (free: Int, total: Int) { try self.base.space(path) }
}

/// Blocks that were written, over a file that is not.
private final class RehearsalFile: DiskFile {
    private struct State {
        var size: Int
        /// Behind it the file below has nothing to say any more.
        var baseEnd: Int
        var blocks: [Int: [UInt8]] = [:]
    }

    let path: String
    private let base: (any DiskFile)?
    private let state: Mutex<State>

    init(_ path: String, over base: (any DiskFile)?) throws(ForebayError) {
        self.path = path
        self.base = base
        let size = try base?.size() ?? 0
        self.state = Mutex(State(size: size, baseEnd: size))
    }

    func write(_ bytes: UnsafeRawBufferPointer, at position: Int) throws(ForebayError) {
        var done = 0
        while done < bytes.count {
            let (block, offset) = (position + done).quotientAndRemainder(dividingBy: SpoolFormat.block)
            let count = min(bytes.count - done, SpoolFormat.block - offset)
            // What can't be read below is damage, and written over.
            var content = (try? self.block(block)) ?? [UInt8](repeating: 0, count: SpoolFormat.block)
            content.withUnsafeMutableBytes { target in
                UnsafeMutableRawBufferPointer(rebasing: target[offset..<offset + count]).copyMemory(
                    from: UnsafeRawBufferPointer(rebasing: bytes[done..<done + count]))
            }
            let written = content
            done += count
            let end = position + done
            self.state.withLock { state in
                state.blocks[block] = written
                state.size = max(state.size, end)
            }
        }
    }

    func read(into buffer: UnsafeMutableRawBufferPointer, at position: Int) throws(ForebayError) -> Int {
        let (size, baseEnd, isUnchanged) = self.state.withLock { ($0.size, $0.baseEnd, $0.blocks.isEmpty) }
        let count = max(0, min(buffer.count, size - position))
        if isUnchanged, position + count <= baseEnd, let base {
            return try base.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<count]), at: position)
        }
        var done = 0
        while done < count {
            let (block, offset) = (position + done).quotientAndRemainder(dividingBy: SpoolFormat.block)
            let part = min(count - done, SpoolFormat.block - offset)
            let content = try self.block(block)
            content.withUnsafeBytes { source in
                UnsafeMutableRawBufferPointer(rebasing: buffer[done..<done + part]).copyMemory(
                    from: UnsafeRawBufferPointer(rebasing: source[offset..<offset + part]))
            }
            done += part
        }
        return count
    }

    private func block(_ number: Int) throws(ForebayError) -> [UInt8] {
        let (known, baseEnd) = self.state.withLock { ($0.blocks[number], $0.baseEnd) }
        if let known { return known }
        let start = number * SpoolFormat.block
        var content = [UInt8](repeating: 0, count: SpoolFormat.block)
        if let base, start < baseEnd {
            let found = try base.bytes(at: start, count: min(SpoolFormat.block, baseEnd - start))
            content.replaceSubrange(0..<found.count, with: found)
        }
        return content
    }

    func truncate(to size: Int) throws(ForebayError) {
        // What comes back behind it later is zeros.
        let (block, offset) = size.quotientAndRemainder(dividingBy: SpoolFormat.block)
        var last = try self.block(block)
        last.replaceSubrange(offset..., with: repeatElement(0, count: SpoolFormat.block - offset))
        let kept = last
        self.state.withLock { state in
            if offset > 0, size < state.size { state.blocks[block] = kept }
            state.blocks = state.blocks.filter { $0.key < block || $0.key == block && offset > 0 }
            state.size = size
            state.baseEnd = min(state.baseEnd, size)
        }
    }

    func size() throws(ForebayError) -> Int { self.state.withLock { $0.size } }

    func syncData() throws(ForebayError) {}

    func sync() throws(ForebayError) {}

    func hasName() throws(ForebayError) -> Bool { true }

    func dropCache() {}

    func lock() throws(ForebayError) -> Bool { true }
}
