import ForebayCore
import ForebayNet
import Glibc
import Synchronization
import Testing

@Suite("Event loop", .timeLimit(.minutes(1)))
struct EventLoopTests {
    /// An actor that lives on a loop and notes what reached it, in order.
    actor Resident {
        nonisolated let loop: EventLoop
        nonisolated var unownedExecutor: UnownedSerialExecutor { self.loop.asUnownedSerialExecutor() }
        private(set) var notes: [Int] = []

        init(loop: EventLoop) { self.loop = loop }

        func note(_ number: Int) { self.notes.append(number) }
        func isAtHome() -> Bool { self.loop.isOnLoop }
        nonisolated func noteFromCallback(_ number: Int) { self.assumeIsolated { $0.note(number) } }

        func startTimer(_ body: @escaping @Sendable () -> Void) {
            self.loop.timer(after: 1) {
                self.note(1); body()
            }
        }
    }

    @Test("an actor on the loop runs on its thread, and its callbacks are inside it")
    func actorLivesOnLoop() async throws {
        let loop = try EventLoop(label: "test")
        let resident = Resident(loop: loop)
        #expect(await resident.isAtHome())

        await withCheckedContinuation { done in
            loop.execute {
                resident.noteFromCallback(7)
                loop.timer(after: 1) {
                    resident.noteFromCallback(8)
                    done.resume()
                }
            }
        }
        await withCheckedContinuation { done in Task { await resident.startTimer { done.resume() } } }

        #expect(await resident.notes == [7, 8, 1])
        await loop.stop()
    }

    @Test("a thread that is not the loop's is not inside its actors")
    func otherThreadsAreOutside() async throws {
        let loop = try EventLoop(label: "test")
        let other = try EventLoop(label: "other")
        #expect(loop.isIsolatingCurrentContext() == false)
        #expect(try await loop.perform { loop.isIsolatingCurrentContext() } == true)
        #expect(try await other.perform { loop.isIsolatingCurrentContext() } == false)
        await loop.stop()
        await other.stop()
    }

    @Test("work runs in the order in which one thread gave it, jobs and bodies alike")
    func keepsOrder() async throws {
        let loop = try EventLoop(label: "test")
        let seen = Shared<[Int]>([])
        for number in 0..<10_000 { loop.execute { seen.withLock { $0.append(number) } } }
        try await loop.perform {}
        #expect(seen.value == Array(0..<10_000))
        await loop.stop()
    }

    @Test("a job that makes a job does not keep the sockets waiting")
    func chainsDoNotStarve() async throws {
        let loop = try EventLoop(label: "test")
        let fired = Shared(false)
        @Sendable func again() {
            if !fired.value { loop.execute { again() } }
        }
        try await loop.perform {
            loop.timer(after: 5) { fired.set(true) }
            again()
        }
        while !fired.value { try await loop.perform {} }
        await loop.stop()
    }

    @Test("hooks run after the work of a turn, before the loop sleeps")
    func hooksEndTheTurn() async throws {
        let loop = try EventLoop(label: "test")
        let seen = Shared<[String]>([])
        try await loop.perform {
            loop.addEndOfTurn { seen.withLock { if $0.last != "hook" { $0.append("hook") } } }
        }
        for _ in 0..<3 {
            await withCheckedContinuation { done in
                loop.execute {
                    seen.withLock { $0.append("work") }
                    loop.timer(after: 1) { done.resume() }
                }
            }
        }
        #expect(seen.value.filter { $0 == "work" }.count == 3)
        #expect(seen.value.last == "hook")
        #expect(!seen.value.joined().contains("workwork"))
        await loop.stop()
    }

    @Test("stop runs what was given before, also from what that started, and then ends")
    func stopDrains() async throws {
        let loop = try EventLoop(label: "test")
        let resident = Resident(loop: loop)
        let count = Shared(0)
        for _ in 0..<100 {
            loop.execute {
                count.add(1)
                loop.execute { count.add(1) }
            }
        }
        let task = Task { await resident.note(1) }
        await task.value
        await loop.stop()
        #expect(count.value == 200)
        await loop.stop()
    }

    @Test("stop closes timers, watches and signals that nobody cancelled")
    func stopClosesHandles() async throws {
        let loop = try EventLoop(label: "test")
        var pipe: [CInt] = [0, 0]
        #expect(Glibc.pipe(&pipe) == 0)
        let (readEnd, writeEnd) = (pipe[0], pipe[1])
        try await loop.perform {
            loop.timer(every: 1) {}
            _ = try loop.watch(fd: readEnd) {}
            _ = try loop.signal(SIGUSR2) {}
        }
        await loop.stop()
        close(readEnd)
        close(writeEnd)
    }

    @Test("a watched descriptor wakes the loop, and a cancelled watch does not")
    func watches() async throws {
        let loop = try EventLoop(label: "test")
        let event = Pipe()
        let reads = Shared(0)
        let watch = try await loop.perform {
            LoopBound(
                try loop.watch(fd: event.readEnd) {
                    event.drain()
                    reads.add(1)
                })
        }
        event.signal()
        while reads.value == 0 { await Task.yield() }
        try await loop.perform { watch.value.cancel() }
        event.signal()
        try await loop.perform {}
        try await loop.perform {}
        #expect(reads.value == 1)
        await loop.stop()
    }

    @Test("a signal calls back on the loop, also where all of the process was made to block it")
    func signals() async throws {
        let loop = try EventLoop(label: "test")
        let onLoop = Shared(false)
        let came = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        try await loop.perform {
            var signals = sigset_t()
            sigemptyset(&signals)
            sigaddset(&signals, SIGUSR1)
            pthread_sigmask(SIG_BLOCK, &signals, nil)
            defer {
                pthread_sigmask(SIG_SETMASK, nil, &signals)
                #expect(sigismember(&signals, SIGUSR1) == 0)
            }
            _ = try loop.signal(SIGUSR1) {
                onLoop.set(loop.isOnLoop)
                came.continuation.yield()
            }
        }
        kill(getpid(), SIGUSR1)
        for await _ in came.stream { break }
        #expect(onLoop.value)
        await loop.stop()
    }

    @Test("a repeating timer goes on until it is cancelled, by itself if it likes")
    func repeatingTimer() async throws {
        let loop = try EventLoop(label: "test")
        let count = Shared(0)
        await withCheckedContinuation { done in
            loop.execute {
                let own = Box<Timer?>(nil)
                own.value = loop.timer(every: 1) {
                    if count.add(1) == 3 {
                        own.value?.cancel()
                        own.value = nil
                        loop.timer(after: 10) { done.resume() }
                    }
                }
            }
        }
        #expect(count.value == 3)
        await loop.stop()
    }

    @Test("many threads give work at once, and none is lost or left asleep")
    func contention() async throws {
        let loop = try EventLoop(label: "test")
        let count = Shared(0)
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    for _ in 0..<2_000 {
                        loop.execute { count.add(1) }
                        if Bool.random() { await Task.yield() }
                    }
                    try? await loop.perform {}  // The body can't fail.
                }
            }
        }
        #expect(count.value == 8_000)
        await loop.stop()
    }
}

/// A value that several threads touch.
final class Shared<Value: Sendable>: Sendable {
    private let mutex: Mutex<Value>
    init(_ value: Value) { self.mutex = Mutex(value) }
    var value: Value { self.mutex.withLock { $0 } }
    func set(_ value: Value) { self.mutex.withLock { $0 = value } }
    @discardableResult
    func withLock<Result: Sendable>(_ body: (inout Value) -> Result) -> Result { self.mutex.withLock { body(&$0) } }
}

extension Shared<Int> {
    @discardableResult
    func add(_ amount: Int) -> Int {
        self.withLock {
            $0 += amount; return $0
        }
    }
}

final class Box<Value> {
    var value: Value
    init(_ value: Value) { self.value = value }
}

/// Carries something of a loop through a test that only touches it there.
struct LoopBound<Value>: @unchecked Sendable {  // Safe because: tests use the value inside `perform` alone.
    let value: Value
    init(_ value: Value) { self.value = value }
}

/// A pipe to wake a watch with.
final class Pipe: Sendable {
    let readEnd: CInt
    let writeEnd: CInt

    init() {
        var ends: [CInt] = [0, 0]
        precondition(pipe(&ends) == 0)
        for end in ends { _ = fcntl(end, F_SETFL, O_NONBLOCK) }
        (self.readEnd, self.writeEnd) = (ends[0], ends[1])
    }

    deinit {
        close(self.readEnd)
        close(self.writeEnd)
    }

    func signal() {
        var byte: UInt8 = 1
        _ = write(self.writeEnd, &byte, 1)
    }

    func drain() {
        var bytes: (UInt64, UInt64) = (0, 0)
        while read(self.readEnd, &bytes, 16) > 0 {}
    }
}
