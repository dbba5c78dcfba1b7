import ForebayCore
import ForebayTestKit
import Testing

@testable import ForebaySpool

@Suite("Spool: threads")
struct ThreadTests {
    /// Threads that only tell when they are ended.
    private struct Threads: ExecutorSource {
        struct Named: WorkThread {
            let label: String
            let ended: Happenings<String>
            let threadID: Int32 = 0

            func executor() -> any SerialExecutor { fatalError("nothing runs on it") }
            func end() { self.ended.add(self.label) }
        }

        let ended = Happenings<String>()
        var tasks: (any TaskExecutor)? { nil }

        func thread(label: String) -> any WorkThread { Named(label: label, ended: self.ended) }
    }

    @Test("all that serve the logs of a node are ended with it")
    func end() {
        let threads = Threads()
        var surroundings = Surroundings.real
        surroundings.executors = threads
        SpoolThreads(surroundings).end()
        #expect(threads.ended.all.sorted() == ["fb-commit", "fb-keeper", "fb-patient", "fb-reader"])
    }
}
