import ForebayCore
import Foundation
import Glibc
import Testing

@testable import ForebaySpool

/// A call that fails for a rarer reason says that one: nothing is taken for gone that may be there, and none for full that is not.
@Suite("Disk: rarer reasons")
final class SystemDiskReasonTests {
    private let disk = SystemDisk()
    private let root = NSTemporaryDirectory() + "forebay-reasons-" + UUID().uuidString

    init() throws { try self.disk.makeFolder(self.root) }

    deinit { try? FileManager.default.removeItem(atPath: self.root) }  // Cleaning up is a courtesy.

    /// The call that failed, and its `errno`.
    private func failure(_ body: () throws -> Void) -> String {
        do { try body() } catch {
            guard let error = error as? ForebayError, let number = error.systemCode else { return "\(error)" }
            return "\(error.message.prefix { $0 != "/" })\(number)"
        }
        return "none"
    }

    @Test("a name that is too long, a path through a file, a link to itself: none of them is taken for a name that is not there")
    func names() throws {
        let (file, folder) = (self.root + "/file", self.root + "/folder")
        _ = try self.disk.open(file, [.write, .create])
        try self.disk.makeFolder(folder)
        #expect(symlink(self.root + "/loop", self.root + "/loop") == 0)
        let long = self.root + "/" + String(repeating: "n", count: 300), looped = self.root + "/loop/a"
        #expect(self.failure { try self.disk.makeFolder(file + "/a") } == "make folder \(ENOTDIR)")
        for (path, number) in [(long, ENAMETOOLONG), (looped, ELOOP)] {
            #expect(self.failure { try self.disk.makeFolder(path) } == "make folder \(number)")
            #expect(self.failure { try self.disk.renameCreating(file, to: path) } == "rename \(number)")
            #expect(self.failure { _ = try self.disk.kind(of: path) } == "stat \(number)")
            #expect(self.failure { _ = try self.disk.entries(path) } == "list \(number)")
            #expect(self.failure { try self.disk.remove(path) } == "remove \(number)")
        }
        // What the kernel can't do in one step is tried in two.
        #expect(self.failure { try self.disk.renameCreating(folder, to: folder + "/a") } == "link \(EPERM)")
        #expect(try self.disk.kind(of: file) == .file && self.disk.kind(of: folder) == .folder)
    }

    @Test("a folder that can't be synced is not durable")
    func unsynced() {
        #expect(self.failure { try self.disk.syncFolder("/proc") } == "fsync \(EINVAL)")
    }

    @Test("what else fails in a folder that was removed says why; that a name is not there says nothing of it")
    func removed() throws {
        let path = self.root + "/held"
        try self.disk.makeFolder(path)
        let held = try HeldFolder(path, at: DiskPlace(path))
        func number(_ number: CInt) -> CInt? { DiskPlace(path + "/a", in: held, name: "a").failure("open", number).systemCode }
        #expect([ENOENT, EMFILE, EROFS].map(number) == [ENOENT, EMFILE, EROFS])
        try self.disk.removeFolder(path)
        #expect([ENOENT, EMFILE, EROFS].map(number) == [ESTALE, EMFILE, EROFS])
        for number in [EROFS, ESTALE, ENOMEDIUM] {
            #expect(ForebayError.disk("open", "a", number).code == .systemCall, "\(number) is no want of room")
        }
    }

    @Test("a folder of a file system that counts no links is there")
    func withoutLinks() throws {
        let path = self.root + "/gone"
        try self.disk.makeFolder(path)
        let descriptor = open(path, O_RDONLY | O_DIRECTORY)
        defer { close(descriptor) }
        try self.disk.removeFolder(path)
        // It can still be found here, with no link.
        let place = "/proc/self/fd/\(descriptor)"
        let held = try HeldFolder(place, at: DiskPlace(place))
        #expect(try held.whereabouts() == .inPlace && !held.isRemoved)
    }

    @Test("a folder is gone where a file has the place of one above it; where the way there is a loop, nothing is known")
    func above() throws {
        let (up, away) = (self.root + "/up", self.root + "/away")
        for path in [up, up + "/in"] { try self.disk.makeFolder(path) }
        let held = try HeldFolder(up + "/in", at: DiskPlace(up + "/in"))
        try self.disk.rename(up, to: away)
        _ = try self.disk.open(up, [.write, .create])
        #expect(try held.whereabouts() == .gone)
        try self.disk.remove(up)
        #expect(symlink(up, up) == 0)
        #expect(self.failure { _ = try held.whereabouts() } == "stat \(ELOOP)")
        #expect(unlink(up) == 0)
        try self.disk.rename(away, to: up)
        #expect(try held.whereabouts() == .inPlace)
    }

    @Test("each held folder is looked for by its own path, whatever else is held, and whichever names begin alike")
    func several() throws {
        let (a, b, like) = (self.root + "/a", self.root + "/b", self.root + "/a2")
        for path in [a, b, like] { try self.disk.makeFolder(path) }
        let held = try self.disk.holding([b, a]).holding([b])
        func found(_ disk: any Disk) throws -> [Whereabouts] { try [a, b, like, self.root].map { try disk.whereabouts(of: $0) } }
        #expect(try found(held) == [.inPlace, .inPlace, .inPlace, .inPlace])
        try self.disk.rename(b, to: self.root + "/away")
        #expect(try found(held) == [.inPlace, .gone, .inPlace, .inPlace])
        _ = try held.open(like + "/x", [.write, .create])
        _ = try held.open(b + "/x", [.write, .create])
        #expect(try self.disk.kind(of: like + "/x") == .file && self.disk.kind(of: self.root + "/away/x") == .file)
        try self.disk.rename(self.root + "/away", to: b)
        try self.disk.rename(a, to: self.root + "/away")
        #expect(try found(held) == [.gone, .inPlace, .inPlace, .inPlace])
        _ = try held.open(a + "//y", [.write, .create])
        #expect(try self.disk.kind(of: self.root + "/away/y") == .file)
    }
}
