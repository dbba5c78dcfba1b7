import ForebayCore
import ForebaySpool
import ForebayTestKit
import Glibc
import Testing

@Suite("SimulatedDisk: what a power cut leaves, and what fails")
struct SimulatedDiskTests {
    private func disk(_ seed: UInt64) throws -> SimulatedDisk {
        let disk = SimulatedDisk(seed: seed, capacity: 1 << 20)
        try disk.makeFolder("/d")
        try disk.syncFolder("/")
        return disk
    }

    private func content(_ disk: SimulatedDisk, _ path: String) throws -> [UInt8]? {
        guard try disk.kind(of: path) != nil else { return nil }
        let file = try disk.open(path, [])
        return try file.bytes(at: 0, count: try file.size())
    }

    /// What is left after a cut, over many seeds.
    private func outcomes(_ seeds: Range<UInt64> = 0..<200, _ write: (SimulatedDisk) throws -> Void) throws -> Set<[UInt8]?> {
        var outcomes: Set<[UInt8]?> = []
        for seed in seeds {
            let disk = try self.disk(seed)
            try write(disk)
            disk.cutPower()
            outcomes.insert(try self.content(disk, "/d/a"))
        }
        return outcomes
    }

    private func block(_ value: UInt8, _ count: Int = 512) -> [UInt8] { Array(repeating: value, count: count) }

    @Test("a synced file in a synced folder stays, one or the other alone need not")
    func synced() throws {
        #expect(
            try self.outcomes { disk in
                let file = try disk.open("/d/a", [.write, .create])
                try file.write([1, 2], at: 0)
                try file.sync()
                try disk.syncFolder("/d")
            } == [[1, 2]])
        #expect(
            try self.outcomes { disk in
                let file = try disk.open("/d/a", [.write, .create])
                try file.write([1, 2], at: 0)
                try file.sync()
            } == [nil, [1, 2]])
        #expect(
            try self.outcomes { disk in
                let file = try disk.open("/d/a", [.write, .create])
                try file.write([1, 2], at: 0)
                try disk.syncFolder("/d")
            } == [[], [0, 0], [1, 2]])
    }

    @Test("unsynced sectors stay in any combination, each with any of its contents")
    func sectors() throws {
        let left = try self.outcomes(0..<2000) { disk in
            let file = try disk.open("/d/a", [.write, .create])
            try disk.syncFolder("/d")
            try file.write(self.block(1, 1024), at: 0)
            try file.sync()
            try file.write(self.block(2, 1024), at: 0)
            try file.write(self.block(3), at: 512)
        }
        let expected = Set([UInt8(1), 2].flatMap { first in [UInt8(1), 2, 3].map { self.block(first) + self.block($0) } })
        #expect(Set(left.compactMap { $0 }) == expected)
    }

    @Test("a write that syncs itself stays, others of the file need not; a sync covers all")
    func syncsWrites() throws {
        let left = try self.outcomes(0..<500) { disk in
            let file = try disk.open("/d/a", [.write, .create])
            try file.write(self.block(1, 1024), at: 0)
            try file.sync()
            try disk.syncFolder("/d")
            let other = try disk.open("/d/a", [.write, .syncsWrites])
            try file.write(self.block(2), at: 0)
            try file.write(self.block(4), at: 512)
            try other.write(self.block(3), at: 0)
        }
        #expect(left == [self.block(3) + self.block(1), self.block(3) + self.block(4)])
    }

    @Test("names: a rename is whole or not at all, and operations stay in order")
    func names() throws {
        var seen: Set<[String]> = []
        for seed in 0..<300 as Range<UInt64> {
            let disk = try self.disk(seed)
            try disk.makeFolder("/d/x")
            try disk.makeFolder("/d/y")
            _ = try disk.open("/d/x/a", [.write, .create])
            try disk.syncFolder("/d")
            try disk.syncFolder("/d/x")
            try disk.rename("/d/x/a", to: "/d/y/b")
            _ = try disk.open("/d/y/c", [.write, .create])
            try disk.remove("/d/y/b")
            disk.cutPower()
            seen.insert(try ["x", "y"].flatMap { folder in try disk.entries("/d/\(folder)")!.sorted().map { "\(folder)/\($0)" } })
        }
        #expect(seen == [["x/a"], ["y/b"], ["y/b", "y/c"], ["y/c"]])
    }

    @Test("a failed sync may lose what was written, the next one says that all is well")
    func failedSync() throws {
        var lost = 0
        for seed in 0..<50 as Range<UInt64> {
            let disk = try self.disk(seed)
            let file = try disk.open("/d/a", [.write, .create])
            try file.write(self.block(1), at: 0)
            try file.sync()
            try disk.syncFolder("/d")
            let process = SimulatedProcess(machine: SimulatedMachine(), seed: seed)
            let ending = process.run {
                disk.attach(process, faults: [DiskFault(kind: .syncLosesData, call: 1, count: 1)])
                try? file.write(self.block(2), at: 0)
                #expect(throws: ForebayError.self) { try file.sync() }
                #expect(throws: Never.self) { try file.sync() }
                #expect((try? file.bytes(at: 0, count: 1)) == [2], "the cache has it all the same")
            }
            #expect(ending == .ended)
            disk.cutPower()
            if try self.content(disk, "/d/a") == self.block(1) { lost += 1 }
        }
        #expect(lost > 0 && lost < 50)
    }

    @Test("a full disk writes what fits and says so; unlinked files hold their room until they are closed")
    func full() throws {
        let disk = try self.disk(1)
        var file: (any DiskFile)? = try disk.open("/d/a", [.write, .create])
        try file?.write(self.block(1, 900 << 10), at: 0)
        let other = try disk.open("/d/b", [.write, .create])
        #expect(throws: ForebayError.self) { try other.write(self.block(1, 200 << 10), at: 0) }
        #expect(try other.size() == 124 << 10)
        #expect(try disk.space("/d").free == 0)
        try disk.remove("/d/a")
        #expect(try disk.space("/d").free == 0)
        file = nil
        #expect(try disk.space("/d").free == 900 << 10)
    }

    @Test("a process dies at the call that was named; its locks are free then, and what it wrote stays")
    func death() throws {
        for (seed, kind) in zip(0..<40 as Range<UInt64>, Array(repeating: DiskDeath.Kind.allCases, count: 20).joined()) {
            let disk = try self.disk(seed)
            let process = SimulatedProcess(machine: SimulatedMachine(), seed: seed)
            disk.attach(process, death: DiskDeath(kind: kind, call: 6))
            let ending = process.run {
                let file = try? disk.open("/d/a", [.write, .create])
                _ = try? file?.lock()
                for value in 1...100 as ClosedRange<UInt8> { try? file?.write([value], at: 0) }
            }
            #expect(ending == .died(kind.rawValue))
            disk.detach()
            #expect([[3], [4]].contains(try self.content(disk, "/d/a")))
            #expect(try disk.open("/d/a", .write).lock())
        }
    }

    @Test("a sync that finds no room loses what a failed one loses, and says so by its number")
    func noSpaceAtSync() throws {
        let disk = try self.disk(3)
        let file = try disk.open("/d/a", [.write, .create])
        try disk.syncFolder("/d")
        let process = SimulatedProcess(machine: SimulatedMachine(), seed: 3)
        let ending = process.run {
            disk.attach(process, faults: [DiskFault(kind: .noSpaceAtSync, call: 1, count: 1)])
            try? file.write(self.block(2), at: 0)
            let error = #expect(throws: ForebayError.self) { try file.sync() }
            #expect(error?.code == .syncFailed)
            #expect("\(error!)".contains("No space left"))
        }
        #expect(ending == .ended)
    }

    @Test("a file that somebody deletes is gone for good, and who has it open goes on with what has no name")
    func vanishes() throws {
        let disk = try self.disk(4)
        let file = try disk.open("/d/1.segment", [.write, .create])
        try file.write(self.block(1), at: 0)
        let process = SimulatedProcess(machine: SimulatedMachine(), seed: 4)
        let ending = process.run {
            disk.attach(process, faults: [DiskFault(kind: .fileVanishes, call: 1, count: 1)])
            #expect((try? file.hasName()) == false)
            #expect((try? file.write(self.block(2), at: 0)) != nil)
        }
        #expect(ending == .ended)
        disk.detach()
        #expect(try disk.kind(of: "/d/1.segment") == nil)
    }

    @Test("a file put in another's place is durable")
    func overwritten() throws {
        let disk = try self.disk(5)
        for (name, value) in [("a", 1), ("b", 2)] as [(String, UInt8)] {
            try disk.open("/d/\(name)", [.write, .create]).write(self.block(value, 512 * Int(value)), at: 0)
        }
        try disk.syncFolder("/d")
        disk.overwrite("/d/a", with: "/d/b")
        disk.cutPower()
        #expect(try self.content(disk, "/d/a") == self.block(2, 1024))
    }
}
