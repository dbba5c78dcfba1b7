package import ForebayCore

/// What the contract of ``DeadLetterLog`` needs of one conformer.
package protocol DeadLetterLogWorld: AnyObject {
    var log: any DeadLetterLog { get }

    /// A letter with an id and a value.
    func contents() async throws -> [(number: UInt64, id: String)]

    /// The process is killed, and the next one opens the log.
    ///
    /// - Returns: false: it has no next one.
    func restart() async throws -> Bool

    /// Whether it can't store.
    func fail(_ fails: Bool) async
}

extension DeadLetterLogWorld {
    package func restart() async throws -> Bool { false }
}

/// What every ``DeadLetterLog`` does.
package enum DeadLetterLogClaim: CaseIterable, Sendable {
    case numbersInOrder, isDurableOnReturn, storesAllOrNone, takesNumbersOnce, takesNone, hasAWitness

    /// - Throws: ``ContractViolation``, or what the world failed with.
    package func check(_ world: any DeadLetterLogWorld) async throws {
        switch self {
        case .numbersInOrder: try await Self.numbersInOrder(world)
        case .isDurableOnReturn: try await Self.isDurableOnReturn(world)
        case .storesAllOrNone: try await Self.storesAllOrNone(world)
        case .takesNumbersOnce: try await Self.takesNumbersOnce(world)
        case .takesNone: try await Self.takesNone(world)
        case .hasAWitness: try await Self.hasAWitness(world)
        }
    }

    private static func letters(_ ids: some Sequence<String>) -> [DeadLetter] {
        ids.map { id in
            let batch = EventFactory.batch([.init("t", value: "value of \(id)", timestamp: 1)], spool: .none, first: 0)
            return DeadLetter(
                topic: "t", code: "MSG_SIZE_TOO_LARGE", reason: "why", eventID: id, offset: Offset(lane: .spool(.none), number: 7),
                record: batch.withUnsafeBytes { Array($0) })
        }
    }

    private static func require(_ world: any DeadLetterLogWorld, holds letters: [(UInt64, String)]) async throws {
        let found = try await world.contents()
        try ContractViolation.unless(
            found.map(\.id) == letters.map(\.1) && found.map(\.number) == letters.map(\.0), "the log holds \(found) instead of \(letters)")
    }

    private static func numbersInOrder(_ world: any DeadLetterLogWorld) async throws {
        var all: [(UInt64, String)] = []
        for count in [1, 5, 3] {
            let ids = (all.count..<(all.count + count)).map(String.init)
            let numbers = try await world.log.append(self.letters(ids))
            try ContractViolation.unless(
                numbers.count == count && numbers == numbers.sorted(), "\(count) letters have the numbers \(numbers)")
            all += zip(numbers, ids)
        }
        try ContractViolation.unless(Set(all.map(\.0)).count == all.count, "a number was taken twice: \(all)")
        try await self.require(world, holds: all)
    }

    private static func isDurableOnReturn(_ world: any DeadLetterLogWorld) async throws {
        var all: [(UInt64, String)] = []
        for life in 0..<3 {
            let ids = (0..<4).map { "\(life)-\($0)" }
            all += zip(try await world.log.append(self.letters(ids)), ids)
            guard try await world.restart() else { return }
            try await self.require(world, holds: all)
        }
    }

    private static func storesAllOrNone(_ world: any DeadLetterLogWorld) async throws {
        let first = try await world.log.append(self.letters(["a"]))
        await world.fail(true)
        do {
            _ = try await world.log.append(self.letters(["b", "c"]))
            throw ContractViolation("a log that can't store says that it has")
        } catch let violation as ContractViolation {
            throw violation
        } catch {}  // As it has to.
        await world.fail(false)
        let next = try await world.log.append(self.letters(["d"]))
        try await self.require(world, holds: [(first[0], "a"), (next[0], "d")])
    }

    private static func takesNumbersOnce(_ world: any DeadLetterLogWorld) async throws {
        let log = world.log
        let numbers = try await withThrowingTaskGroup(of: [UInt64].self) { tasks in
            for task in 0..<6 { tasks.addTask { try await log.append(self.letters((0..<5).map { "\(task)-\($0)" })) } }
            return try await tasks.reduce(into: []) { $0 += $1 }
        }
        try ContractViolation.unless(Set(numbers).count == 30, "30 letters have the numbers \(numbers.sorted())")
        let found = try await world.contents()
        try ContractViolation.unless(Set(found.map(\.number)) == Set(numbers), "the log holds \(found)")
    }

    private static func takesNone(_ world: any DeadLetterLogWorld) async throws {
        let numbers = try await world.log.append([])
        try ContractViolation.unless(numbers.isEmpty, "no letters have the numbers \(numbers)")
        try await self.require(world, holds: [])
    }

    private static func hasAWitness(_ world: any DeadLetterLogWorld) async throws {
        try ContractViolation.unless(world.log.witness == nil, "an empty log has a witness")
        var before: LogWitness?
        for id in ["a", "b", "c"] {
            _ = try await world.log.append(self.letters([id]))
            guard let witness = world.log.witness else { return }  // It gives none.
            if let before { try ContractViolation.unless(witness.covers(before) && !before.covers(witness), "\(witness) after \(before)") }
            before = witness
        }
    }
}
