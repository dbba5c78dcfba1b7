import Testing

@testable import ForebayNet

@Suite("Loop's queue")
struct LoopQueueTests {
    private let queue = LoopQueue()
    private let seen = Shared<[Int]>([])

    private func append(_ number: Int) -> LoopQueue.Appended {
        self.queue.append(.body { [seen] in seen.withLock { $0.append(number) } })
    }

    private func run() { self.queue.run(on: MainActor.sharedUnownedExecutor) }

    @Test("runs what waits, once, in the order of appending")
    func order() {
        for number in 0..<100 { _ = self.append(number) }
        self.run()
        self.run()
        #expect(self.seen.value == Array(0..<100))
    }

    @Test("only the first append since the last run has to wake the loop")
    func wakesOnce() {
        #expect(self.append(1) == .mustWake)
        #expect(self.append(2) == .willRun)
        self.run()
        #expect(self.append(3) == .mustWake)
    }

    @Test("what is appended while others run waits for the next run, and wakes the loop for it")
    func appendedMeanwhile() {
        let (queue, seen) = (self.queue, self.seen)
        _ = queue.append(
            .body {
                let inner = queue.append(.body { seen.withLock { $0.append(2) } })
                seen.withLock { $0.append(inner == .mustWake ? 1 : 0) }
            })
        self.run()
        #expect(self.seen.value == [1])
        #expect(!self.queue.isEmpty)
        self.run()
        #expect(self.seen.value == [1, 2])
    }

    @Test("ends only when nothing waits, and takes nothing after")
    func ends() {
        _ = self.append(1)
        #expect(!self.queue.endIfEmpty())
        self.run()
        #expect(self.queue.endIfEmpty())
        #expect(self.append(2) == .ended)
        self.run()
        #expect(self.seen.value == [1])
    }

    @Test("gives back what a body held, as soon as all have run")
    func releases() {
        weak var held: Shared<Int>?
        do {
            let value = Shared(0)
            held = value
            _ = self.queue.append(.body { value.add(1) })
        }
        #expect(held != nil)
        self.run()
        #expect(held == nil)
    }
}
