import ForebayCore

/// What was pulled and is not settled: flights in the order of the source, the batches that hold their bytes, and how far each lane is
/// settled.
///
///     head ... settled ... sent ... queued ... tail
///
/// A lane's cursor is the end of its unbroken run of settled events (``LanePrefix``): no lane waits for another's.
struct InFlightWindow {
    private var flights = FlightRing()
    private var batches = BatchQueue()
    private var lanes: [LanePrefix] = []
    /// Lanes that are not the source's any more, as long as anything of them is in flight; then they are given back.
    private var closing: Set<Lane> = []
    private var givenBack: [Lane] = []
    /// What a flight takes of the budget until the ring has room for others.
    private let flightCost: Int
    private var settledCount: UInt64 = 0
    /// Bytes of the events that are queued: pulled, and not given to a producer.
    private(set) var queuedBytes = 0
    /// The ends of what is settled, one per lane, that were not committed yet.
    private(set) var commits: [Offset] = []
    /// Budget that is to be given back.
    private(set) var released = 0

    /// - Parameter eventOverhead: what an event takes of the budget beside its bytes.
    init(eventOverhead: Int) {
        self.flightCost = min(MemoryLayout<Flight>.stride, eventOverhead)
    }

    // MARK: Flights

    var isEmpty: Bool { self.flights.isEmpty }
    var count: Int { self.flights.count }
    /// The number of the oldest flight that is not settled, and one past the newest.
    var head: UInt64 { self.flights.head }
    var tail: UInt64 { self.flights.tail }

    subscript(flight: UInt32) -> Flight {
        @inline(__always) get { self.flights[flight] }
        @inline(__always) _modify { yield &self.flights[flight] }
    }

    @inline(__always)
    func number(_ flight: UInt32) -> UInt64 { self.flights.number(flight) }

    func contains(_ number: UInt64) -> Bool { self.flights.contains(number) }

    /// The flight that a report's token means, if it still waits for one.
    @inline(__always)
    func sentFlight(_ token: UInt64) -> UInt32? {
        let flight = UInt32(truncatingIfNeeded: token)
        return self.flights.contains(token) && self.flights[flight].status == .sent ? flight : nil
    }

    // MARK: Taking in

    /// Takes a batch; its events are appended one by one behind it.
    ///
    /// - Parameters:
    ///   - cost: what it holds of the budget.
    ///   - partition: where its events go whatever their keys say.
    /// - Returns: its number.
    mutating func admit(_ batch: Batch, cost: Int, partition: Int32?) -> UInt32 {
        let number = self.batches.append(batch, firstFlight: self.flights.tail, cost: cost, partition: partition)
        if let lane = self.lanes.firstIndex(where: { $0.lane == batch.lane }) {
            self.lanes[lane].append(number, in: &self.batches)
        } else {
            self.lanes.append(LanePrefix(batch.lane, batch: number, in: self.batches))
        }
        return number
    }

    @inline(__always)
    mutating func append(_ flight: Flight) -> UInt32 {
        self.queuedBytes += Int(flight.bytes)
        return self.flights.append(flight)
    }

    // MARK: The events of flights

    /// Its views are valid while the flight is in its window.
    @inline(__always)
    func event(of flight: UInt32) -> Event {
        let entry = self.flights[flight]
        let bytes = UnsafeRawBufferPointer(start: self.batches.base(entry.batch) + Int(entry.record), count: Int(entry.bytes))
        return Event(at: bytes).unsafelyUnwrapped  // It was read when it was admitted.
    }

    /// Where the bytes of a batch begin.
    func base(ofBatch number: UInt32) -> UnsafeRawPointer { self.batches.base(number) }

    /// Where the event of a flight stands in its lane.
    @inline(__always)
    func sequence(of flight: UInt32) -> UInt64 { self.batches.place(of: self.flights.number(flight), in: self.flights[flight].batch) }

    /// Where the event of a flight stands in its source.
    func offset(of flight: UInt32) -> Offset { Offset(lane: self.batch(of: flight).lane, number: self.sequence(of: flight)) }

    /// What the id of its event begins with, if it came without one.
    @inline(__always)
    func origin(of flight: UInt32) -> SpoolID? { self.batches.origin(self.flights[flight].batch) }

    /// When its event was accepted, in ms since 1970.
    @inline(__always)
    func acceptedAt(_ flight: UInt32) -> Int64 { self.batches.acceptedAt(self.flights[flight].batch) }

    func batch(of flight: UInt32) -> Batch { self.batches[self.flights[flight].batch].batch }

    /// Of a partition that was set aside as a unit: where its event goes, whatever its key says.
    func unitPartition(of flight: UInt32) -> Int32? { self.batches.partition(self.flights[flight].batch) }

    /// All batches: what a producer that is closed may still read.
    var allBatches: [Batch] { self.batches.all }

    // MARK: What becomes of flights

    /// A producer took it.
    @inline(__always)
    mutating func send(_ flight: UInt32) {
        self.flights[flight].status = .sent
        self.queuedBytes -= Int(self.flights[flight].bytes)
    }

    /// It was sent, or left, and goes out again.
    mutating func requeue(_ flight: UInt32) {
        self.flights[flight].status = .queued
        self.queuedBytes += Int(self.flights[flight].bytes)
    }

    /// It is on its way into a log.
    ///
    /// - Parameter status: `settingAside` or `becomingDeadLetter`.
    mutating func divert(_ flight: UInt32, as status: Flight.Status) {
        self.unqueue(flight)
        self.flights[flight].status = status
    }

    /// Whatever a producer that holds it reports later.
    @inline(__always)
    mutating func settle(_ flight: UInt32) {
        self.unqueue(flight)
        self.flights[flight].status = .settled
        self.settledCount += 1
    }

    @inline(__always)
    private mutating func unqueue(_ flight: UInt32) {
        if self.flights[flight].status == .queued { self.queuedBytes -= Int(self.flights[flight].bytes) }
    }

    // MARK: What is settled

    /// Moves each lane's prefix over what is settled, and lets go of batches that are settled whole.
    ///
    /// Their flights go when no older one is in the ring; until then those cost what they take there.
    mutating func retire() {
        var isEmptied = false
        for index in self.lanes.indices {
            var released = 0
            let flightCost = self.flightCost
            let end = self.lanes[index].advance(self.flights, &self.batches) { released += $0.cost - $0.batch.count * flightCost }
            self.released += released
            if let end { self.commit(Offset(lane: self.lanes[index].lane, number: end)) }
            if self.lanes[index].isEmpty {
                isEmptied = true
                if self.closing.remove(self.lanes[index].lane) != nil { self.givenBack.append(self.lanes[index].lane) }
            }
        }
        if isEmptied { self.lanes.removeAll { $0.isEmpty } }
        let before = self.flights.head
        self.flights.retire()
        self.released += Int(self.flights.head - before) * self.flightCost
    }

    private mutating func commit(_ offset: Offset) {
        if let index = self.commits.firstIndex(where: { $0.lane == offset.lane }) {
            self.commits[index] = offset
        } else {
            self.commits.append(offset)
        }
    }

    /// Hands out what may be committed. What follows one that fails is handed out again.
    mutating func commit<Failure>(_ body: (Offset) throws(Failure) -> Void) throws(Failure) {
        for end in self.commits { try body(end) }
        self.commits.removeAll(keepingCapacity: true)
    }

    /// - Parameter bytes: of a batch that was not admitted.
    mutating func release(_ bytes: Int) { self.released += bytes }

    mutating func takeReleased() -> Int {
        defer { self.released = 0 }
        return self.released
    }

    // MARK: Lanes that come and go

    /// A lane is not the source's any more. Its cursor goes no further than the first of its events that is queued; if it was lost, no
    /// further than it stands.
    mutating func close(_ lane: Lane, isLost: Bool) {
        guard let index = self.lanes.firstIndex(where: { $0.lane == lane }) else { return self.givenBack.append(lane) }
        self.closing.insert(lane)
        if isLost { self.lanes[index].stop(at: self.lanes[index].head) }
    }

    var isClosing: Bool { !self.closing.isEmpty }

    /// Flights that are queued, of lanes that are not the source's any more: whoever has them next sends them.
    mutating func stopClosing() -> [UInt32] {
        var queued: [UInt32] = []
        for index in self.lanes.indices where self.closing.contains(self.lanes[index].lane) {
            let found = self.flights(of: index, .queued)
            if let first = found.first { self.lanes[index].stop(at: self.number(first)) }
            queued += found
        }
        return queued
    }

    /// Flights of a lane that producers have.
    func sentFlights(of lane: Lane) -> [UInt32] {
        self.lanes.firstIndex { $0.lane == lane }.map { self.flights(of: $0, .sent) } ?? []
    }

    private func flights(of index: Int, _ status: Flight.Status) -> [UInt32] {
        var found: [UInt32] = []
        var next: UInt32? = self.lanes[index].isEmpty ? nil : self.lanes[index].first
        while let batch = next {
            let entry = self.batches[batch]
            for number in max(entry.firstFlight, self.lanes[index].head)..<entry.endFlight {
                let flight = UInt32(truncatingIfNeeded: number)
                if self.flights[flight].status == status { found.append(flight) }
            }
            next = entry.next
        }
        return found
    }

    /// For each lane the first of its flights that may not be settled, which tells what its events are of.
    var lanesInFlight: [(lane: Lane, flight: UInt32)] {
        self.lanes.compactMap { $0.isEmpty ? nil : ($0.lane, UInt32(truncatingIfNeeded: $0.head)) }
    }

    /// What of a lane is settled and not below its committed end, and what is on its way into a log.
    func done(of lane: Lane) -> (settled: [UInt64], appending: [(token: UInt64, position: UInt64)]) {
        guard let index = self.lanes.firstIndex(where: { $0.lane == lane }) else { return ([], []) }
        let settled = self.flights(of: index, .settled).filter { !self.flights[$0].flags.contains(.letGo) }.map { self.sequence(of: $0) }
        let appending = (self.flights(of: index, .settingAside) + self.flights(of: index, .becomingDeadLetter)).map {
            (token: self.number($0), position: self.sequence(of: $0))
        }
        return (settled, appending)
    }

    /// Lanes of which nothing is in flight any more.
    mutating func takeGivenBack() -> [Lane] {
        guard !self.givenBack.isEmpty else { return [] }
        defer { self.givenBack = [] }
        return self.givenBack
    }

    /// Events that are settled beyond the oldest flight, which holds the cursor.
    var settledAheadCount: UInt64 { self.settledCount - min(self.settledCount, self.flights.head) }

    /// What is settled beyond the cursor, which the oldest flight holds: one lane's, the spool's.
    var settledAhead: SettledAhead {
        var ranges: [Range<UInt64>] = []
        var run: Range<UInt64>?
        var sentBelow: UInt64 = 0
        for number in self.flights.head..<self.flights.tail {
            let flight = UInt32(truncatingIfNeeded: number)
            let sequence = self.sequence(of: flight)
            switch self.flights[flight].status {
            case .settled: run = (run?.lowerBound ?? sequence)..<sequence + 1
            case let status:
                if let settled = run { ranges.append(settled) }
                run = nil
                if status != .queued || self.flights[flight].flags.contains(.mayBeStored) { sentBelow = sequence + 1 }
            }
        }
        if let run { ranges.append(run) }
        return SettledAhead(ranges: ranges, sentBelow: sentBelow)
    }
}
