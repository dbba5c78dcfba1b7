/// Events on their way into the set-aside log: by unit, in the order in which they left, each unit's in their own.
struct SetAsideQueue {
    /// Events of one unit.
    struct Part {
        let unit: UInt64
        let topic: String
        /// Why the unit is set aside.
        let code: String
        var flights: ArraySlice<UInt64>
    }

    private var parts: [Part] = []

    var isEmpty: Bool { self.parts.isEmpty }
    /// Events.
    var count: Int { self.parts.reduce(0) { $0 + $1.flights.count } }
    var units: Set<UInt64> { Set(self.parts.map(\.unit)) }

    mutating func append(_ part: Part) {
        self.parts.append(part)
    }

    /// Takes what goes into the log together: bounded in bytes and units, each unit's events in their order. What is larger than the bound
    /// goes alone.
    ///
    /// - Parameter size: of a flight, in bytes.
    mutating func takeGroup(bytes: Int, units: Int, size: (UInt64) -> Int) -> [Part] {
        var group: [Part] = []
        var room = bytes
        var whole = 0
        while room > 0, whole < self.parts.count, group.count < units {
            var part = self.parts[whole]
            let count = part.flights.prefix { flight in
                defer { room -= size(flight) }
                return room > 0
            }.count
            self.parts[whole].flights = part.flights.dropFirst(count)
            if count == part.flights.count { whole += 1 }
            part.flights = part.flights.prefix(count)
            group.append(part)
        }
        self.parts.removeFirst(whole)
        return group
    }

    /// A group was not stored: it is the next one again.
    mutating func putBack(_ group: [Part]) {
        self.parts = group + self.parts
    }

    /// Takes all events of some units out, in their order.
    mutating func take(_ units: Set<UInt64>) -> [UInt64] {
        let taken = self.parts.filter { units.contains($0.unit) }.flatMap(\.flights)
        self.parts.removeAll { units.contains($0.unit) }
        return taken
    }

    mutating func takeAll() -> [Part] {
        defer { self.parts = [] }
        return self.parts
    }
}
