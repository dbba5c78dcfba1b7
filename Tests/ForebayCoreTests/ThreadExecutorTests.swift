import ForebayCore
import Testing

@Suite struct ThreadExecutorTests {
    private actor Counter {
        private let thread: ThreadExecutor
        private(set) var count = 0

        nonisolated var unownedExecutor: UnownedSerialExecutor { self.thread.asUnownedSerialExecutor() }

        init(_ thread: ThreadExecutor) {
            self.thread = thread
        }

        func increment() { self.count += 1 }
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
