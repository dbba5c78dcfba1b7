import ForebayCore
import ForebayTestKit
import Foundation
import Glibc
import Testing

@testable import ForebaySpool

/// Folders: made, and what is moved between them.
extension SystemDiskTests {
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
