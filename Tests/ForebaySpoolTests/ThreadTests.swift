import Dispatch
import ForebayCore
import ForebayTestKit
import Testing

@testable import ForebaySpool

@Suite("Spool: threads", .timeLimit(.minutes(1)))
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

    /// Has a thread to itself for a while.
    private actor Holder {
        private let executor: any SerialExecutor
        nonisolated var unownedExecutor: UnownedSerialExecutor { self.executor.asUnownedSerialExecutor() }

        init(_ thread: any WorkThread) { self.executor = thread.executor() }

        func hold(_ held: Happenings<Void>, until goesOn: DispatchSemaphore) {
            held.add(())
            goesOn.wait()
        }
    }

    @Test("no dead letter, and no stop, waits for those who wait for a device: those who read backlogs, and side logs")
    func held() async throws {
        let world = try LettersWorld()
        let threads = world.fixture.threads, goesOn = DispatchSemaphore(value: 0), held = Happenings<Void>()
        let letters = try world.open()
        for thread in [threads.read, threads.patient, threads.side] {
            Task { await Holder(thread).hold(held, until: goesOn) }
        }
        await held.wait(forCount: 3)
        for number in 0..<3 { #expect(try await letters.append([LettersWorld.letter(number)]) == [UInt64(number)]) }
        #expect(letters.count == 3)
        #expect(await !letters.close())
        for _ in 0..<3 { goesOn.signal() }
    }

    @Test("an append stands behind no list, nor does closing, where the device hangs that is to give it")
    func list() async throws {
        let disk = FaultDisk(), world = try LettersWorld(disk: disk)
        let letters = try world.open()
        for number in 0..<3 { _ = try await letters.append([LettersWorld.letter(number)]) }
        #expect(await !letters.close())
        let again = try world.open()
        let (hangs, goesOn) = (Happenings<Void>(), DispatchSemaphore(value: 0))
        disk.fail { call, path in
            guard call == .read, path.contains("/segments/") else { return nil }
            hangs.add(())
            goesOn.wait()
            goesOn.signal()
            return nil
        }
        let listing = Task { try await again.list(after: nil, limit: 10).count }
        await hangs.wait(forCount: 1)
        let selecting = Task { try await again.select(LetterPass { _ in true }).heads.count }
        #expect(try await again.append([LettersWorld.letter(3)]) == [3])
        #expect(await !again.close())
        goesOn.signal()
        let (listed, selected) = (try await listing.value, try await selecting.value)
        #expect(listed == 4 && [0, 4].contains(selected), "a pass finds nothing in a log that was closed before it began")
        disk.fail(nil)
    }

    @Test("all that serve the logs of a node are ended with it")
    func end() {
        let threads = Threads()
        var surroundings = Surroundings.real
        surroundings.executors = threads
        SpoolThreads(surroundings).end()
        #expect(threads.ended.all.sorted() == ["fb-commit", "fb-keeper", "fb-letters", "fb-patient", "fb-reader", "fb-side"])
    }
}
