import ForebayTestKit
import Foundation
import Testing

@testable import ForebayCore

@Suite struct ThreadExecutorTests {
    private actor Counter {
        private let thread: ThreadExecutor
        private(set) var count = 0

        nonisolated var unownedExecutor: UnownedSerialExecutor { self.thread.asUnownedSerialExecutor() }

        init(_ thread: ThreadExecutor) {
            self.thread = thread
        }

        func increment() { self.count += 1 }

        func whereItRuns() throws -> (id: Int32, name: String) {
            let id = ThreadID.current
            return (id, String(decoding: try #require(FileManager.default.contents(atPath: "/proc/self/task/\(id)/comm")), as: UTF8.self))
        }
    }

    @Test func hasAThreadOfItsName() async throws {
        for label in ["fb-x", "fifteen-letters"] {
            let thread = ThreadExecutor(label: label)
            let (id, name) = try await Counter(thread).whereItRuns()
            #expect(name == label + "\n" && id == thread.thread && id == thread.threadID && id > 0 && id != ThreadID.current)
            #expect(thread.executor() === thread)
            thread.end()
            #expect(await eventually { !FileManager.default.fileExists(atPath: "/proc/self/task/\(id)") }, "it ends")
        }
    }

    @Test func isFreedWithItsThreadWhenItEnds() async {
        weak var held: ThreadExecutor?
        do {
            let thread = ThreadExecutor(label: "short")
            held = thread
            await Counter(thread).increment()
            #expect(held != nil)
            thread.end()
        }
        #expect(await eventually { held == nil })
    }

    @Test func staysAsLongAsItIsNotEnded() async {
        let counter: Counter
        do { counter = Counter(ThreadExecutor(label: "kept")) }
        for _ in 0..<10 { await counter.increment() }
        #expect(await counter.count == 10)
    }

    @Test func namesLeaveNoFileOpen() throws {
        let before = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count
        let own = String(decoding: try #require(FileManager.default.contents(atPath: "/proc/thread-self/comm")).dropLast(), as: UTF8.self)
        for _ in 0..<200 { ThreadName.set("a-name-that-is-too-long") }
        #expect(
            FileManager.default.contents(atPath: "/proc/thread-self/comm").map { String(decoding: $0, as: UTF8.self) }
                == "a-name-that-is-\n")
        ThreadName.set(own)
        #expect(try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count < before + 100, "others' tests may hold some")
    }

    @Test func runsWhatComesAfterItsEndTooOneByOne() async {
        let thread = ThreadExecutor(label: "test")
        let counter = Counter(thread)
        await counter.increment()
        thread.end()
        for _ in 0..<3 { await counter.increment() }
        await withTaskGroup { group in
            for _ in 0..<1000 { group.addTask { await counter.increment() } }
        }
        #expect(await counter.count == 1004)
    }
}
