import ForebayCore
import ForebayTestKit
import Foundation
import Testing

@testable import ForebaySpool

/// The disk of a rehearsed start: what it says must be what a real one would.
@Suite("Spool: a disk that keeps nothing")
struct RehearsalDiskTests {
    @Test("a disk that keeps nothing does what a disk does, and leaves the one below alone")
    func rehearsalDisk() throws {
        let folder = NSTemporaryDirectory() + "forebay-rehearsal-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder + "/deep", withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }  // A temporary folder.
        let content = Array((0..<10_000).map { UInt8(truncatingIfNeeded: $0 &* 31) })
        try Data(content).write(to: URL(filePath: folder + "/a"))
        let disk = RehearsalDisk(SystemDisk())
        let held = try SystemDisk().open(folder, [])
        #expect(try held.lock() && disk.open(folder, []).lock(), "no lock of it is a lock below")
        var file = try disk.open(folder + "/a", .write)
        try file.write([1, 2, 3], at: 4095)
        var expected = content
        expected.replaceSubrange(4095..<4098, with: [1, 2, 3])
        #expect(try file.bytes(at: 0, count: 20_000) == expected && file.size() == 10_000)
        try file.write([9], at: 12_000)
        expected += [UInt8](repeating: 0, count: 2000) + [9]
        #expect(try disk.open(folder + "/a", []).bytes(at: 0, count: 20_000) == expected)
        try file.truncate(to: 5000)
        try file.truncate(to: 9000)
        #expect(try file.bytes(at: 0, count: 20_000) == expected[..<5000] + [UInt8](repeating: 0, count: 4000))
        try disk.rename(folder + "/a", to: folder + "/b")
        #expect(try disk.kind(of: folder + "/a") == nil && disk.kind(of: folder + "/b") == .file)
        #expect(try Set(disk.entries(folder) ?? []) == ["b", "deep"])
        #expect(throws: ForebayError.self) { try disk.open(folder + "/a", .write) }
        #expect(throws: ForebayError.self) { try disk.renameCreating(folder + "/b", to: folder + "/deep") }
        file = try disk.open(folder + "/a", [.write, .create, .exclusive])
        try file.write([5], at: 0)
        #expect(throws: ForebayError.self) { try disk.open(folder + "/a", [.write, .create, .exclusive]) }
        #expect(throws: ForebayError.self) { try disk.remove(folder + "/deep") }
        try disk.makeFolder(folder + "/new")
        try disk.rename(folder + "/deep", to: folder + "/new/deep")
        #expect(try disk.entries(folder + "/new") == ["deep"] && disk.kind(of: folder + "/new/deep") == .folder)
        try disk.remove(folder + "/b")
        #expect(try disk.entries(folder)?.sorted() == ["a", "new"])
        #expect(try FileManager.default.subpathsOfDirectory(atPath: folder).sorted() == ["a", "deep"])
        #expect(try Array(Data(contentsOf: URL(filePath: folder + "/a"))) == content)
    }

    /// The same folder twice, with the same content: one to rehearse over, one to do it in.
    private final class Twins {
        let base: String
        let rehearsal: RehearsalDisk
        let real = SystemDisk()
        static let content = ["a": 10_000, "b": 4096, "c": 0, "sub/a": 8192, "sub/b": 1]

        init() throws {
            self.base = NSTemporaryDirectory() + "forebay-twins-" + UUID().uuidString
            self.rehearsal = RehearsalDisk(SystemDisk())
            for twin in ["rehearsed", "real"] {
                try FileManager.default.createDirectory(atPath: self.base + "/\(twin)/sub", withIntermediateDirectories: true)
                for (name, size) in Self.content { try Self.bytes(size).write(to: URL(filePath: self.base + "/\(twin)/\(name)")) }
            }
        }

        deinit { try? FileManager.default.removeItem(atPath: self.base) }  // A temporary folder.

        static func digest(_ bytes: [UInt8]) -> String { "\(bytes.count) \(bytes.withUnsafeBytes { SpoolFormat.crc($0) })" }

        static func bytes(_ count: Int) -> Data { Data((0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ 7) }) }

        /// What a call comes to on one of them: what it gives, or the `errno`.
        func both<Result>(_ call: (_ disk: any Disk, _ folder: String) throws -> Result) -> (rehearsed: String, real: String) {
            func outcome(_ disk: any Disk, _ folder: String) -> String {
                do { return "\(try call(disk, folder))" } catch {
                    return "fails with \((error as? ForebayError)?.systemCode ?? 0)"
                }
            }
            return (outcome(self.rehearsal, self.base + "/rehearsed"), outcome(self.real, self.base + "/real"))
        }

        /// All that can be seen.
        func seen(_ disk: any Disk, _ folder: String) throws -> [String] {
            var seen: [String] = []
            for place in ["", "/sub", "/made"] {
                let names = try disk.entries(folder + place)?.sorted()
                seen.append("\(place): \(names?.joined(separator: " ") ?? "none")")
                for name in names ?? [] {
                    guard let kind = try disk.kind(of: folder + place + "/" + name) else { continue }
                    seen.append("\(name) \(kind)")
                    guard kind == .file else { continue }
                    let file = try disk.open(folder + place + "/" + name, [])
                    seen.append("\(try file.size()) \(Self.digest(try file.bytes(at: 0, count: 40_000)))")
                }
            }
            return seen
        }
    }

    @Test("whatever is called in whatever order, it says what a real disk says, and the one below stays as it was", arguments: 0..<6)
    func model(seed: UInt64) throws {
        let twins = try Twins()
        var generator = SplitMix(seed: seed)
        func chance(_ of: Int) -> Bool { Int.random(in: 0..<of, using: &generator) == 0 }
        func name() -> String { ["/a", "/b", "/c", "/new", "/sub/a", "/sub/b", "/sub/new"].randomElement(using: &generator)! }
        func place() -> Int { max(0, 4096 * Int.random(in: 0...3, using: &generator) + Int.random(in: -3...3, using: &generator)) }
        for step in 0..<120 {
            let (from, to, at, count) = (name(), name(), place(), [0, 1, 2, 4095, 4096, 4097, 9000].randomElement(using: &generator)!)
            var options: OpenOptions = []
            for option in [.write, .create] as [OpenOptions] where !chance(3) { options.insert(option) }
            if options == [.write, .create], chance(4) { options.insert(.exclusive) }
            if options.contains(.write), chance(5) { options.insert(.truncate) }
            if !options.contains(.write) { options = [] }
            let call: (any Disk, String) throws -> String
            let what: String
            switch Int.random(in: 0..<10, using: &generator) {
            case 0..<4:
                (what, call) = (
                    "write \(count) at \(at) of \(from), \(options)",
                    { disk, folder in
                        let file = try disk.open(folder + from, options)
                        guard options.contains(.write) else { return Twins.digest(try file.bytes(at: at, count: count)) }
                        try file.write([UInt8](repeating: UInt8(truncatingIfNeeded: step), count: count), at: at)
                        return "\(try file.size()) \(Twins.digest(try file.bytes(at: max(0, at - 2), count: count + 4)))"
                    }
                )
            case 4..<6:
                (what, call) = (
                    "truncate \(from) to \(at)",
                    { disk, folder in
                        let file = try disk.open(folder + from, .write)
                        try file.truncate(to: at)
                        return "\(try file.size())"
                    }
                )
            case 6 where from != to:
                (what, call) = ("rename \(from) to \(to)", { disk, folder in "\(try disk.rename(folder + from, to: folder + to))" })
            case 7 where from != to:
                (what, call) = (
                    "rename \(from) to \(to), creating",
                    { disk, folder in
                        // Which of two reasons is told is the system's own.
                        guard try disk.kind(of: folder + from) != nil else { return "nothing" }
                        return "\(try disk.renameCreating(folder + from, to: folder + to))"
                    }
                )
            case 8: (what, call) = ("remove \(from)", { disk, folder in "\(try disk.remove(folder + from))" })
            default:
                (what, call) = (
                    "a folder",
                    { disk, folder in
                        if try disk.kind(of: folder + "/made") == nil {
                            try disk.makeFolder(folder + "/made")
                            try disk.makeFolder(folder + "/made")
                            try disk.open(folder + "/made/x", [.write, .create]).write([1, 2], at: 0)
                            return "made"
                        }
                        try disk.remove(folder + "/made/x")
                        try disk.removeFolder(folder + "/made")
                        return "removed"
                    }
                )
            }
            let came = twins.both(call)
            try #require(came.rehearsed == came.real, "step \(step): \(what)")
            let seen = twins.both { disk, folder in try twins.seen(disk, folder) }
            try #require(seen.rehearsed == seen.real, "step \(step): \(what)")
        }
        for (name, size) in Twins.content {
            #expect(try Data(contentsOf: URL(filePath: twins.base + "/rehearsed/" + name)) == Twins.bytes(size), "\(name) below")
        }
        #expect(
            try FileManager.default.subpathsOfDirectory(atPath: twins.base + "/rehearsed").sorted() == [
                "a", "b", "c", "sub", "sub/a", "sub/b",
            ])
    }

    @Test("what can't be done fails as on a real disk")
    func refusals() throws {
        let twins = try Twins()
        let calls: [(String, (any Disk, String) throws -> Void)] = [
            ("open what is not there", { _ = try $0.open($1 + "/none", []) }),
            ("write to what is not there", { _ = try $0.open($1 + "/none", .write) }),
            ("make what is there", { _ = try $0.open($1 + "/a", [.write, .create, .exclusive]) }),
            ("rename what is not there", { try $0.rename($1 + "/none", to: $1 + "/a") }),
            ("take a name that is taken", { try $0.renameCreating($1 + "/a", to: $1 + "/b") }),
            ("remove a folder as a file", { try $0.remove($1 + "/sub") }),
            (
                "open a folder that was made as a file",
                {
                    try $0.makeFolder($1 + "/made")
                    _ = try $0.open($1 + "/made", .write)
                }
            ),
            (
                "make what was made",
                {
                    _ = try $0.open($1 + "/fresh", [.write, .create])
                    _ = try $0.open($1 + "/fresh", [.write, .create, .exclusive])
                }
            ),
            (
                "open what was removed",
                {
                    try $0.remove($1 + "/c")
                    _ = try $0.open($1 + "/c", .write)
                }
            ),
        ]
        for (what, call) in calls {
            let came = twins.both(call)
            #expect(came.rehearsed == came.real && came.real.hasPrefix("fails"), "\(what): \(came)")
        }
    }

    @Test("what can't be read below is written over, and fails where it is read")
    func unreadable() throws {
        let twins = try Twins()
        let faults = FaultDisk()
        let disk = RehearsalDisk(faults)
        let path = twins.base + "/rehearsed/a"
        faults.fail { call, _ in call == .read ? EIO : nil }
        let file = try disk.open(path, .write)
        #expect(throws: ForebayError.self) { try file.bytes(at: 0, count: 10) }
        try file.write([UInt8](repeating: 5, count: 4096), at: 4096)
        #expect(try file.bytes(at: 4096, count: 4096) == [UInt8](repeating: 5, count: 4096))
        #expect(throws: ForebayError.self) { try file.bytes(at: 4095, count: 2) }
        try file.write([7], at: 8192 + 5)
        #expect(try file.bytes(at: 8192, count: 4096) == [0, 0, 0, 0, 0, 7] + [UInt8](repeating: 0, count: 10_000 - 8192 - 6))
        faults.fail(nil)
        #expect(try file.bytes(at: 0, count: 4096) == Array(Twins.bytes(10_000)[..<4096]) && file.size() == 10_000)
        #expect(try disk.space(twins.base).total == SystemDisk().space(twins.base).total)
    }
}
