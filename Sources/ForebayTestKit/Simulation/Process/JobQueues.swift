import ForebayCore

/// A queue of jobs: one actor's.
struct JobQueue: Equatable {
    let number: Int
    /// The simulated thread that runs it; while that one is in a call, none of its jobs runs.
    let thread: Int
}

/// Jobs that wait to be run: queues, each in its order, and jobs of no queue. Chance picks whose head is next, and now and then has a queue
/// wait for some milliseconds.
struct JobQueues<Job> {
    private var entries: [(job: Job, queue: JobQueue?)] = []
    /// Queues whose jobs wait until a time, by number.
    private var held: [Int: UInt64] = [:]

    /// The soonest time at which a queue goes on that waits now.
    var heldUntil: UInt64? { self.held.values.min() }

    mutating func push(_ job: Job, on queue: JobQueue?, at now: UInt64, _ chance: inout SplitMix) {
        if let queue, chance.next() & 1023 == 0 { self.held[queue.number] = now + 1_000_000 + chance.next() % 20_000_000 }
        self.entries.append((job, queue))
    }

    /// - Parameter waiting: threads that are in a call.
    mutating func hasReady(at now: UInt64, besides waiting: [Int]) -> Bool {
        if !self.held.isEmpty { self.held = self.held.filter { $0.value > now } }
        return self.held.isEmpty ? !self.entries.isEmpty : self.entries.contains { self.mayRun($0.queue, now, waiting) }
    }

    /// Takes one that may run now out.
    mutating func pick(at now: UInt64, besides waiting: [Int], _ chance: inout SplitMix) -> Job? {
        guard !self.entries.isEmpty else { return nil }
        var place = Int(chance.next() % UInt64(self.entries.count))
        if !waiting.isEmpty || !self.held.isEmpty {
            let open = self.entries.indices.filter { self.mayRun(self.entries[$0].queue, now, waiting) }
            guard !open.isEmpty else { return nil }
            place = open[place % open.count]
        }
        if let queue = self.entries[place].queue { place = self.entries.firstIndex { $0.queue == queue } ?? place }
        return self.entries.remove(at: place).job
    }

    /// No queue waits any more.
    mutating func release() { self.held = [:] }

    private func mayRun(_ queue: JobQueue?, _ now: UInt64, _ waiting: [Int]) -> Bool {
        guard let queue else { return true }
        return !waiting.contains(queue.thread) && (self.held[queue.number] ?? 0) <= now
    }
}
