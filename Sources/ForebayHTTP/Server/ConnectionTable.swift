/// The connections of a server, each in a slot. A slot's generation tells one tenant from the next, so that an answer that comes too late
/// finds nobody.
///
/// Deadlines stand apart, side by side: the sweep looks at all of them four times a second, and at few connections.
struct ConnectionTable: ~Copyable {
    private var slots: [HTTPConnection?] = []
    private var generations: [UInt32] = []
    private var free: [UInt32] = []
    /// In the loop's milliseconds; `UInt64.max` for none.
    private var deadlines: [UInt64] = []
    private(set) var count = 0

    init() {}

    mutating func reserveSlot() -> (slot: UInt32, generation: UInt32) {
        if let slot = self.free.popLast() { return (slot, self.generations[Int(slot)]) }
        self.slots.append(nil)
        self.generations.append(0)
        self.deadlines.append(.max)
        return (UInt32(self.slots.count - 1), 0)
    }

    mutating func insert(_ connection: HTTPConnection, at slot: UInt32) {
        self.slots[Int(slot)] = connection
        self.count += 1
    }

    mutating func giveBack(_ slot: UInt32) { self.free.append(slot) }

    mutating func remove(_ slot: UInt32) {
        self.slots[Int(slot)] = nil
        self.generations[Int(slot)] &+= 1
        self.deadlines[Int(slot)] = .max
        self.count -= 1
        self.free.append(slot)
    }

    func find(_ id: RequestID) -> HTTPConnection? {
        let slot = Int(id.slot)
        guard slot < self.slots.count, self.generations[slot] == id.generation else { return nil }
        return self.slots[slot]
    }

    mutating func setDeadline(_ deadline: UInt64, of slot: UInt32) { self.deadlines[Int(slot)] = deadline }

    func expired(at now: UInt64) -> [HTTPConnection] {
        var expired: [HTTPConnection] = []
        for index in self.deadlines.indices where self.deadlines[index] <= now {
            if let connection = self.slots[index] { expired.append(connection) }
        }
        return expired
    }

    var all: [HTTPConnection] { self.slots.compactMap { $0 } }
}
