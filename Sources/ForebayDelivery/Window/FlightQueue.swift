/// Flights linked through their `next`: the first, the last, and how many.
struct FlightQueue {
    private(set) var first: UInt32 = 0
    private var last: UInt32 = 0
    private(set) var count = 0

    @inline(__always)
    mutating func append(_ flight: UInt32, in window: inout InFlightWindow) {
        if self.count == 0 { self.first = flight } else { window[self.last].next = flight }
        self.last = flight
        self.count += 1
    }

    mutating func removeFirst(in window: InFlightWindow) -> UInt32 {
        defer {
            self.first = window[self.first].next
            self.count -= 1
        }
        return self.first
    }

    /// All of them, in order; it is empty afterwards.
    mutating func removeAll(in window: InFlightWindow) -> [UInt32] {
        var taken: [UInt32] = []
        while self.count > 0 { taken.append(self.removeFirst(in: window)) }
        return taken
    }
}
