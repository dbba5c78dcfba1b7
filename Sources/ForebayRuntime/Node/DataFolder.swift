package import ForebayCore
import Glibc

/// The data folder seen from outside, before a node opens it: nothing is made, locked or changed.
package struct DataFolder: Sendable {
    package let path: String
    package let exists: Bool
    /// Where it would be made: the nearest folder that is there. The folder itself, if it is.
    package let place: String
    /// Bytes that a node could take: what is free, and what it has already.
    package let room: Int
    /// The folder itself, or one in it, in which every user of this machine may write.
    private let open: (path: String, mode: mode_t)?

    /// - Throws: ``ForebayError`` if it can't be looked at, or is no folder.
    package init(_ path: String) throws(ForebayError) {
        var (place, status) = (path, stat())
        while stat(place, &status) != 0 {
            guard errno == ENOENT, place != "/", place != "." else { throw Self.failure("look at", place) }
            place = Self.parent(of: place)
        }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            throw ForebayError(.systemCall, recovery: .stop, "\(place) is not a folder")
        }
        var system = statvfs()
        guard statvfs(place, &system) == 0 else { throw Self.failure("look at", place) }
        self.path = path
        self.exists = place == path
        self.place = place
        self.open = place == path ? Self.openFolder(path, depth: 4) : nil
        self.room = system.room.free + (place == path ? Self.bytes(in: path, depth: 4) : 0)
    }

    /// Why a node must not use it; none if it may.
    ///
    /// Who can write in it can replace what was acknowledged, or put a link to another file where the node will write.
    package var refusal: String? {
        guard let (path, mode) = self.open else { return nil }
        return "every user of this machine may write in \(path) (mode \(String(mode, radix: 8))), and so change what was accepted; "
            + "chmod o-w \(path)"
    }

    private static func openFolder(_ path: String, depth: Int) -> (path: String, mode: mode_t)? {
        var status = stat()
        guard depth > 0, stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else { return nil }
        if status.st_mode & S_IWOTH != 0 { return (path, status.st_mode & 0o7777) }
        // Folders of segments hold files alone, and of those thousands.
        guard !path.hasSuffix("/segments") else { return nil }
        // What can't be listed says why when it is opened.
        return ((try? FolderEntries.names(of: path)) ?? []).lazy.compactMap { Self.openFolder("\(path)/\($0)", depth: depth - 1) }.first
    }

    /// Why this process could not use it; none if it could.
    package var obstacle: String? {
        guard access(self.place, W_OK | X_OK) != 0 else { return nil }
        let reason = String(cString: strerror(errno))
        return self.exists ? "this user may not write in it: \(reason)" : "this user may not make it in \(self.place): \(reason)"
    }

    /// What there is to say about a `buffer.spool.max_size` that the disk can't give.
    package func shortage(ofMaxSize maxSize: Int) -> String? {
        guard self.room < maxSize else { return nil }
        return "buffer.spool.max_size is \(ByteCount.text(maxSize)), and the disk of \(self.path) has room for \(Self.shown(self.room)): "
            + "that counts, and new events get 503 there"
    }

    /// In MiB, or GiB where there are many.
    package static func shown(_ bytes: Int) -> String {
        bytes >= 10 << 30 ? "\(bytes >> 30) GiB" : "\(bytes >> 20) MiB"
    }

    private static func parent(of path: String) -> String {
        let trimmed = path.reversed().drop { $0 == "/" }.reversed()
        guard let slash = trimmed.lastIndex(of: "/") else { return "." }
        let parent = String(trimmed[..<slash])
        return parent.isEmpty ? "/" : parent
    }

    /// What its files take on the disk. Links are not followed, and what can't be read counts as nothing.
    private static func bytes(in path: String, depth: Int) -> Int {
        guard depth > 0 else { return 0 }
        var total = 0
        for name in (try? FolderEntries.names(of: path)) ?? [] {  // As said above.
            var status = stat()
            guard lstat("\(path)/\(name)", &status) == 0 else { continue }
            total += Int(status.st_blocks) * 512
            if status.st_mode & S_IFMT == S_IFDIR { total += Self.bytes(in: "\(path)/\(name)", depth: depth - 1) }
        }
        return total
    }

    private static func failure(_ verb: String, _ path: String) -> ForebayError {
        ForebayError(.systemCall, recovery: .stop, "can't \(verb) \(path): \(String(cString: strerror(errno)))")
    }
}
