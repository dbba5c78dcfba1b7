import ForebayTestKit
import Glibc
import Synchronization
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

    @Test(
        "a size is written in the largest unit that leaves a whole number",
        arguments: [
            (0, "0"), (1, "1"), (1023, "1023"), (1024, "1KiB"), (1025, "1025"), (1536, "1536"), (2048, "2KiB"), (1 << 20, "1MiB"),
            (3 << 20, "3MiB"), ((1 << 20) + 1024, "1025KiB"), (1 << 30, "1GiB"), (1 << 40, "1TiB"), (5 << 40, "5TiB"), (-1024, "-1024"),
        ])
    func sizeText(bytes: Int, text: String) {
        #expect(ByteCount.text(bytes) == text)
    }

    @Test("the largest size that fits is one, and the next is none")
    func largestSize() {
        #expect(ByteCount.parse("9223372036854775807") == .max && ByteCount.parse("9223372036854775807B") == .max)
        #expect(ByteCount.parse("8388607TiB") == 8_388_607 << 40 && ByteCount.parse("9007199254740991KiB") == 9_007_199_254_740_991 << 10)
        #expect(ByteCount.parse("9007199254740992KiB") == nil && ByteCount.parse("18446744073709551616") == nil)
        for digit in 0...9 { #expect(ByteCount.parse("\(digit)KiB") == digit << 10 && DurationText.parse("\(digit)s") == digit * 1000) }
        for text in ["/1KiB", ":1KiB", "1:", "1/", "٣", "/1s", ":1s", "+1s", "٣s"] {
            #expect(ByteCount.parse(text) == nil && DurationText.parse(text) == nil, "\(text)")
        }
    }

    @Test(
        "a length of time is written in the largest unit that leaves a whole number",
        arguments: [
            (0, "0ms"), (1, "1ms"), (999, "999ms"), (1000, "1s"), (1001, "1001ms"), (59_000, "59s"), (60_000, "1m"), (61_000, "61s"),
            (3_600_000, "1h"), (5_400_000, "90m"), (86_400_000, "1d"), (90_000_000, "25h"), (172_800_000, "2d"), (-1000, "-1000ms"),
        ])
    func durationText(milliseconds: Int, text: String) {
        #expect(DurationText.text(milliseconds: milliseconds) == text)
    }

    @Test("a failed call says what the system says of it")
    func systemCall() {
        #expect("\(SystemCallFailure(code: ENOSPC))" == "No space left on device" && SystemCallFailure(code: EIO).code == EIO)
    }

    @Test("time is counted in whole milliseconds of the day, and in nanoseconds that only rise")
    func clocks() {
        for (seconds, nanoseconds, expected) in [(0, 0, 0), (1, 999_999_999, 1999), (2, 1_000_000, 2001), (2, 999_999, 2000)] {
            #expect(WallClock.milliseconds(timespec(tv_sec: seconds, tv_nsec: nanoseconds)) == Int64(expected))
        }
        #expect(MonotonicClock.nanoseconds(timespec(tv_sec: 3, tv_nsec: 7)) == 3_000_000_007)
        func now(_ clock: clockid_t) -> timespec {
            var now = timespec()
            clock_gettime(clock, &now)
            return now
        }
        let before = (now(CLOCK_REALTIME), now(CLOCK_MONOTONIC))
        let between = (WallClock.milliseconds, MonotonicClock.nanoseconds)
        let after = (now(CLOCK_REALTIME), now(CLOCK_MONOTONIC))
        #expect((WallClock.milliseconds(before.0)...WallClock.milliseconds(after.0)).contains(between.0))
        #expect((MonotonicClock.nanoseconds(before.1)...MonotonicClock.nanoseconds(after.1)).contains(between.1))
    }

    @Test("a spool's name is of all 32 digits, in rising order of their codes")
    func digits() {
        var generator = SplitMix(seed: 3)
        var seen: Set<UInt8> = []
        for _ in 0..<100 { seen.formUnion(SpoolID.random(using: &generator).description.utf8) }
        #expect(seen == Set("0123456789ABCDEFGHJKMNPQRSTVWXYZ".utf8))
        struct Always: RandomNumberGenerator {
            let value: UInt64
            func next() -> UInt64 { self.value }
        }
        var (lowest, highest) = (Always(value: 0), Always(value: .max))
        #expect(SpoolID.random(using: &lowest).description == String(repeating: "0", count: 16))
        #expect(SpoolID.random(using: &highest).description == String(repeating: "Z", count: 16), "each digit as often as any other")
        #expect((0..<64).map { Base32.digit($0) } == Array("0123456789ABCDEFGHJKMNPQRSTVWXYZ0123456789ABCDEFGHJKMNPQRSTVWXYZ".utf8))
    }

    @Test("the surroundings of the process: its clocks, its chance, a thread for each who asks, tasks on Swift's pool")
    func real() async throws {
        let real = Surroundings.real
        #expect(real.tasks == nil)
        #expect(abs(real.time.wallMilliseconds - WallClock.milliseconds) < 60_000)
        let before = real.time.monotonicNanoseconds
        try await real.time.sleep(milliseconds: 2)
        #expect(real.time.monotonicNanoseconds >= before + 2_000_000)
        #expect(Set((0..<100).map { _ in real.chance.next() }).count == 100)
        var generator = real.chance.generator
        #expect(Set((0..<100).map { _ in generator.next() }).count == 100)
        let sleeper = Task { try await real.time.sleep(milliseconds: 3_600_000) }
        sleeper.cancel()
        await #expect(throws: CancellationError.self) { try await sleeper.value }
    }

    @Test("a thread executor runs 30 characters, names its spool, and sorts as its number")
    func eventIDs() {
        var generator = SplitMix(seed: 1)
        let spool = SpoolID.random(using: &generator)
        #expect(EventID.text(origin: spool, sequence: 0) == "\(spool)-0000000000000")
        #expect(EventID.text(origin: spool, sequence: 33) == "\(spool)-0000000000011")
        #expect(EventID.text(origin: spool, sequence: .max) == "\(spool)-FZZZZZZZZZZZZ")
        var numbers = (0..<1000).map { _ in
            UInt64.random(in: 0...UInt64.max >> UInt64.random(in: 0..<60, using: &generator), using: &generator)
        }
        numbers = Array(Set(numbers)).sorted()
        let texts = numbers.map { EventID.text(origin: spool, sequence: $0) }
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

    @Test("what was opened to list a folder is closed, whether that can be done or not")
    func foldersAreClosed() throws {
        var template = Array("/tmp/forebay-entries-XXXXXX".utf8CString)
        let path = try #require(mkdtemp(&template).map { String(cString: $0) })
        defer { rmdir(path) }
        let file = "\(path)/file"
        close(open(file, O_CREAT | O_WRONLY, 0o600))
        defer { unlink(file) }
        let before = try #require(try FolderEntries.names(of: "/proc/self/fd")).count
        for _ in 0..<300 {
            #expect(try FolderEntries.names(of: path) == ["file"])
            #expect(try FolderEntries.names(closing: open(path, O_RDONLY | O_DIRECTORY)) == ["file"])
            let failure = #expect(throws: SystemCallFailure.self) { try FolderEntries.names(closing: open(file, O_RDONLY)) }
            #expect(failure?.code == ENOTDIR)
        }
        #expect(try #require(try FolderEntries.names(of: "/proc/self/fd")).count < before + 200, "others' tests may hold some")
    }

    @Test("an id is random in all of its bits: each digit comes at each place")
    func ids() {
        var generator = SplitMix(seed: 5)
        let ids = (0..<400).map { _ in SpoolID.random(using: &generator).description }
        #expect(Set(ids).count == ids.count && ids.allSatisfy { $0.utf8.count == SpoolID.length })
        for place in 0..<SpoolID.length { #expect(Set(ids.map { Array($0)[place] }).count == 32, "place \(place)") }
    }

    @Test("a lock that nobody has any more gives its memory back")
    func locks() throws {
        // Of 48 bytes each 200,000 are some 2,500 pages. Others' tests may take some meanwhile, but not each time.
        let grown = try (0..<5).map { _ in
            let before = try residentPages()
            for _ in 0..<200_000 { withExtendedLifetime(ThreadLock()) {} }
            return try residentPages() - before
        }
        #expect(grown.contains { $0 < 1000 }, "\(grown)")
    }

    @Test("a call through a target that is set later is as cheap and as deep the millionth time as the first")
    func wake() {
        let wake = Wake(), count = Atomic<Int>(0)
        wake.call()
        wake.set { count.add(1, ordering: .relaxed) }
        for _ in 0..<300_000 { wake.call() }
        wake.set(nil)
        wake.call()
        #expect(count.load(ordering: .relaxed) == 300_000)
    }

    @Test("what a file system says is free can be added to what is there, whatever it says")
    func room() {
        for (blocks, unit, free) in [
            (0, 4096, 0), (100, 512, 51_200), (100, 4096, 409_600), (1 << 53, 1024, Int.max / 8), ((1 << 43) - 1, 1 << 20, Int.max / 8),
            (1 << 52, 4096, Int.max / 8), (.max, 1, Int.max / 8), (.max, .max, Int.max / 8),
            ((1 << 40) + 1, 1 << 10, (1 << 50) + (1 << 10)),
        ] as [(UInt, UInt, Int)] {
            var status = statvfs()
            (status.f_bavail, status.f_blocks, status.f_frsize) = (blocks, blocks, unit)
            #expect(status.room == (free, free), "\(blocks) blocks of \(unit)")
        }
    }

    @Test("the oldest has waited since it was accepted, by the time of day, and for as long as it was seen, whatever that says")
    func waits() {
        struct Times: TimeSource {
            let wallMilliseconds: Int64
            let monotonicNanoseconds: UInt64
            func sleep(milliseconds: Int) async throws {}
        }
        let since = WaitingSince(acceptedAt: 10_000, seenAt: 5_000_000_000)
        for (wall, now, seconds) in [
            (10_000, 5_000_000_000, 0), (12_500, 5_000_000_000, 2.5), (12_500, 7_000_000_000, 2.5), (12_500, 9_000_000_000, 4),
            (9000, 5_500_000_000, 0.5), (9000, 4_000_000_000, 0), (.max, 0, 9_223_372_036_854_765.0), (.min, .max, 18_446_744_068.7),
        ] as [(Int64, UInt64, Double)] {
            let found = since.seconds(at: Times(wallMilliseconds: wall, monotonicNanoseconds: now))
            #expect(abs(found - seconds) <= seconds / 1e9, "at \(wall) and \(now): \(found)")
        }
    }
}
