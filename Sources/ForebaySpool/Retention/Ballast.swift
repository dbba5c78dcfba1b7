import ForebayCore
import ForebayTelemetry
import Glibc
import Synchronization

/// A file that keeps room on the disk until it is needed: without it the reserve is a number that others on the same disk don't know.
final class Ballast: Sendable {
    private let disk: any Disk
    private let path: String
    private let size: Int
    private let state = Mutex(0)
    private let logger = Logger(label: "spool")

    /// - Parameter size: bytes; 0: none is made.
    init(_ disk: any Disk, _ path: String, size: Int) {
        self.disk = disk
        self.path = path
        self.size = size / SpoolFormat.block * SpoolFormat.block
    }

    /// That of a node, as it is, for whoever does something in its folder: none is made. What another one is to be like the node knows.
    init(keeping path: String, _ disk: any Disk) throws(ForebayError) {
        self.disk = disk
        self.path = path
        self.size = try disk.kind(of: path) == .file ? try disk.open(path, []).size() : 0
    }

    /// Bytes that it takes now.
    var held: Int { self.state.withLock { $0 } }

    /// Looks at what an earlier process left. One that is not whole is made anew.
    func sizeOnDisk() throws(ForebayError) -> Int {
        try Folder(self.disk).putAsideUnlessFile(self.path, of: Folder.parent(of: self.path))
        guard try self.disk.kind(of: self.path) == .file else { return 0 }
        let found = try self.disk.open(self.path, []).size()
        if found != self.size {
            try self.disk.remove(self.path)
            return 0
        }
        self.state.withLock { $0 = found }
        return found
    }

    /// - Returns: bytes taken; none if it is there, or could not be made.
    func make() -> Int? {
        guard self.size != 0, self.held == 0 else { return nil }
        do throws(ForebayError) {
            let file = try self.disk.open(self.path, [.write, .create, .truncate])
            let piece = 1 << 20
            for position in stride(from: 0, to: self.size, by: piece) {
                try file.write([UInt8](repeating: 0, count: min(piece, self.size - position)), at: position)
                try file.syncData()
            }
            try file.sync()
        } catch {
            try? self.disk.remove(self.path)  // Looked at when it is made the next time.
            return nil
        }
        self.state.withLock { $0 = self.size }
        return self.size
    }

    /// - Returns: bytes given back.
    func giveUp() -> Int {
        let held = self.state.withLock { held in
            defer { held = 0 }
            return held
        }
        guard held != 0 else { return 0 }
        do throws(ForebayError) {
            try self.disk.remove(self.path)
        } catch {
            self.state.withLock { $0 = held }
            return 0
        }
        self.logger.warning("the disk is full: the reserve is used for cursors, dead letters and what is set aside", ["bytes": "\(held)"])
        return held
    }
}
