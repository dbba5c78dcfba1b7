import ForebayCore
import ForebayTestKit
import Foundation
import Glibc
import Testing

@testable import ForebaySpool

/// What every call says when it fails, and what the operating system is asked for.
@Suite("Disk: the operating system's")
struct SystemDiskTests {
    let disk = SystemDisk()

    func with(_ body: (String) throws -> Void) throws {
        let folder = NSTemporaryDirectory() + "forebay-system-" + UUID().uuidString
        try self.disk.makeFolder(folder)
        defer { try? FileManager.default.removeItem(atPath: folder) }  // Cleaning up is a courtesy.
        try body(folder)
    }

    /// The message and the `errno` of a call that fails.
    func failure(_ body: () throws -> Void) -> String {
        do { try body() } catch {
            guard let error = error as? ForebayError else { return "\(error)" }
            return "\(error.code) \(error.recovery) \(error.message) \(error.systemCode ?? -1)"
        }
        return "none"
    }

    private func mode(_ path: String) -> mode_t {
        var status = stat()
        lstat(path, &status)
        return status.st_mode & 0o777
    }

    @Test("whether a path leads to the folder that is held, whichever of two folders is the older one")
    func whereabouts() throws {
        try self.with { folder in
            let paths = [folder + "/a", folder + "/b"], away = folder + "/away"
            for path in paths { try self.disk.makeFolder(path) }
            let held = try paths.map { try HeldFolder($0, at: DiskPlace($0)) }
            func found() throws -> [Whereabouts] { try held.map { try $0.whereabouts() } }
            #expect(try found() == [.inPlace, .inPlace])
            for (old, new) in [(paths[0], away), (paths[1], paths[0]), (away, paths[1])] { try self.disk.rename(old, to: new) }
            #expect(try found() == [.replaced, .replaced])
            try self.disk.rename(paths[0], to: away)
            #expect(try found() == [.gone, .replaced])
            try self.disk.rename(paths[1], to: paths[0])
            #expect(try found() == [.inPlace, .gone])
            try self.disk.rename(away, to: paths[1])
            #expect(try found() == [.inPlace, .inPlace])
            try self.disk.removeFolder(paths[0])
            #expect(try found() == [.removed, .inPlace] && held.map(\.isRemoved) == [true, false])
            try self.disk.makeFolder(paths[0])
            #expect(try found() == [.removed, .inPlace])
            try self.disk.removeFolder(paths[1])
            try Data().write(to: URL(filePath: paths[1]))
            #expect(try found() == [.removed, .removed])
        }
    }

    @Test("no space: whether bytes are missing, or inodes alone")
    func noSpace() throws {
        func fileSystem(inodes: fsfilcnt_t, free: fsfilcnt_t, blocks: fsblkcnt_t) -> statvfs {
            var status = statvfs()
            (status.f_files, status.f_favail, status.f_bavail) = (inodes, free, blocks)
            return status
        }
        let place = DiskPlace("/data/spool/a")
        for (status, lacksInodes) in [
            (fileSystem(inodes: 100, free: 0, blocks: 1), true), (fileSystem(inodes: 1, free: 0, blocks: 500), true),
            (fileSystem(inodes: 100, free: 1, blocks: 1), false), (fileSystem(inodes: 100, free: 0, blocks: 0), false),
            (fileSystem(inodes: 100, free: 1, blocks: 0), false), (fileSystem(inodes: 0, free: 0, blocks: 1), false),
        ] {
            let call = lacksInodes ? "no inode is left on the file system (df -i): open" : "open"
            #expect(
                self.failure { throw place.noSpace("open", on: status) } == "spool_full rewindAndRestart \(call) /data/spool/a \(ENOSPC)")
        }
        try self.with { folder in
            for path in [folder + "/a", folder + "/none/a"] {
                #expect(
                    self.failure { throw DiskPlace(path).failure("open", ENOSPC) } == "spool_full rewindAndRestart open \(path) \(ENOSPC)")
            }
        }
    }

    @Test("a call that fails says what was called on what, and why")
    func failures() throws {
        try self.with { folder in
            let none = folder + "/none", inside = folder + "/none/a"
            func said(_ call: String, _ path: String, _ number: Int32) -> String {
                "system_call rewindAndRestart \(call) \(path) \(number)"
            }
            #expect(self.failure { _ = try self.disk.open(none, []) } == said("open", none, ENOENT))
            #expect(self.failure { try self.disk.makeFolder(inside) } == said("make folder", inside, ENOENT))
            #expect(self.failure { try self.disk.rename(none, to: inside) } == said("rename", none, ENOENT))
            #expect(self.failure { try self.disk.renameCreating(none, to: inside) } == said("rename", inside, ENOENT))
            #expect(self.failure { try self.disk.remove(folder) } == said("remove", folder, EISDIR))
            #expect(self.failure { try self.disk.syncFolder(none) } == said("open", none, ENOENT))
            #expect(self.failure { _ = try self.disk.space(none) } == said("statvfs", none, ENOENT))
            let file = try self.disk.open(folder + "/a", [.write, .create])
            #expect(self.failure { _ = try self.disk.entries(folder + "/a") } == said("list", folder + "/a", ENOTDIR))
            #expect(try self.disk.kind(of: folder + "/a/b") == nil)
            #expect(self.failure { try self.disk.removeFolder(folder + "/a") } == said("remove", folder + "/a", ENOTDIR))
            #expect(self.failure { try self.disk.removeFolder(folder) } == said("remove", folder, ENOTEMPTY))
            #expect(self.failure { try self.disk.remove(none) } == "none" && self.failure { try self.disk.removeFolder(none) } == "none")
            #expect(self.failure { try self.disk.makeFolder(folder) } == "none")
            #expect(self.failure { try file.truncate(to: -1) } == said("truncate", folder + "/a", EINVAL))
            #expect(self.failure { _ = try file.read(into: UnsafeMutableRawBufferPointer(start: nil, count: 0), at: 0) } == "none")
            let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 16, alignment: 16)
            defer { memory.deallocate() }
            #expect(self.failure { _ = try file.read(into: memory, at: -1) } == said("read", folder + "/a", EINVAL))
            #expect(self.failure { try file.write([1], at: -1) } == said("write", folder + "/a", EINVAL))
            // A pipe can't be synced.
            let pipe = folder + "/pipe"
            #expect(mkfifo(pipe, 0o600) == 0)
            let open = try self.disk.open(pipe, .write)
            #expect(self.failure { try open.sync() } == "sync_failed stop fsync \(pipe) \(EINVAL)")
            #expect(self.failure { try open.syncData() } == "sync_failed stop fdatasync \(pipe) \(EINVAL)")
            for (number, code) in [(ENOSPC, "spool_full"), (EDQUOT, "spool_full"), (EIO, "system_call")] {
                let error = ForebayError.disk("write", "x", number)
                #expect("\(error.code)" == code && error.systemCode == number && error.recovery == .rewindAndRestart)
                #expect(error.isLoss == (number == EIO))
            }
            #expect(
                ForebayError.disk("open", "x", ENOENT).isLoss && ForebayError.plain("no").systemCode == nil
                    && !ForebayError.plain("no").isLoss)
            #expect(ForebayError.plain("no").code == .spoolUnreadable && ForebayError.plain("no").recovery == .stop)
        }
    }

    @Test("files are the owner's to write and the group's to read, folders too; nobody else's")
    func modes() throws {
        let status = String(decoding: try #require(FileManager.default.contents(atPath: "/proc/self/status")), as: UTF8.self)
        let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("Umask:") })
        let masked = try #require(mode_t(line.dropFirst(6).trimmingCharacters(in: .whitespaces), radix: 8))
        try self.with { folder in
            _ = try self.disk.open(folder + "/a", [.write, .create])
            #expect(self.mode(folder) == 0o750 & ~masked && self.mode(folder + "/a") == 0o640 & ~masked)
        }
    }

    @Test("what a name is; links are not followed")
    func kinds() throws {
        try self.with { folder in
            _ = try self.disk.open(folder + "/a", [.write, .create])
            #expect(symlink(folder + "/a", folder + "/link") == 0 && mkfifo(folder + "/pipe", 0o600) == 0)
            #expect(try self.disk.kind(of: folder) == .folder && self.disk.kind(of: folder + "/a") == .file)
            #expect(try self.disk.kind(of: folder + "/link") == .link && self.disk.kind(of: folder + "/pipe") == .other)
            #expect(try self.disk.kind(of: folder + "/none") == nil)
            #expect(self.failure { _ = try self.disk.open(folder + "/link", []) }.hasSuffix(" \(ELOOP)"))
            #expect(try Set(self.disk.entries(folder)!) == ["a", "link", "pipe"])
        }
    }

    @Test("a file is opened as it was asked for")
    func options() throws {
        try self.with { folder in
            /// Of the newest descriptor on the file.
            func flags(_ options: OpenOptions) throws -> Int32 {
                let path = folder + "/a"
                let file = try self.disk.open(path, options)
                defer { withExtendedLifetime(file) {} }
                let descriptor = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").first {
                    (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\($0)")) == path
                }
                let info = try #require(FileManager.default.contents(atPath: "/proc/self/fdinfo/\(descriptor ?? "none")"))
                let words = String(decoding: info, as: UTF8.self).split { $0.isWhitespace }
                let place = try #require(words.firstIndex(of: "flags:"))
                return try #require(Int32(words[place + 1], radix: 8))
            }
            let kept = O_ACCMODE | O_DSYNC | O_CLOEXEC | O_NOFOLLOW
            let (made, read, synced) = (try flags([.write, .create]), try flags([]), try flags([.write, .syncsWrites]))
            #expect(made & kept == O_RDWR | O_CLOEXEC | O_NOFOLLOW)
            #expect(read & kept == O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
            #expect(synced & kept == O_RDWR | O_DSYNC | O_CLOEXEC | O_NOFOLLOW)
            #if arch(arm64)
                let direct: Int32 = 0o200000
            #else
                let direct: Int32 = 0o40000
            #endif
            #expect(read & direct == 0)
            // Some file systems have none.
            if let found = try? flags(.direct) { #expect(found & direct != 0) }
            #expect(self.failure { _ = try self.disk.open(folder + "/a", [.write, .create, .exclusive]) }.hasSuffix(" \(EEXIST)"))
            #expect(self.failure { _ = try self.disk.open(folder + "/b", [.write, .truncate]) }.hasSuffix(" \(ENOENT)"))
            let all: [OpenOptions] = [.write, .create, .exclusive, .truncate, .direct, .syncsWrites]
            #expect(all.map(\.rawValue) == [1, 2, 4, 8, 16, 32])
        }
    }

    @Test("large reads and writes are whole, and end with the file")
    func whole() throws {
        try self.with { folder in
            let file = try self.disk.open(folder + "/a", [.write, .create])
            let bytes = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
            try file.write(bytes, at: 5)
            #expect(try file.size() == 300_005)
            #expect(try file.bytes(at: 0, count: 400_000) == [0, 0, 0, 0, 0] + bytes)
            #expect(try file.bytes(at: 300_004, count: 10) == [bytes[299_999]])
            try file.write([], at: 0)
            #expect(try file.bytes(at: 5, count: 0) == [])
        }
    }

    @Test("what is closed is closed: no descriptor is left by any call")
    func descriptors() throws {
        try self.with { folder in
            func count() throws -> Int { try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count }
            let before = try count()
            for _ in 0..<200 {
                let file = try self.disk.open(folder + "/a", [.write, .create])
                try file.write([1], at: 0)
                try self.disk.syncFolder(folder)
                _ = try self.disk.entries(folder)
            }
            #expect(try count() < before + 100, "others' tests may hold some")
        }
    }

    @Test("the room is that of the file system")
    func space() throws {
        try self.with { folder in
            var status = statvfs()
            #expect(statvfs(folder, &status) == 0)
            let found = try self.disk.space(folder)
            #expect(found.total == Int(status.f_blocks) * Int(status.f_frsize))
            #expect(abs(found.free - Int(status.f_bavail) * Int(status.f_frsize)) < 1 << 30, "others write meanwhile")
        }
    }

    @Test("a name is taken only if nobody has it, also where the kernel can't do it in one step")
    func renameCreating() throws {
        try self.with { folder in
            try self.disk.open(folder + "/a", [.write, .create]).write([1], at: 0)
            try self.disk.open(folder + "/b", [.write, .create]).write([2], at: 0)
            #expect(self.failure { try self.disk.renameCreating(folder + "/a", to: folder + "/b") }.hasSuffix(" \(EEXIST)"))
            try self.disk.renameCreating(folder + "/a", to: folder + "/c")
            #expect(try Set(self.disk.entries(folder)!) == ["b", "c"])
            #expect(try self.disk.open(folder + "/c", []).bytes(at: 0, count: 9) == [1])
        }
    }

    @Test("two files have each other's name")
    func exchange() throws {
        try self.with { folder in
            try self.disk.makeFolder(folder + "/f")
            try self.disk.open(folder + "/a", [.write, .create]).write([1], at: 0)
            #expect(self.failure { try self.disk.exchange(folder + "/a", folder + "/f/b") }.hasSuffix(" \(ENOENT)"))
            try self.disk.open(folder + "/f/b", [.write, .create]).write([2], at: 0)
            try self.disk.exchange(folder + "/a", folder + "/f/b")
            #expect(try self.disk.open(folder + "/a", []).bytes(at: 0, count: 9) == [2])
            #expect(try self.disk.open(folder + "/f/b", []).bytes(at: 0, count: 9) == [1])
        }
    }
}
