package import ForebayCore

/// A consumer group's lanes in memory, for simulations: partitions with holes between their events, of which a member has some, gets and
/// loses some, and commits offsets that are durable only once they are flushed.
package final class GroupSource: EventSource, @unchecked Sendable {  // Safe because: one thread at a time runs the simulation.
    package struct Partition {
        package let topic: String
        package let number: Int32
        /// Its events, by their offsets; rising, with holes.
        package fileprivate(set) var events: [(offset: UInt64, event: EventFactory.Sample)]
        /// One past the last offset, which may be a hole.
        package fileprivate(set) var end: UInt64
        /// What the group would begin with now, as the brokers know it, and as this member committed it last.
        package fileprivate(set) var durable: UInt64 = 0
        fileprivate var committed: UInt64 = 0
        fileprivate var generation: Int32 = 0
        fileprivate var phase = Phase.unassigned
        fileprivate var next: UInt64 = 0

        package init(topic: String, number: Int32, events: [(offset: UInt64, event: EventFactory.Sample)], end: UInt64) {
            (self.topic, self.number, self.events, self.end) = (topic, number, events, end)
        }

        fileprivate var lane: Lane { .partition(topic: self.topic, self.number, generation: self.generation) }
    }

    package enum Phase { case unassigned, assigned, revoked }

    private var partitions: [Partition]
    private let origin: SpoolID
    private var random: SplitMix
    private var isReading = 0
    private var signal: AsyncStream<Void>.Continuation?
    private var changes: (pending: [LaneChange], signal: AsyncStream<Void>.Continuation?) = ([], nil)
    /// Called with each offset that a commit passes to, before it counts.
    private let onCommit: (_ partition: Int, _ end: UInt64) -> Void

    package init(
        _ partitions: [Partition], origin: SpoolID, seed: UInt64,
        onCommit: @escaping (_ partition: Int, _ end: UInt64) -> Void = { _, _ in }
    ) {
        (self.partitions, self.origin, self.random, self.onCommit) = (partitions, origin, SplitMix(seed: seed), onCommit)
    }

    // MARK: What the group does

    package var phases: [Phase] { self.partitions.map(\.phase) }
    package var isSettled: Bool { self.partitions.allSatisfy { max($0.durable, $0.committed) == $0.end } }
    package var places: [String] { self.partitions.map { "\($0.lane) \($0.phase) \($0.durable)/\($0.committed)/\($0.next) of \($0.end)" } }

    /// This member gets a partition, from where the brokers know the group to be.
    package func assign(_ index: Int) {
        guard self.partitions[index].phase == .unassigned else { return }
        self.begin(index)
    }

    /// A producer writes into it, behind a hole perhaps.
    package func append(_ event: EventFactory.Sample, to index: Int, hole: UInt64 = 0) {
        self.partitions[index].events.append((self.partitions[index].end + hole, event))
        self.partitions[index].end += hole + 1
        self.signal?.yield()
    }

    private func begin(_ index: Int) {
        self.partitions[index].phase = .assigned
        self.partitions[index].generation += 1
        self.partitions[index].committed = self.partitions[index].durable
        self.partitions[index].next = self.partitions[index].durable
        self.signal?.yield()
    }

    /// Another member is to have it, once this one has settled what is in flight.
    package func revoke(_ index: Int) {
        guard self.partitions[index].phase == .assigned else { return }
        self.partitions[index].phase = .revoked
        self.tell(.revoked(self.partitions[index].lane))
    }

    /// Another member has it already: the session was over.
    package func lose(_ index: Int) {
        guard self.partitions[index].phase != .unassigned else { return }
        self.partitions[index].phase = .unassigned
        self.tell(.lost(self.partitions[index].lane))
    }

    private func tell(_ change: LaneChange) {
        self.changes.pending.append(change)
        self.changes.signal?.yield()
    }

    /// The process is gone, and its member with it: what it committed and did not flush is forgotten.
    package func leave() {
        for index in self.partitions.indices { self.partitions[index].phase = .unassigned }
        (self.signal, self.changes) = (nil, ([], nil))
    }

    // MARK: A source

    package func batches() -> AsyncStream<Batch> {
        let (signals, signal) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        self.isReading += 1
        let reading = self.isReading
        self.signal = signal
        // What an earlier run was given comes again, on lanes of its own.
        for index in self.partitions.indices where self.partitions[index].phase != .unassigned {
            self.partitions[index].durable = max(self.partitions[index].durable, self.partitions[index].committed)
            self.begin(index)
        }
        signal.yield()
        let waiting = Waiting(signals.makeAsyncIterator())
        return AsyncStream(unfolding: {
            while self.isReading == reading {
                if let batch = self.nextBatch() { return batch }
                guard await waiting.next() else { return nil }
            }
            return nil
        })
    }

    private final class Waiting: @unchecked Sendable {  // Safe because: one consumer, so one call at a time.
        private var iterator: AsyncStream<Void>.Iterator

        init(_ iterator: AsyncStream<Void>.Iterator) { self.iterator = iterator }

        func next() async -> Bool { await self.iterator.next(isolation: nil) != nil }
    }

    private func nextBatch() -> Batch? {
        let ready = self.partitions.indices.filter {
            self.partitions[$0].phase == .assigned && self.partitions[$0].next < self.partitions[$0].end
        }
        guard let index = ready.randomElement(using: &self.random) else { return nil }
        let partition = self.partitions[index]
        let most = Int.random(in: 1...40, using: &self.random)
        let some = partition.events.drop { $0.offset < partition.next }.prefix(most)
        guard let last = some.last else {
            // Only holes are left: nobody tells of them but the end.
            self.partitions[index].next = partition.end
            self.partitions[index].committed = partition.end
            self.onCommit(index, partition.end)
            return self.nextBatch()
        }
        let isAll = last.offset == partition.events.last?.offset
        let end = isAll ? partition.end : last.offset + 1
        self.partitions[index].next = end
        let plain = EventFactory.batch(some.map(\.event), spool: self.origin, first: 0, acceptedAt: 1)
        return Batch(
            lane: partition.lane, origin: nil, first: partition.next, count: plain.count,
            holes: HoledPlaces(
                distances: some.map { UInt32(truncatingIfNeeded: $0.offset - partition.next) }, length: end - partition.next),
            route: plain.route, acceptedAt: 1, slab: plain.slab, range: plain.range)
    }

    package func laneChanges() -> AsyncStream<LaneChange> {
        let (signals, signal) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        self.changes = ([], signal)
        let waiting = Waiting(signals.makeAsyncIterator())
        return AsyncStream(unfolding: {
            while self.changes.pending.isEmpty {
                guard await waiting.next() else { return nil }
            }
            return self.changes.pending.removeFirst()
        })
    }

    package func counts(_ lane: Lane) -> Bool { self.index(of: lane).map { self.partitions[$0].phase == .assigned } ?? false }

    package func released(_ lane: Lane) {
        guard let index = self.index(of: lane), self.partitions[index].phase == .revoked else { return }
        self.partitions[index].durable = max(self.partitions[index].durable, self.partitions[index].committed)
        self.partitions[index].phase = .unassigned
    }

    /// The partition of a lane, if that is its newest assignment.
    private func index(of lane: Lane) -> Int? { self.partitions.firstIndex { $0.lane == lane } }

    // MARK: Cursors

    package func load(_ lane: Lane) -> UInt64? {
        self.index(of: lane).flatMap { self.partitions[$0].phase == .unassigned ? nil : self.partitions[$0].committed }
    }

    package func commit(through end: Offset) {
        guard let index = self.index(of: end.lane), self.partitions[index].phase != .unassigned else { return }
        precondition(end.number >= self.partitions[index].committed, "a cursor never moves back")
        self.onCommit(index, end.number)
        self.partitions[index].committed = end.number
    }

    package func flush() {
        for index in self.partitions.indices where self.partitions[index].phase != .unassigned {
            self.partitions[index].durable = max(self.partitions[index].durable, self.partitions[index].committed)
        }
    }

    package var cursor: Offset { Offset(lane: .partition(topic: "", 0), number: 0) }

    package var lag: UInt64 { self.partitions.reduce(0) { $0 + $1.end - $1.committed } }
}
