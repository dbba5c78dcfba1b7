import ForebayCore

/// What every ``EventSource`` does, and the ``CursorStore`` in it.
package enum EventSourceClaim: CaseIterable, Sendable {
    case handsOutInOrder, handsOutAgain, passesWhatIsSettled, wakes, hasOneConsumer, losesNothingWhenCancelled, countsLag, loadsCursors
    case flushesCursors, losesNothingInACrash, keepsWhatIsSettledAhead, givesLanesBack, losesLanes

    static let count = 60

    /// - Throws: ``ContractViolation``, or what the world failed with.
    package func check(_ world: any EventSourceWorld) async throws {
        try await world.add(Self.values(0..<Self.count))
        switch self {
        case .handsOutInOrder: try await Self.handsOutInOrder(world)
        case .handsOutAgain: try await Self.handsOutAgain(world)
        case .passesWhatIsSettled: try await Self.passesWhatIsSettled(world)
        case .wakes: try await Self.wakes(world)
        case .hasOneConsumer: try await Self.hasOneConsumer(world)
        case .losesNothingWhenCancelled: try await Self.losesNothingWhenCancelled(world)
        case .countsLag: try await Self.countsLag(world)
        case .loadsCursors: try await Self.loadsCursors(world)
        case .flushesCursors: try await Self.flushesCursors(world)
        case .losesNothingInACrash: try await Self.losesNothingInACrash(world)
        case .keepsWhatIsSettledAhead: try await Self.keepsWhatIsSettledAhead(world)
        case .givesLanesBack: try await Self.givesLanesBack(world)
        case .losesLanes: try await Self.losesLanes(world)
        }
    }

    static func values(_ numbers: Range<Int>) -> [String] { numbers.map(String.init) }

    /// All are there, each once, and those of a lane in the order in which they were added.
    private static func require(_ read: [EventSourceReading.Read], are values: some Sequence<String>) throws(ContractViolation) {
        let (found, wanted) = (read.map(\.value).sorted(), values.sorted())
        try ContractViolation.unless(found == wanted, "handed out were \(found) instead of \(wanted)")
        for (lane, events) in Dictionary(grouping: read, by: \.lane) {
            let numbers = events.compactMap { Int($0.value) }
            try ContractViolation.unless(numbers == numbers.sorted(), "the events of \(lane) are out of order: \(numbers)")
        }
    }

    /// Settles the first events of each lane, half of them: in the middle of a batch, too.
    ///
    /// - Returns: what is not settled.
    private static func settleHalf(_ read: [EventSourceReading.Read], _ source: any EventSource) throws -> [String] {
        var left: [String] = []
        for (lane, events) in Dictionary(grouping: read, by: \.lane) {
            let settled = events.count / 2
            if settled > 0 { try source.commit(through: Offset(lane: lane, number: events[settled - 1].place + 1)) }
            left += events.dropFirst(settled).map(\.value)
        }
        return left
    }

    private static func settle(_ lanes: [Lane: [Batch]], _ source: any EventSource) throws {
        for (lane, batches) in lanes { try source.commit(through: Offset(lane: lane, number: batches.last!.end)) }
    }

    // MARK: Reading

    private static func handsOutInOrder(_ world: any EventSourceWorld) async throws {
        let reading = EventSourceReading(world)
        try self.require(try await reading.events(self.count), are: self.values(0..<self.count))
        for (lane, batches) in reading.lanes {
            let overlap = zip(batches, batches.dropFirst()).first { $0.end > $1.first }
            try ContractViolation.unless(
                overlap == nil, "\(lane): a batch ends at \(overlap!.0.end), the next begins at \(overlap!.1.first)")
            for batch in batches {
                var places: [UInt64] = []
                batch.forEachEvent { places.append($1) }
                try ContractViolation.unless(
                    places == Array(Set(places)).sorted() && places.allSatisfy { (batch.first..<batch.end).contains($0) },
                    "\(lane): places \(places) in a batch of \(batch.first)..<\(batch.end)")
            }
            try ContractViolation.unless(world.source.counts(lane), "\(lane) does not count")
        }
    }

    private static func handsOutAgain(_ world: any EventSourceWorld) async throws {
        for _ in 0..<3 { try self.require(try await EventSourceReading(world).events(self.count), are: self.values(0..<self.count)) }
    }

    private static func passesWhatIsSettled(_ world: any EventSourceWorld) async throws {
        var values = self.values(0..<self.count)
        for _ in 0..<3 {
            let reading = EventSourceReading(world)
            let read = try await reading.events(values.count)
            try self.require(read, are: values)
            values = try self.settleHalf(read, world.source)
        }
        let last = EventSourceReading(world)
        try self.require(try await last.events(values.count), are: values)
        try self.settle(last.lanes, world.source)
        try await world.add(["1000"])
        try self.require(try await EventSourceReading(world).events(1), are: ["1000"])
    }

    private static func wakes(_ world: any EventSourceWorld) async throws {
        let reading = EventSourceReading(world)
        _ = try await reading.events(self.count)
        for number in self.count..<(self.count + 5) {
            try await world.add(["\(number)"])
            try self.require(try await reading.events(number + 1), are: self.values(0..<(number + 1)))
        }
    }

    private static func hasOneConsumer(_ world: any EventSourceWorld) async throws {
        let first = EventSourceReading(world)
        _ = try await first.events(self.count)
        let second = EventSourceReading(world)
        _ = try await second.events(self.count)
        try await world.add(self.values(self.count..<(self.count + 20)))
        try self.require(try await second.events(self.count + 20), are: self.values(0..<(self.count + 20)))
        try ContractViolation.unless(first.values.count == self.count, "an earlier reading got \(first.values.dropFirst(self.count))")
    }

    private static func losesNothingWhenCancelled(_ world: any EventSourceWorld) async throws {
        for wanted in [0, 1, 30] {
            let reading = EventSourceReading(world)
            _ = await eventually { reading.values.count >= wanted }
            await reading.cancel()
        }
        try self.require(try await EventSourceReading(world).events(self.count), are: self.values(0..<self.count))
    }

    // MARK: Cursors

    private static func countsLag(_ world: any EventSourceWorld) async throws {
        let reading = EventSourceReading(world)
        let read = try await reading.events(self.count)
        try ContractViolation.unless(world.source.lag >= self.count, "the lag of \(self.count) events is \(world.source.lag)")
        let left = try self.settleHalf(read, world.source)
        try ContractViolation.unless(
            world.source.lag >= left.count && world.source.lag < self.count, "the lag of \(left.count) events is \(world.source.lag)")
        try self.settle(reading.lanes, world.source)
        _ = await eventually { world.source.lag == 0 }
        try ContractViolation.unless(world.source.lag == 0, "all is settled, and the lag is \(world.source.lag)")
    }

    private static func loadsCursors(_ world: any EventSourceWorld) async throws {
        let reading = EventSourceReading(world)
        let lanes = Dictionary(grouping: try await reading.events(self.count), by: \.lane)
        for (lane, events) in lanes {
            let begun = try await world.source.load(lane)
            try ContractViolation.unless(
                begun.map { $0 <= events[0].place } == true, "the cursor of \(lane) is \(begun, default: "none") at first")
            for event in events.dropLast() {
                try world.source.commit(through: Offset(lane: lane, number: event.place + 1))
                let place = try await world.source.load(lane)
                try ContractViolation.unless(
                    place == event.place + 1, "the cursor of \(lane), settled through \(event.place + 1), is \(place, default: "none")")
            }
        }
        for lane in [Lane.spool(.none), .partition(topic: "another's", 0), .unit(999)] {
            let place = try await world.source.load(lane)
            try ContractViolation.unless(place == nil, "another's lane \(lane) has a cursor at \(place!)")
        }
    }

    private static func flushesCursors(_ world: any EventSourceWorld) async throws {
        let left = try self.settleHalf(try await EventSourceReading(world).events(self.count), world.source)
        try await world.source.flush()
        guard try await world.restart() else { return }
        try self.require(try await EventSourceReading(world).events(left.count), are: left)
    }

    private static func losesNothingInACrash(_ world: any EventSourceWorld) async throws {
        let left = try self.settleHalf(try await EventSourceReading(world).events(self.count), world.source)
        guard try await world.restart() else { return }
        let reading = EventSourceReading(world)
        _ = await eventually { Set(reading.values).isSuperset(of: left) }
        let missing = Set(left).subtracting(reading.values)
        try ContractViolation.unless(missing.isEmpty, "after a crash \(missing.sorted()) are not handed out")
    }

    private static func keepsWhatIsSettledAhead(_ world: any EventSourceWorld) async throws {
        guard world.source.keepsAhead else { return }
        let read = try await EventSourceReading(world).events(self.count)
        // An older event holds the cursor.
        let settled = [1..<7, 20..<21, 40..<60].map { read[$0.lowerBound].place..<(read[$0.upperBound - 1].place + 1) }
        let left = read.filter { event in !settled.contains { $0.contains(event.place) } }.map(\.value)
        world.source.settled(ahead: UInt64(self.count - left.count))
        world.source.keep(SettledAhead(ranges: settled, sentBelow: read.last!.place + 1), isFinal: true)
        let reading = EventSourceReading(world)
        try self.require(try await reading.events(left.count), are: left)
        try await world.source.flush()
        guard try await world.restart() else { return }
        try self.require(try await EventSourceReading(world).events(left.count), are: left)
    }

    // MARK: Lanes

    /// Listens to what happens to lanes, and takes them.
    private static func take(
        _ world: any EventSourceWorld, isLost: Bool
    ) async throws -> (lanes: [Lane: [Batch]], left: [String])? {
        let reading = EventSourceReading(world)
        let (stream, changes) = (world.source.laneChanges(), Happenings<LaneChange>())
        let listening = Task(preferring: world.tasks) { for await change in stream { changes.add(change) } }
        defer { listening.cancel() }
        let read = try await reading.events(self.count)
        guard world.takeLanes(isLost: isLost) else { return nil }
        _ = await eventually { changes.count >= reading.lanes.count }
        let wanted = Set(reading.lanes.keys.map { isLost ? "lost(\($0))" : "revoked(\($0))" })
        let told = Set(
            changes.all.map { change in
                switch change {
                case .revoked(let lane): "revoked(\(lane))"
                case .lost(let lane): "lost(\(lane))"
                }
            })
        try ContractViolation.unless(told.isSuperset(of: wanted), "told of \(told) instead of \(wanted)")
        for lane in reading.lanes.keys { try ContractViolation.unless(!world.source.counts(lane), "\(lane) was taken, and counts") }
        return (reading.lanes, try self.settleHalf(read, world.source))
    }

    private static func givesLanesBack(_ world: any EventSourceWorld) async throws {
        guard let (lanes, left) = try await self.take(world, isLost: false) else { return }
        for lane in lanes.keys { world.source.released(lane) }
        try self.require(try await EventSourceReading(world).events(left.count), are: left)
    }

    private static func losesLanes(_ world: any EventSourceWorld) async throws {
        guard let (lanes, _) = try await self.take(world, isLost: true) else { return }
        for lane in lanes.keys {
            let place = try await world.source.load(lane)
            try ContractViolation.unless(place == nil, "\(lane) is somebody else's, and has a cursor at \(place!)")
        }
        try self.require(try await EventSourceReading(world).events(self.count), are: self.values(0..<self.count))
    }
}
