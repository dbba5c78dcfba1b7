import ForebayTestKit
import Glibc
import Testing

@testable import ForebayCore

@Suite("Core: ids, sizes, durations, errors")
struct SupportTests {
    @Test(
        "sizes",
        arguments: [
            ("512", 512), ("1B", 1), ("64KiB", 65_536), ("8MiB", 8 << 20), ("50GiB", 50 << 30), ("2TiB", 2 << 40), ("0", 0),
        ])
    func sizes(text: String, bytes: Int) {
        #expect(ByteCount.parse(text) == bytes)
        #expect(ByteCount.parse(ByteCount.text(bytes)) == bytes)
    }

    @Test(
        "no sizes", arguments: ["", "MiB", "-1", "+1", "1.5MiB", "1 MiB", "1mib", "1MB", "8388608TiB", "9223372036854775808", "１", "0x10"])
    func noSizes(text: String) {
        #expect(ByteCount.parse(text) == nil)
    }

    @Test("durations", arguments: [("250ms", 250), ("30s", 30_000), ("5m", 300_000), ("2h", 7_200_000), ("7d", 604_800_000), ("0s", 0)])
    func durations(text: String, milliseconds: Int) {
        #expect(DurationText.parse(text) == milliseconds)
        #expect(DurationText.parse(DurationText.text(milliseconds: milliseconds)) == milliseconds)
    }

    @Test("no durations", arguments: ["", "5", "s", "-5s", "1.5s", "5 s", "5S", "1h30m", "9223372036854775807d"])
    func noDurations(text: String) {
        #expect(DurationText.parse(text) == nil)
    }

    @Test("a derived id is 30 characters, names its spool, and sorts as its number")
    func eventIDs() {
        var generator = SplitMix(seed: 1)
        let spool = SpoolID.random(using: &generator)
        #expect(EventID.text(spool: spool, sequence: 0) == "\(spool)-0000000000000")
        #expect(EventID.text(spool: spool, sequence: 33) == "\(spool)-0000000000011")
        #expect(EventID.text(spool: spool, sequence: .max) == "\(spool)-FZZZZZZZZZZZZ")
        var numbers = (0..<1000).map { _ in
            UInt64.random(in: 0...UInt64.max >> UInt64.random(in: 0..<60, using: &generator), using: &generator)
        }
        numbers = Array(Set(numbers)).sorted()
        let texts = numbers.map { EventID.text(spool: spool, sequence: $0) }
        #expect(texts == texts.sorted() && Set(texts).count == texts.count)
        #expect(texts.allSatisfy { $0.utf8.count == EventID.length && EventID.length == 30 })
    }

    @Test("a spool's name survives its characters")
    func spoolID() {
        var generator = SplitMix(seed: 2)
        for _ in 0..<100 {
            let spool = SpoolID.random(using: &generator)
            #expect(Array(spool.description.utf8).withUnsafeBytes { SpoolID(characters: $0) } == spool)
        }
    }

    @Test("a route's stable name is FNV-1a, 64 bits, as published")
    func routeID() {
        #expect(RouteID(name: "").rawValue == 0xCBF2_9CE4_8422_2325)
        #expect(RouteID(name: "a").rawValue == 0xAF63_DC4C_8601_EC8C)
        #expect(RouteID(name: "foobar").rawValue == 0x8594_4171_F739_67E8)
    }

    @Test("an error says its cause")
    func errors() {
        let cause = ForebayError(.systemCall, recovery: .stop, "open: no such file")
        #expect("\(ForebayError(.spoolUnreadable, recovery: .stop, "can't read it", cause: cause))" == "can't read it (open: no such file)")
        #expect(ForebayError.Code.spoolFull.description == "spool_full")
    }

    @Test("a thread executor runs its actors' jobs on its own named thread, in order", .timeLimit(.minutes(1)))
    func threadExecutor() async {
        actor Worker {
            nonisolated let executor: ThreadExecutor
            nonisolated var unownedExecutor: UnownedSerialExecutor { self.executor.asUnownedSerialExecutor() }
            private(set) var threads: Set<pthread_t> = []
            private(set) var count = 0
            init(_ executor: ThreadExecutor) { self.executor = executor }
            func work() {
                self.threads.insert(pthread_self())
                self.count += 1
            }
        }
        let executor = ThreadExecutor(label: "worker")
        let worker = Worker(executor)
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<100 { group.addTask { await worker.work() } }
        }
        #expect(await worker.count == 100)
        #expect(await worker.threads.count == 1)
        executor.end()
    }

    @Test("a folder is listed whole or not at all")
    func folderEntries() throws {
        var template = Array("/tmp/forebay-entries-XXXXXX".utf8CString)
        let path = try #require(mkdtemp(&template).map { String(cString: $0) })
        for name in ["b", "a", ".hidden"] { close(open("\(path)/\(name)", O_CREAT | O_WRONLY, 0o600)) }
        #expect(try FolderEntries.names(of: path)?.sorted() == [".hidden", "a", "b"])
        #expect(try FolderEntries.names(of: path + "/none") == nil)
        #expect(throws: SystemCallFailure.self) { try FolderEntries.names(of: path + "/a") }
        // One that can't be read to its end.
        let folder = try #require(opendir(path))
        close(dirfd(folder))
        #expect(throws: SystemCallFailure.self) { try FolderEntries.names(in: folder) }
        closedir(folder)
        for name in ["b", "a", ".hidden"] { unlink("\(path)/\(name)") }
        rmdir(path)
    }
}
