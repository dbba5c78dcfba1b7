import ForebayCore

/// The partitions of all topics by their places, the queues of their events, and which of them are to be looked at.
///
/// A queue is a run of flights, linked in the window: no allocation for an event.
struct PartitionQueues {
    private var states: [PartitionState] = []
    /// Places that are nobody's.
    private(set) var free: [Int] = []
    /// Those that may have something to send, and how many of them were taken.
    private var readyPlaces: [Int] = []
    private var readyTaken = 0
    /// Those that back off until a time.
    private(set) var backingOff: [Int] = []
    private var generator: SplitMix

    init(seed: UInt64) {
        self.generator = SplitMix(seed: seed)
    }

    subscript(place: Int) -> PartitionState {
        @inline(__always) _read { yield self.states[place] }
        @inline(__always) _modify { yield &self.states[place] }
    }

    var places: Range<Int> { self.states.indices }

    /// - Returns: its place.
    mutating func add(_ partition: PartitionState) -> Int {
        if let free = self.free.popLast() {
            self.states[free] = partition
            return free
        }
        self.states.append(partition)
        return self.states.count - 1
    }

    mutating func remove(_ places: [Int]) { self.free += places }

    /// Of several live partitions of a topic.
    ///
    /// - Parameter live: their numbers; if there is none, one of all `count`.
    mutating func pick(_ live: [Int32], of count: Int) -> Int {
        if let live = live.randomElement(using: &self.generator) { return Int(live) }
        return Int.random(in: 0..<count, using: &self.generator)
    }

    // MARK: Which are to be looked at

    @inline(__always)
    mutating func markReady(_ place: Int) {
        guard !self.states[place].isReady else { return }
        self.states[place].isReady = true
        self.readyPlaces.append(place)
    }

    mutating func markReady(allOf places: [Int]) {
        for place in places where self.states[place].events.queued > 0 { self.markReady(place) }
    }

    var hasReady: Bool { self.readyTaken < self.readyPlaces.count }
    var ready: [Int] { Array(self.readyPlaces[self.readyTaken...]) }

    /// The next one, in the order in which they were marked.
    mutating func takeReady() -> Int? {
        guard self.hasReady else {
            self.readyPlaces.removeAll(keepingCapacity: true)
            self.readyTaken = 0
            return nil
        }
        defer { self.readyTaken += 1 }
        self.states[self.readyPlaces[self.readyTaken]].isReady = false
        return self.readyPlaces[self.readyTaken]
    }

    /// A partition is tried again at a time.
    mutating func backOff(_ place: Int, until: UInt64) {
        self.states[place].retry.retryAt = until
        self.backingOff.append(place)
    }

    mutating func wakeDue(now: UInt64) {
        for place in self.backingOff where self.states[place].retry.retryAt <= now { self.markReady(place) }
        self.backingOff.removeAll { self.states[$0].retry.retryAt <= now }
    }

    // MARK: Queues

    /// An event comes to a partition, behind those that are there.
    @inline(__always)
    mutating func append(_ flight: UInt32, to place: Int, in window: inout InFlightWindow, now: UInt64) {
        window[flight].place = UInt32(place)
        if self.states[place].events.unsettled == 0 {
            // Brokers forget a producer that was silent for long (`producer.id.expiration.ms`).
            if now > self.states[place].movedAt + Self.producerMemory { self.states[place].producer.known = 0 }
            self.states[place].events.oldest = flight
            self.states[place].movedAt = now
        } else {
            window[self.states[place].events.newest].next = flight
        }
        self.states[place].events.newest = flight
        if self.states[place].events.queued == 0 { self.states[place].events.next = flight }
        self.states[place].events.unsettled += 1
        self.states[place].events.queued += 1
        self.markReady(place)
    }

    private static let producerMemory: UInt64 = 600_000

    @inline(__always)
    func firstQueued(of place: Int, in window: inout InFlightWindow) -> UInt32 {
        var flight = self.states[place].events.next
        while window[flight].status != .queued {
            precondition(flight != self.states[place].events.newest, "a partition that says it has queued events has none")
            flight = window[flight].next
        }
        return flight
    }

    /// A producer took the first queued event.
    @inline(__always)
    mutating func sent(_ flight: UInt32, of place: Int, by slot: ProducerSlot, in window: inout InFlightWindow) {
        window.send(flight)
        self.states[place].events.next = window[flight].next
        self.states[place].events.queued -= 1
        self.states[place].events.outstanding += 1
        self.states[place].events.outstandingBytes += Int(window[flight].bytes)
        self.states[place].producer.slot = slot
        if slot == .single { self.states[place].producer.isAlone = true }
    }

    /// An event that was sent is queued again, before those behind it.
    mutating func requeue(_ flight: UInt32, of place: Int, in window: inout InFlightWindow) {
        window.requeue(flight)
        self.unsend(flight, place, &window)
        self.states[place].events.queued += 1
    }

    /// An event that was sent is not this partition's any more; its status says so already.
    @inline(__always)
    mutating func removeSent(_ flight: UInt32, of place: Int, in window: inout InFlightWindow) {
        self.unsend(flight, place, &window)
        self.remove(flight, place, &window)
    }

    /// The first queued event is not this partition's any more; its status says so already.
    mutating func removeQueued(_ flight: UInt32, of place: Int, in window: inout InFlightWindow) {
        self.states[place].events.next = window[flight].next
        self.states[place].events.queued -= 1
        self.remove(flight, place, &window)
    }

    /// An event that is queued anywhere in it is not this partition's any more; its status says so already.
    mutating func drop(_ flight: UInt32, of place: Int, in window: inout InFlightWindow) {
        self.states[place].events.queued -= 1
        // It may be gone from the ring before those behind it are sent.
        if self.states[place].events.next == flight, flight != self.states[place].events.newest {
            self.states[place].events.next = self.nextQueued(behind: flight, of: place, in: window)
        }
        self.remove(flight, place, &window)
    }

    /// - Returns: the newest, if none behind a flight is queued.
    private func nextQueued(behind flight: UInt32, of place: Int, in window: InFlightWindow) -> UInt32 {
        var next = window[flight].next
        while next != self.states[place].events.newest, window[next].status != .queued { next = window[next].next }
        return next
    }

    @inline(__always)
    private mutating func unsend(_ flight: UInt32, _ place: Int, _ window: inout InFlightWindow) {
        self.states[place].events.outstanding -= 1
        self.states[place].events.outstandingBytes -= Int(window[flight].bytes)
        self.states[place].producer.isAlone = false
    }

    @inline(__always)
    private mutating func remove(_ flight: UInt32, _ place: Int, _ window: inout InFlightWindow) {
        self.states[place].events.unsettled -= 1
        guard self.states[place].events.unsettled > 0 else { return }
        guard self.states[place].events.oldest == flight else {
            if window[flight].status != .settled { self.unlink(flight, place, &window) }
            return
        }
        var oldest = window[flight].next
        while window[oldest].status == .settled { oldest = window[oldest].next }
        self.states[place].events.oldest = oldest
    }

    /// One behind the oldest that is not settled may come back, and then be linked again.
    private mutating func unlink(_ flight: UInt32, _ place: Int, _ window: inout InFlightWindow) {
        var before = self.states[place].events.oldest
        while window[before].next != flight { before = window[before].next }
        window[before].next = window[flight].next
        if self.states[place].events.newest == flight { self.states[place].events.newest = before }
    }

    /// All its reports are in: it begins again at its oldest event.
    ///
    /// - Returns: whether it has one.
    mutating func resume(_ place: Int) -> Bool {
        self.states[place].producer.isHalted = false
        guard self.states[place].events.unsettled > 0 else { return false }
        self.states[place].events.next = self.states[place].events.oldest
        return true
    }

    /// The flights of a partition that are not settled, in order.
    func unsettled(of place: Int, in window: InFlightWindow) -> [UInt32] {
        var found: [UInt32] = []
        found.reserveCapacity(self.states[place].events.unsettled)
        var flight = self.states[place].events.oldest
        for _ in 0..<self.states[place].events.unsettled {
            while window[flight].status == .settled { flight = window[flight].next }
            found.append(flight)
            flight = window[flight].next
        }
        return found
    }
}
