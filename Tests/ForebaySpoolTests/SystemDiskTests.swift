import ForebayCore
import ForebayTestKit
import Foundation
import Glibc
import Testing

@testable import ForebaySpool

/// What every call says when it fails, and what the operating system is asked for.
@Suite("Disk: the operating system's")
struct SystemDiskTests {
    private let disk = SystemDisk()

    private func with(_ body: (String) throws -> Void) throws {
        let folder = NSTemporaryDirectory() + "forebay-system-" + UUID().uuidString
        try self.disk.makeFolder(folder)
        defer { try? FileManager.default.removeItem(atPath: folder) }  // Cleaning up is a courtesy.
        try body(folder)
    }

    /// The message and the `errno` of a call that fails.
    private func failure(_ body: () throws -> Void) -> String {
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

    // MARK: What reads past bad sectors

    private func content(_ blocks: Int, rest: Int = 0) -> [UInt8] { (0..<blocks * 4096 + rest).map { UInt8(1 + $0 / 4096) } }

    @Test("blocks that can't be read come back as zeros, and all others as they are", arguments: [0, 100])
    func tolerant(rest: Int) throws {
        let all = self.content(4, rest: rest)
        for bad in [[], [0], [2], [3], [4], [1, 2], [0, 1, 2, 3, 4]] as [Set<Int>] {
            let file = MemoryFile(all)
            file.fail(bad)
            var expected = all
            for place in all.indices where bad.contains(place / 4096) { expected[place] = 0 }
            #expect(try file.bytesTolerant(at: 0, count: 5 * 4096) == expected, "\(bad)")
            #expect(try file.bytesTolerant(at: 8192, count: 4096) == Array(expected[8192..<12_288]), "\(bad)")
            #expect(try file.bytesTolerant(at: 4096, count: 5000) == Array(expected[4096..<9096]), "\(bad)")
            #expect(try file.bytesTolerant(at: 12_288, count: 9000) == Array(expected[12_288...]), "\(bad)")
            #expect(try file.bytesTolerant(at: 20_480, count: 10) == [], "\(bad)")
            #expect(try file.bytesTolerant(at: 40_960, count: 10) == [], "\(bad)")
            #expect(try file.bytesTolerant(at: 0, count: 0) == [], "\(bad)")
        }
    }

    @Test("what is no bad sector is told: in the first read, and in those block by block")
    func intolerant() throws {
        let file = MemoryFile(self.content(4))
        file.fail([2], EMFILE)
        #expect(self.failure { _ = try file.bytesTolerant(at: 0, count: 16_384) } == "system_call rewindAndRestart read block 2 \(EMFILE)")
        #expect(try file.bytesTolerant(at: 0, count: 8192) == self.content(2))
        final class Changing: DiskFile {
            let inner: MemoryFile
            init(_ inner: MemoryFile) { self.inner = inner }
            var path: String { "/changing" }
            func read(into buffer: UnsafeMutableRawBufferPointer, at position: Int) throws(ForebayError) -> Int {
                defer { self.inner.fail([2], EMFILE) }
                return try self.inner.read(into: buffer, at: position)
            }
            func write(_ bytes: UnsafeRawBufferPointer, at position: Int) throws(ForebayError) {}
            func truncate(to size: Int) throws(ForebayError) {}
            func size() throws(ForebayError) -> Int { try self.inner.size() }
            func syncData() throws(ForebayError) {}
            func sync() throws(ForebayError) {}
            func hasName() throws(ForebayError) -> Bool { true }
            func dropCache() {}
            func lock() throws(ForebayError) -> Bool { true }
        }
        file.fail([2])
        #expect(self.failure { _ = try Changing(file).bytesTolerant(at: 0, count: 16_384) }.hasSuffix(" \(EMFILE)"))
    }

    @Test("a sound file is read at once, and a bad one block by block after that")
    func reads() throws {
        let file = MemoryFile(self.content(4, rest: 100))
        _ = try file.bytesTolerant(at: 4096, count: 6000)
        #expect(file.reads == [4096..<12_288], "whole blocks")
        file.fail([1])
        _ = try file.bytesTolerant(at: 0, count: 9000)
        #expect(Array(file.reads.dropFirst()) == [0..<12_288, 0..<4096, 4096..<8192, 8192..<12_288])
    }

    // MARK: Folders

    @Test("folders are made with their parents, each durable in its own; what is there is made durable")
    func folders() throws {
        let watched = WatchedDisk()
        let folder = Folder(watched.disk), base = watched.directory
        try folder.make(base + "/a/b/c")
        #expect(
            watched.calls().filter { !$0.contains("syncFolder /") } == [
                "makeFolder a", "syncFolder .", "makeFolder a/b", "syncFolder a", "makeFolder a/b/c", "syncFolder a/b",
            ])
        try folder.make(base + "/a/b")
        #expect(watched.calls() == ["syncFolder a"])
        try folder.rename(base + "/a/b/c", to: base + "/d")
        #expect(watched.calls() == ["rename d", "syncFolder ."])
        try folder.renameCreating(base + "/d", to: base + "/a/d")
        #expect(watched.calls() == ["rename a/d", "syncFolder a"])
        _ = try watched.disk.open(base + "/a/f", [.write, .create])
        try folder.remove(base + "/a/f")
        #expect(watched.calls() == ["open a/f", "remove a/f", "syncFolder a"])
        #expect(try folder.entries(base + "/a") == ["b", "d"] && folder.entries(base + "/none").isEmpty)
        #expect(try folder.exists(base + "/a") && !folder.exists(base + "/none"))
        #expect(
            Folder.parent(of: "/a/b") == "/a" && Folder.parent(of: "/a") == "/" && Folder.parent(of: "a") == "."
                && Folder.parent(of: "a/b") == "a")

        for (number, isTold) in [(EACCES, false), (EPERM, false), (EIO, true), (ENOSPC, true)] {
            watched.fail { $0 == "syncFolder a" ? number : nil }
            #expect((self.failure { try folder.make(base + "/a/b") } != "none") == isTold, "\(number)")
        }
        watched.fail(nil)
        #expect(symlink(base + "/a", base + "/link") == 0 && symlink(base + "/none", base + "/dangling") == 0)
        try Data().write(to: URL(filePath: base + "/file"))
        _ = watched.calls()
        try folder.make(base + "/link")
        #expect(watched.calls().isEmpty)
        #expect(self.failure { try folder.make(base + "/dangling") }.contains("is a link to no folder"))
        #expect(self.failure { try folder.make(base + "/file") }.contains("is not a folder"))
    }

    @Test("what goes to quarantine keeps its name, and never takes another's")
    func quarantine() throws {
        let watched = WatchedDisk()
        let folder = Folder(watched.disk), base = watched.directory
        try folder.make(base + "/log/cursors")
        for number in 1...3 {
            try Data("\(number)".utf8).write(to: URL(filePath: base + "/log/cursors/x"))
            _ = watched.calls()
            try folder.quarantine(base + "/log/cursors/x", of: base + "/log")
            let name = number == 1 ? "x" : "x.\(number)"
            #expect(watched.calls().suffix(3) == ["rename log/quarantine/\(name)", "syncFolder log/quarantine", "syncFolder log/cursors"])
            #expect(FileManager.default.contents(atPath: base + "/log/quarantine/\(name)") == Data("\(number)".utf8))
        }
    }

    @Test("a rename by a second name is whole or not at all", arguments: [false, true])
    func renamedByLink(staysWithBoth: Bool) throws {
        let folder = NSTemporaryDirectory() + "forebay-rename-" + UUID().uuidString
        try SystemDisk().makeFolder(folder)
        defer { try? FileManager.default.removeItem(atPath: folder) }  // Cleaning up is a courtesy.
        let (from, to) = (folder + "/from", folder + "/to")
        try Data([1]).write(to: URL(filePath: from))
        let error = #expect(throws: ForebayError.self) {
            try SystemDisk.renameByLink(DiskPlace(from), to: DiskPlace(to)) { place in
                guard place.path == from || staysWithBoth else { return unlink(place.path) }
                errno = EBUSY
                return -1
            }
        }
        // With both names nobody can tell whether it counts: that ends the process, and a start tells.
        #expect(error?.code == (staysWithBoth ? .syncFailed : .systemCall) && error?.systemCode == EBUSY)
        #expect(FileManager.default.fileExists(atPath: from) && FileManager.default.fileExists(atPath: to) == staysWithBoth)
        guard !staysWithBoth else { return }
        try SystemDisk.renameByLink(DiskPlace(from), to: DiskPlace(to))
        #expect(!FileManager.default.fileExists(atPath: from) && FileManager.default.fileExists(atPath: to))
        try Data([2]).write(to: URL(filePath: from))
        let taken = #expect(throws: ForebayError.self) { try SystemDisk.renameByLink(DiskPlace(from), to: DiskPlace(to)) }
        #expect(taken?.systemCode == EEXIST)
        #expect(try Data(contentsOf: URL(filePath: to)) == Data([1]), "nothing is replaced")
    }
}
