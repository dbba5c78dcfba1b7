import ForebayCore

/// One run's reading of a source, by a task of its own.
final class EventSourceReading: @unchecked Sendable {  // Safe because: the task only adds to what can be shared.
    struct Read: Sendable {
        let lane: Lane
        let place: UInt64
        let value: String
    }

    private let batches = Happenings<Batch>()
    private let task: Task<Void, Never>

    init(_ world: any EventSourceWorld) {
        let (stream, batches) = (world.begin(world.source.batches), self.batches)
        self.task = Task(preferring: world.tasks) { for await batch in stream { batches.add(batch) } }
    }

    deinit { self.task.cancel() }

    /// What it got until now, in order.
    var read: [Read] {
        var read: [Read] = []
        for batch in self.batches.all {
            batch.forEachEvent { event, place in
                read.append(
                    Read(lane: batch.lane, place: place, value: String(decoding: event.value ?? .init(start: nil, count: 0), as: UTF8.self))
                )
            }
        }
        return read
    }

    var values: [String] { self.read.map(\.value) }

    /// The batches of each lane, in order.
    var lanes: [Lane: [Batch]] { Dictionary(grouping: self.batches.all, by: \.lane) }

    /// Waits for so many events.
    ///
    /// - Throws: ``ContractViolation``: they do not come, or are more.
    func events(_ count: Int) async throws -> [Read] {
        _ = await eventually { self.batches.all.reduce(0) { $0 + $1.count } >= count }
        let read = self.read
        try ContractViolation.unless(read.count == count, "\(read.count) events were handed out instead of \(count): \(self.values)")
        return read
    }

    /// The consumer's task is cancelled, as a stage's is.
    func cancel() async {
        self.task.cancel()
        await self.task.value
    }
}
