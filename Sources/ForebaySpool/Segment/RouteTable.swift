import ForebayCore

/// The ordinal after each route's last event in a segment: what the footer's routes say, kept for each segment in memory.
///
/// Sorted, 16 bytes an entry: a set-aside log may have thousands of units in each of hundreds of segments.
struct RouteTable: Sendable, Equatable {
    struct Entry: Sendable, Equatable {
        let route: RouteID
        var ordinal: UInt64
    }

    private(set) var entries: [Entry] = []

    init() {}

    init(_ ordinals: [RouteID: UInt64]) {
        self.entries = ordinals.map { Entry(route: $0.key, ordinal: $0.value) }.sorted { $0.route.rawValue < $1.route.rawValue }
    }

    subscript(route: RouteID) -> UInt64? {
        let place = self.place(of: route)
        guard place < self.entries.count, self.entries[place].route == route else { return nil }
        return self.entries[place].ordinal
    }

    mutating func raise(_ route: RouteID, to ordinal: UInt64) {
        let place = self.place(of: route)
        if place < self.entries.count, self.entries[place].route == route {
            self.entries[place].ordinal = max(self.entries[place].ordinal, ordinal)
        } else {
            self.entries.insert(Entry(route: route, ordinal: ordinal), at: place)
        }
    }

    /// Where it stands or would stand, by halving.
    private func place(of route: RouteID) -> Int {
        var (low, high) = (0, self.entries.count)
        while low < high {
            let middle = (low + high) / 2
            if self.entries[middle].route.rawValue < route.rawValue { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
