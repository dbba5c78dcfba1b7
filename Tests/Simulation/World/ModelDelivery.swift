import ForebayCore
import ForebayTestKit

/// Stands for a delivering stage where Kafka does not matter: everything that comes arrives, in order, unless the cluster is away; what
/// arrived is settled now or a little later, whole or in parts.
actor ModelDelivery: Stage {
    private let executor: any SerialExecutor
    private let delivery: LineDelivery
    private let source: any EventSource
    private let model: Model
    private let isAway: @Sendable () -> Bool
    private let surroundings: Surroundings

    nonisolated var unownedExecutor: UnownedSerialExecutor { self.executor.asUnownedSerialExecutor() }
    nonisolated var taskExecutor: (any TaskExecutor)? { self.surroundings.tasks }

    init(
        _ delivery: LineDelivery, source: any EventSource, model: Model, executor: any SerialExecutor, surroundings: Surroundings,
        isAway: @escaping @Sendable () -> Bool
    ) {
        self.executor = executor
        self.delivery = delivery
        self.source = source
        self.model = model
        self.surroundings = surroundings
        self.isAway = isAway
    }

    func run() async throws {
        var chance = self.surroundings.chance.generator
        for await batch in self.source.batches() {
            while self.isAway() { try await self.surroundings.time.sleep(milliseconds: 100) }
            guard let origin = batch.origin else { return self.model.violate("a batch without an origin for its ids, of \(batch.lane)") }
            var end = batch.first
            // Settled in parts, now and then: a cursor may stand anywhere.
            let parts = Int.random(in: 0..<4, using: &chance) == 0 ? Int.random(in: 1...batch.count, using: &chance) : batch.count
            batch.forEachEvent { event, sequence in
                self.model.deliver(
                    event.value ?? UnsafeRawBufferPointer(start: nil, count: 0), id: EventID.text(origin: origin, sequence: sequence),
                    sequence: sequence, to: self.delivery)
                end = sequence + 1
            }
            if end != batch.end { self.model.violate("a batch of \(batch.count) events has \(end - batch.first)") }
            if Int.random(in: 0..<8, using: &chance) == 0 {
                try await self.surroundings.time.sleep(milliseconds: Int.random(in: 1...300, using: &chance))
            }
            if parts < batch.count {
                try self.source.commit(through: Offset(lane: batch.lane, number: batch.first + UInt64(parts)))
                await Task.yield()
            }
            try self.source.commit(through: Offset(lane: batch.lane, number: batch.end))
        }
        try Task.checkCancellation()
        throw ForebayError(.injected, recovery: .rewindAndRestart, "the source ended")
    }
}
