import ForebayCore
import ForebaySpool
import ForebayTestKit
import Foundation
import Testing

/// What ``Disk`` promises, held by the operating system's and by the simulated one alike.
@Suite("Disk: the system's and the simulated one keep the same contract")
struct DiskContractTests {
    enum Kind: CaseIterable { case system, simulated }

    /// Runs a check in an empty folder of a disk.
    private func with(_ kind: Kind, _ check: (any Disk, String) throws -> Void) throws {
        switch kind {
        case .system:
            let folder = NSTemporaryDirectory() + "forebay-disk-\(UUID().uuidString)"
            defer { try? FileManager.default.removeItem(atPath: folder) }
            try SystemDisk().makeFolder(folder)
            try check(SystemDisk(), folder)
        case .simulated:
            let disk = SimulatedDisk(seed: 1, capacity: 1 << 30)
            try disk.makeFolder("/data")
            try check(disk, "/data")
        }
    }

    /// The `errno` that a call fails with; none: it does not fail.
    private func failure(_ body: () throws -> Void) -> Int32? {
        do { try body() } catch { return ((error as? ForebayError)?.cause as? SystemCallFailure)?.code ?? -1 }
        return nil
    }

    private func content(_ disk: any Disk, _ path: String) throws -> [UInt8] {
        let file = try disk.open(path, [])
        return try file.bytes(at: 0, count: try file.size())
    }

    @Test("files are made, written at any place, read, cut and opened again", arguments: Kind.allCases)
    func files(_ kind: Kind) throws {
        try self.with(kind) { disk, folder in
            let path = "\(folder)/a"
            #expect(self.failure { _ = try disk.open(path, []) } == ENOENT)
            #expect(self.failure { _ = try disk.open(path, .write) } == ENOENT)
            #expect(self.failure { _ = try disk.open("\(folder)/none/a", [.write, .create]) } == ENOENT)
            #expect(try disk.kind(of: path) == nil)
            let file = try disk.open(path, [.write, .create])
            #expect(file.path == path)
            #expect(try disk.kind(of: path) == .file)
            #expect(try file.size() == 0)
            #expect(try file.bytes(at: 0, count: 10) == [])
            try file.write([1, 2, 3], at: 2)
            #expect(try file.bytes(at: 0, count: 10) == [0, 0, 1, 2, 3])
            #expect(try file.bytes(at: 4, count: 1) == [3])
            #expect(try file.bytes(at: 5, count: 1) == [])
            #expect(try file.bytes(at: 50, count: 1) == [])
            try file.truncate(to: 3)
            try file.truncate(to: 5)
            #expect(try file.bytes(at: 0, count: 10) == [0, 0, 1, 0, 0])
            try file.syncData()
            try file.sync()
            let again = try disk.open(path, [.write, .create])
            try again.write([9], at: 0)
            #expect(try file.bytes(at: 0, count: 1) == [9])
            file.dropCache()
            #expect(try file.size() == 5)
            #expect(self.failure { _ = try disk.open(path, [.write, .create, .exclusive]) } == EEXIST)
            let reader = try disk.open(path, [])
            #expect(self.failure { try reader.write([1], at: 0) } == EBADF)
            #expect(self.failure { try reader.truncate(to: 1) } == EINVAL)
            _ = try disk.open(path, [.write, .truncate])
            #expect(try again.size() == 0)
        }
    }

    @Test("names: renamed, removed, replaced or not", arguments: Kind.allCases)
    func names(_ kind: Kind) throws {
        try self.with(kind) { disk, folder in
            let (a, b) = ("\(folder)/a", "\(folder)/b")
            let first = try disk.open(a, [.write, .create])
            try first.write([1], at: 0)
            #expect(try first.hasName())
            try disk.rename(a, to: b)
            #expect(try first.hasName())
            #expect(try disk.kind(of: a) == nil)
            #expect(try self.content(disk, b) == [1])
            #expect(self.failure { try disk.rename(a, to: b) } == ENOENT)
            try disk.open(a, [.write, .create]).write([2], at: 0)
            #expect(self.failure { try disk.renameCreating(a, to: b) } == EEXIST)
            #expect(try self.content(disk, b) == [1])
            #expect(self.failure { try disk.renameCreating("\(folder)/none", to: b) } == ENOENT)
            try disk.rename(a, to: b)
            #expect(try self.content(disk, b) == [2])
            #expect(try !first.hasName(), "another file has its name")
            #expect(try first.bytes(at: 0, count: 1) == [1], "what is open can be read on")
            try disk.renameCreating(b, to: a)
            #expect(try disk.kind(of: b) == nil)
            #expect(try self.content(disk, a) == [2])
            try disk.remove(a)
            try disk.remove(a)
            #expect(try disk.kind(of: a) == nil)
            try disk.syncFolder(folder)
        }
    }

    @Test("folders: made once, listed, removed when empty, files move between them", arguments: Kind.allCases)
    func folders(_ kind: Kind) throws {
        try self.with(kind) { disk, folder in
            let (one, two) = ("\(folder)/one", "\(folder)/two")
            #expect(try disk.entries(one) == nil)
            #expect(self.failure { try disk.syncFolder(one) } == ENOENT)
            try disk.makeFolder(one)
            try disk.makeFolder(one)
            try disk.makeFolder(two)
            #expect(self.failure { try disk.makeFolder("\(folder)/none/one") } == ENOENT)
            #expect(try disk.kind(of: one) == .folder)
            #expect(try disk.entries(one) == [])
            _ = try disk.open("\(one)/a", [.write, .create])
            _ = try disk.open("\(one)/b", [.write, .create])
            #expect(Set(try disk.entries(one) ?? []) == ["a", "b"])
            #expect(self.failure { try disk.removeFolder(one) } == ENOTEMPTY)
            #expect(self.failure { try disk.remove(one) } != nil)
            try disk.rename("\(one)/a", to: "\(two)/c")
            #expect(try disk.entries(one) == ["b"])
            #expect(try disk.entries(two) == ["c"])
            #expect(self.failure { _ = try disk.entries("\(two)/c") } == ENOTDIR)
            try disk.remove("\(one)/b")
            try disk.rename(two, to: "\(folder)/three")
            #expect(try disk.kind(of: "\(folder)/three/c") == .file)
            try disk.removeFolder(one)
            try disk.removeFolder(one)
            #expect(try disk.entries(one) == nil)
            let space = try disk.space(folder)
            #expect(space.free > 0 && space.total >= space.free)
        }
    }

    @Test("a folder that is held stays the one it was, wherever it is moved and whatever has its place", arguments: Kind.allCases)
    func held(_ kind: Kind) throws {
        try self.with(kind) { disk, folder in
            let (data, log, away) = ("\(folder)/data", "\(folder)/data/log", "\(folder)/away")
            try disk.makeFolder(data)
            #expect(self.failure { _ = try disk.holding([data, log]) } == ENOENT)
            try disk.makeFolder(log)
            _ = try disk.open("\(log)/a", [.write, .create])
            let held = try disk.holding([data]).holding([log])
            #expect(try held.whereabouts(of: data) == .inPlace && held.whereabouts(of: log) == .inPlace)
            #expect(try disk.whereabouts(of: "\(folder)/none") == .inPlace, "nobody holds it")
            for hasOther in [false, true] {
                try disk.rename(log, to: away)
                if hasOther {
                    try disk.makeFolder(log)
                    _ = try disk.open("\(log)/other", [.write, .create])
                }
                #expect(try held.whereabouts(of: data) == .inPlace)
                #expect(try held.whereabouts(of: log) == (hasOther ? .replaced : .gone))
                #expect(try held.kind(of: log) == .folder && held.kind(of: "\(log)/a") == .file && held.kind(of: "\(log)/other") == nil)
                #expect(try held.entries(log) == ["a"])
                #expect(try held.open("\(log)/a", []).path == "\(log)/a")
                #expect(self.failure { _ = try held.open("\(log)/other", []) } == ENOENT, "the folder is there, and it is not in it")
                let made = try held.open("\(log)/b", [.write, .create])
                try made.write([1], at: 0)
                try held.rename("\(log)/b", to: "\(log)/c")
                try held.renameCreating("\(log)/c", to: "\(log)/d")
                #expect(self.failure { try held.renameCreating("\(log)/a", to: "\(log)/d") } == EEXIST)
                try held.makeFolder("\(log)/e")
                try held.makeFolder(log)
                try held.rename("\(log)/d", to: "\(log)/e/f")
                #expect(try made.hasName() && self.content(held, "\(log)/e/f") == [1])
                try held.syncFolder(log)
                try held.syncFolder("\(log)/e")
                #expect(try held.space(log).total == disk.space(folder).total)
                #expect(try Set(disk.entries(away) ?? []) == ["a", "e"])
                try held.remove("\(log)/e/f")
                try held.removeFolder("\(log)/e")
                #expect(try disk.entries(log) == (hasOther ? ["other"] : nil), "nothing is done in its place")
                if hasOther {
                    try disk.remove("\(log)/other")
                    try disk.removeFolder(log)
                }
                try disk.rename(away, to: log)
                #expect(try held.whereabouts(of: log) == .inPlace)
            }
            // With the one above it.
            try disk.rename(data, to: away)
            #expect(try held.whereabouts(of: data) == .gone && held.whereabouts(of: log) == .gone)
            #expect(try held.entries(data) == ["log"] && held.entries(log) == ["a"])
            try disk.rename(away, to: data)
            #expect(try held.whereabouts(of: data) == .inPlace && held.whereabouts(of: log) == .inPlace)
        }
    }

    @Test("a held folder that was removed has no names, which says nothing of what was in it", arguments: Kind.allCases)
    func removed(_ kind: Kind) throws {
        try self.with(kind) { disk, folder in
            let log = "\(folder)/log"
            try disk.makeFolder(log)
            let held = try disk.holding([folder, log])
            try disk.removeFolder(log)
            for isMadeAnew in [false, true] {
                if isMadeAnew {
                    try disk.makeFolder(log)
                    _ = try disk.open("\(log)/a", [.write, .create])
                }
                #expect(try held.whereabouts(of: log) == .removed)
                #expect(try held.kind(of: log) == nil)
                #expect(self.failure { _ = try held.open("\(log)/a", []) } == ESTALE)
                #expect(self.failure { _ = try held.open("\(log)/b", [.write, .create]) } == ESTALE)
                #expect(self.failure { try held.makeFolder("\(log)/c") } == ESTALE)
                #expect(self.failure { try held.rename("\(log)/a", to: "\(log)/b") } == ESTALE)
                #expect(self.failure { try held.remove("\(log)/a") } == ESTALE)
                #expect(self.failure { try held.syncFolder(log) } == ESTALE)
                #expect(self.failure { _ = try held.entries(log) } == ESTALE)
                #expect(self.failure { _ = try held.space(log) } == ESTALE)
                #expect(self.failure { _ = try held.open("\(folder)/none", []) } == ENOENT)
            }
            #expect(try disk.entries(log) == ["a"])
        }
    }

    @Test("a lock has one owner, until its file is closed", arguments: Kind.allCases)
    func locks(_ kind: Kind) throws {
        try self.with(kind) { disk, folder in
            var first: (any DiskFile)? = try disk.open("\(folder)/lock", [.write, .create])
            let second = try disk.open("\(folder)/lock", [.write, .create])
            #expect(try first?.lock() == true)
            #expect(try first?.lock() == true)
            #expect(try second.lock() == false)
            first = nil
            #expect(try second.lock() == true)
        }
    }

    @Test("past the cache: whole blocks of aligned memory, or an error", arguments: Kind.allCases)
    func direct(_ kind: Kind) throws {
        try self.with(kind) { disk, folder in
            let file: any DiskFile
            do {
                file = try disk.open("\(folder)/a", [.write, .create, .direct, .syncsWrites])
            } catch {
                #expect(kind == .system, "some file systems have no O_DIRECT")
                return
            }
            let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 8192, alignment: 4096)
            defer { memory.deallocate() }
            memory.initializeMemory(as: UInt8.self, repeating: 7)
            try file.write(UnsafeRawBufferPointer(memory), at: 4096)
            #expect(try file.size() == 12288)
            // A file system in memory may take the flag, and has no cache to go past.
            let refusal = try kind == .system && Self.isInMemory(folder) ? nil : EINVAL
            #expect(self.failure { try file.write(UnsafeRawBufferPointer(rebasing: memory[1..<4097]), at: 0) } == refusal)
            #expect(self.failure { try file.write(UnsafeRawBufferPointer(rebasing: memory[..<4096]), at: 100) } == refusal)
            #expect(self.failure { try file.write(UnsafeRawBufferPointer(rebasing: memory[..<100]), at: 0) } == refusal)
            memory.initializeMemory(as: UInt8.self, repeating: 0)
            #expect(try file.read(into: memory, at: 8192) == 4096)
            #expect(memory[0] == 7 && memory[4095] == 7)
        }
    }

    private static func isInMemory(_ folder: String) throws -> Bool {
        let mounts = try String(contentsOfFile: "/proc/self/mounts", encoding: .utf8).split(separator: "\n").map {
            $0.split(separator: " ")
        }
        let mount = mounts.filter { folder.hasPrefix($0[1]) }.max { $0[1].utf8.count < $1[1].utf8.count }
        return mount?[2] == "tmpfs"
    }
}
