/// Flights by number: a ring that grows, and holds the run from the first unsettled flight to the newest.
struct FlightRing {
    private var slots: [Flight]
    private var mask: UInt32
    /// The first that is not settled.
    private(set) var head: UInt64 = 0
    /// One past the newest.
    private(set) var tail: UInt64 = 0

    init(capacity: Int = 1024) {
        precondition(capacity.nonzeroBitCount == 1)
        self.slots = [Flight](repeating: Flight(batch: 0, record: 0, bytes: 0, place: 0, status: .settled), count: capacity)
        self.mask = UInt32(capacity - 1)
    }

    var count: Int { Int(self.tail - self.head) }
    var isEmpty: Bool { self.head == self.tail }

    subscript(short: UInt32) -> Flight {
        @inline(__always) get { self.slots[Int(short & self.mask)] }
        @inline(__always) _modify { yield &self.slots[Int(short & self.mask)] }
    }

    /// The whole number of a flight that is not retired.
    @inline(__always)
    func number(_ short: UInt32) -> UInt64 {
        self.head + UInt64(short &- UInt32(truncatingIfNeeded: self.head))
    }

    func contains(_ number: UInt64) -> Bool { number >= self.head && number < self.tail }

    @inline(__always)
    mutating func append(_ flight: Flight) -> UInt32 {
        if self.count == self.slots.count { self.grow() }
        let short = UInt32(truncatingIfNeeded: self.tail)
        self.slots[Int(short & self.mask)] = flight
        self.tail += 1
        return short
    }

    /// Moves the head over what is settled.
    mutating func retire() {
        while self.head < self.tail, self[UInt32(truncatingIfNeeded: self.head)].status == .settled { self.head += 1 }
    }

    private mutating func grow() {
        let old = self
        self.slots = [Flight](repeating: self.slots[0], count: self.slots.count * 2)
        self.mask = self.mask << 1 | 1
        for number in old.head..<old.tail {
            let short = UInt32(truncatingIfNeeded: number)
            self[short] = old[short]
        }
    }
}
