import ForebayCore
import ForebayKafka
import ForebayTestKit
import Glibc
import Synchronization
import Testing

/// A value that closures of several tasks change.
private final class Shared<Value: Sendable>: Sendable {
    private let value: Mutex<Value>

    init(_ value: Value) { self.value = Mutex(value) }

    func withLock<Result: Sendable>(_ body: @Sendable (inout Value) -> Result) -> Result { self.value.withLock { body(&$0) } }
}

@Suite("SimulatedProcess: a seed decides the order, and the same seed decides the same")
struct SimulatedProcessTests {
    private actor Counter {
        private let executor: any SerialExecutor
        private var values: [Int] = []

        nonisolated var unownedExecutor: UnownedSerialExecutor { self.executor.asUnownedSerialExecutor() }

        init(_ executor: any SerialExecutor) { self.executor = executor }

        func add(_ value: Int) { self.values.append(value) }

        func all() -> [Int] { self.values }
    }

    private func run(_ seed: UInt64, _ body: @escaping @Sendable (Surroundings) async -> Void) -> (SimulatedProcess.Ending, UInt64) {
        let machine = SimulatedMachine()
        let process = SimulatedProcess(machine: machine, seed: seed)
        let surroundings = process.surroundings
        return (process.run(steps: 10_000) { await body(surroundings) }, machine.traceHash)
    }

    @Test("two tasks race; seeds differ, a seed does not")
    func orders() {
        func order(_ seed: UInt64) -> ([Int], UInt64) {
            let result = Shared<[Int]>([])
            let (ending, trace) = self.run(seed) { surroundings in
                let counter = Counter(surroundings.executors.thread(label: "a").executor())
                await withTaskGroup(of: Void.self) { group in
                    for value in 0..<4 { group.addTask { await counter.add(value) } }
                }
                let all = await counter.all()
                result.withLock { $0 = all }
            }
            #expect(ending == .ended)
            return (result.withLock { $0 }, trace)
        }
        var seen: Set<[Int]> = []
        for seed in 0..<60 as Range<UInt64> {
            let (first, second) = (order(seed), order(seed))
            #expect(first.0 == second.0 && first.1 == second.1)
            #expect(first.0.sorted() == [0, 1, 2, 3])
            seen.insert(first.0)
        }
        #expect(seen.count > 10)
    }

    @Test("time passes only here: sleeps take none, in order, and a cancelled one ends at once")
    func time() {
        let woken = Shared<[Int]>([])
        let (ending, _) = self.run(1) { surroundings in
            let time = surroundings.time
            let began = time.monotonicNanoseconds
            await withTaskGroup(of: Void.self) { group in
                for hours in [3, 1, 2] {
                    group.addTask {
                        try? await time.sleep(milliseconds: hours * 600_000)
                        woken.withLock { $0.append(hours) }
                    }
                }
            }
            #expect(time.monotonicNanoseconds - began >= 1_800_000_000_000)
            let sleeper = Task(executorPreference: surroundings.tasks) { try await time.sleep(milliseconds: 3_600_000) }
            sleeper.cancel()
            await #expect(throws: CancellationError.self) { try await sleeper.value }
        }
        #expect(ending == .ended)
        #expect(woken.withLock { $0 } == [1, 2, 3])
    }

    @Test("what never ends is told: nothing left to run, too many jobs, jobs from elsewhere")
    func stuck() {
        let (waiting, _) = self.run(1) { _ in
            await withUnsafeContinuation { (_: UnsafeContinuation<Void, Never>) in }
        }
        #expect(waiting == .stuck("nothing left to run"))
        let (turning, _) = self.run(1) { _ in while true { await Task.yield() } }
        #expect(turning == .stuck("more than 10000 jobs"))
        let (foreign, _) = self.run(1) { surroundings in
            let counter = Counter(surroundings.executors.thread(label: "a").executor())
            let gate = Shared(false)
            Task.detached {
                defer { gate.withLock { $0 = true } }
                await counter.add(1)
            }
            while !gate.withLock({ $0 }) {
                sched_yield()
                await Task.yield()
            }
        }
        #expect("\(foreign)".contains("stuck"))
    }

    @Test("in a call that waits others go on, those of the same thread do not")
    func pauses() {
        var others = 0
        for seed in 0..<40 as Range<UInt64> {
            let machine = SimulatedMachine()
            let process = SimulatedProcess(machine: machine, seed: seed)
            let surroundings = process.surroundings
            let seen = Shared((same: 0, other: 0, isWaiting: false))
            let ending = process.run {
                let thread = surroundings.executors.thread(label: "a")
                let (caller, same) = (Pausing(thread.executor()), Pausing(thread.executor()))
                let other = Pausing(surroundings.executors.thread(label: "b").executor())
                await withTaskGroup(of: Void.self) { group in
                    group.addTask {
                        await caller.perform {
                            seen.withLock { $0.isWaiting = true }
                            process.pause(nanoseconds: 1_000_000)
                            seen.withLock { $0.isWaiting = false }
                        }
                    }
                    group.addTask { await same.perform { seen.withLock { if $0.isWaiting { $0.same += 1 } } } }
                    group.addTask { await other.perform { seen.withLock { if $0.isWaiting { $0.other += 1 } } } }
                }
            }
            #expect(ending == .ended)
            #expect(seen.withLock { $0.same } == 0)
            others += seen.withLock { $0.other }
        }
        #expect(others > 5)
    }

    private actor Pausing {
        private let executor: any SerialExecutor

        nonisolated var unownedExecutor: UnownedSerialExecutor { self.executor.asUnownedSerialExecutor() }

        init(_ executor: any SerialExecutor) { self.executor = executor }

        func perform(_ body: @Sendable () -> Void) { body() }
    }

    private actor Asker {
        private let executor: any SerialExecutor
        private let producer: any KafkaProducing

        nonisolated var unownedExecutor: UnownedSerialExecutor { self.executor.asUnownedSerialExecutor() }

        init(_ executor: any SerialExecutor, _ producer: any KafkaProducing) { (self.executor, self.producer) = (executor, producer) }

        func askForMetadata() async { _ = await self.producer.metadataOfAllTopics(timeout: 1000) }

        func askForLimits() async { _ = await self.producer.limits(of: ["orders"]) }

        func close() { self.producer.close(keeping: []) }
    }

    @Test("a simulated producer that is closed just when it is asked answers")
    func closedWhenAsked() throws {
        for seed in 0..<60 as Range<UInt64> {
            let machine = SimulatedMachine()
            let process = SimulatedProcess(machine: machine, seed: seed)
            let loop = SimulatedLoop(process)
            let ending = process.run(steps: 10_000) {
                let producers = SimulatedProducers(SimulatedKafka(seed: seed), loop: loop)
                let producer = try? producers.open(
                    name: "one", kind: .bulk, properties: KafkaProperties(client: [:]), metrics: nil, wake: {})
                guard let producer else { return }
                let asker = Asker(loop.executor(), producer)
                await withTaskGroup(of: Void.self) { group in
                    group.addTask { await asker.askForMetadata() }
                    group.addTask { await asker.askForLimits() }
                    group.addTask { await asker.close() }
                }
            }
            #expect(ending == .ended, "seed \(seed)")
        }
    }
}
