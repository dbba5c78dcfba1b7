package import ForebayCore

/// What the contract of ``DurableLog`` needs of one conformer.
package protocol DurableLogWorld: AnyObject {
    var log: any DurableLog { get }

    /// The values of all that it holds, in their order.
    func contents() async throws -> [String]

    /// The process is killed, and the next one opens the log.
    func restart() async throws

    /// Nothing is taken from now on.
    func close() async

    /// More bytes than it has room for at once, and fewer than it has room for in all.
    var tooLarge: Int { get }
}

/// What every ``DurableLog`` does.
package enum DurableLogClaim: CaseIterable, Sendable {
    case answersInOrder, numbersFirst, storesWholeSubmissions, survives, takesNumbersOnce, refusesWhatDoesNotFit, tellsWhenFull
    case takesNothingOnceClosed, takesNothingForNothing

    /// - Throws: ``ContractViolation``, or what the world failed with.
    package func check(_ world: any DurableLogWorld) async throws {
        switch self {
        case .answersInOrder: try await Self.answersInOrder(world)
        case .numbersFirst: try await Self.numbersFirst(world)
        case .storesWholeSubmissions: try await Self.storesWholeSubmissions(world)
        case .survives: try await Self.survives(world)
        case .takesNumbersOnce: try await Self.takesNumbersOnce(world)
        case .refusesWhatDoesNotFit: try await Self.refusesWhatDoesNotFit(world)
        case .tellsWhenFull: try await Self.tellsWhenFull(world)
        case .takesNothingOnceClosed: try await Self.takesNothingOnceClosed(world)
        case .takesNothingForNothing: try await Self.takesNothingForNothing(world)
        }
    }

    /// - Parameter batches: the values of each, of a route of its own.
    private static func submission(
        _ batches: [[String]], padding: Int = 0, onNumbered: (@Sendable ([UInt64]) -> Void)? = nil
    ) -> Submission {
        Submission(
            batches: batches.enumerated().map { place, values in
                let samples = values.map { EventFactory.Sample("t", value: $0 + String(repeating: " ", count: padding), timestamp: 1) }
                let batch = EventFactory.batch(samples, spool: .none, first: 0, route: "route-\(place)", acceptedAt: 1)
                return Batch(
                    lane: batch.lane, origin: nil, first: 0, count: batch.count, route: batch.route, acceptedAt: batch.acceptedAt,
                    slab: batch.slab, range: batch.range)
            }, ack: AckToken(onNumbered: onNumbered) { _ in })
    }

    private static func receipt(_ outcome: AckOutcome) throws(ContractViolation) -> DurableReceipt {
        guard case .durable(let receipt) = outcome else { throw ContractViolation("\(outcome) instead of durable") }
        return receipt
    }

    private static func require(_ world: any DurableLogWorld, holds values: [String]) async throws {
        let found = try await world.contents().map { String($0.prefix { $0 != " " }) }
        try ContractViolation.unless(found == values, "the log holds \(found) instead of \(values)")
    }

    private static func answersInOrder(_ world: any DurableLogWorld) async throws {
        var numbers: [UInt64] = []
        for group in 0..<4 {
            let group = (0..<5).map { place in self.submission([["\(group)-\(place)-a", "\(group)-\(place)-b"], ["\(group)-\(place)-c"]]) }
            let receipts = try await world.log.store(group, isolation: #isolation).map(self.receipt)
            try ContractViolation.unless(receipts.count == group.count, "\(receipts.count) outcomes of \(group.count) submissions")
            for receipt in receipts {
                try ContractViolation.unless(receipt.firstSequences.count == 2, "two batches have the numbers \(receipt.firstSequences)")
                numbers += [receipt.firstSequences[0], receipt.firstSequences[0] + 1, receipt.firstSequences[1]]
            }
        }
        try ContractViolation.unless(Set(numbers).count == numbers.count, "a number was taken twice: \(numbers)")
        // Those of a route lie in their order.
        let found = try await world.contents()
        for route in [["a", "b"], ["c"]] {
            let values = (0..<4).flatMap { group in (0..<5).flatMap { place in route.map { "\(group)-\(place)-\($0)" } } }
            let own = found.filter { value in route.contains { value.hasSuffix($0) } }
            try ContractViolation.unless(own == values, "of a route the log holds \(own)")
        }
    }

    private static func numbersFirst(_ world: any DurableLogWorld) async throws {
        let told = Happenings<[UInt64]>()
        let outcomes = await world.log.store(
            [self.submission([["a"], ["b"]], onNumbered: { told.add($0) })], isolation: #isolation)
        let receipt = try self.receipt(outcomes[0])
        try ContractViolation.unless(told.all == [receipt.firstSequences], "\(told.all) were told of \(receipt.firstSequences)")
    }

    private static func storesWholeSubmissions(_ world: any DurableLogWorld) async throws {
        let outcomes = await world.log.store(
            [self.submission([["small"], ["large"]], padding: world.tooLarge), self.submission([["fits"]])], isolation: #isolation)
        guard case .refused = outcomes[0] else { throw ContractViolation("what does not fit is \(outcomes[0])") }
        _ = try self.receipt(outcomes[1])
        try await self.require(world, holds: ["fits"])
        try await world.restart()
        try await self.require(world, holds: ["fits"])
    }

    private static func survives(_ world: any DurableLogWorld) async throws {
        var values: [String] = []
        for life in 0..<3 {
            for number in 0..<7 {
                _ = try self.receipt(await world.log.store([self.submission([["\(life)-\(number)"]])], isolation: #isolation)[0])
                values.append("\(life)-\(number)")
            }
            try await world.restart()
            try await self.require(world, holds: values)
        }
    }

    private static func takesNumbersOnce(_ world: any DurableLogWorld) async throws {
        let log = world.log
        let receipts = try await withThrowingTaskGroup(of: [DurableReceipt].self) { tasks in
            for task in 0..<6 {
                tasks.addTask {
                    var receipts: [DurableReceipt] = []
                    for number in 0..<10 {
                        receipts.append(try self.receipt(await log.store([self.submission([["\(task)-\(number)"]])], isolation: nil)[0]))
                    }
                    return receipts
                }
            }
            return try await tasks.reduce(into: []) { $0 += $1 }
        }
        let numbers = Set(receipts.flatMap(\.firstSequences))
        try ContractViolation.unless(numbers.count == 60, "60 events have \(numbers.count) numbers")
        let found = try await world.contents()
        for task in 0..<6 {
            let own = found.filter { $0.hasPrefix("\(task)-") }
            try ContractViolation.unless(own == (0..<10).map { "\(task)-\($0)" }, "one task's events lie in the order \(own)")
        }
    }

    private static func refusesWhatDoesNotFit(_ world: any DurableLogWorld) async throws {
        let told = Happenings<Int>()
        let group = (0..<5).map { place in
            self.submission([["\(place)"]], padding: place % 2 == 0 ? 0 : world.tooLarge, onNumbered: { _ in told.add(place) })
        }
        let outcomes = await world.log.store(group, isolation: #isolation)
        let stored = outcomes.indices.filter { if case .durable = outcomes[$0] { true } else { false } }
        try ContractViolation.unless(stored == [0, 2, 4] && told.all == stored, "stored were \(stored), numbered \(told.all)")
        try await self.require(world, holds: ["0", "2", "4"])
    }

    private static func tellsWhenFull(_ world: any DurableLogWorld) async throws {
        try ContractViolation.unless(!world.log.isFull, "an empty log is full")
        var values: [String] = []
        for number in 0..<100_000 {
            let outcome = await world.log.store([self.submission([["\(number)"]], padding: 4 << 10)], isolation: #isolation)[0]
            guard case .durable = outcome else {
                try ContractViolation.unless(world.log.isFull, "a log that refuses does not say that it is full")
                return try await self.require(world, holds: values)
            }
            values.append("\(number)")
        }
        throw ContractViolation("a log with a bound has none")
    }

    private static func takesNothingOnceClosed(_ world: any DurableLogWorld) async throws {
        _ = await world.log.store([self.submission([["before"]])], isolation: #isolation)
        await world.close()
        let outcomes = await world.log.store([self.submission([["behind"]]), self.submission([["it"]])], isolation: #isolation)
        for outcome in outcomes { if case .durable = outcome { throw ContractViolation("a closed log stores") } }
        try ContractViolation.unless(outcomes.count == 2, "\(outcomes.count) outcomes of two submissions")
        try await world.restart()
        try await self.require(world, holds: ["before"])
    }

    private static func takesNothingForNothing(_ world: any DurableLogWorld) async throws {
        let outcomes = await world.log.store([], isolation: #isolation)
        try ContractViolation.unless(outcomes.isEmpty, "\(outcomes.count) outcomes of none")
        try await self.require(world, holds: [])
    }
}
