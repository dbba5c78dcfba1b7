/// The connections of a server, each in a slot. A slot's generation tells one tenant from the next, so that an answer that comes too late
/// finds nobody.
///
/// Deadlines stand apart, side by side: the sweep looks at all of them four times a second, and at few connections. Plain memory, for each
/// request looks in here more than once, and the checks of arrays in class properties cost as much as parsing its head.
final class ConnectionTable {
    private struct Slot {
        var connection: Unmanaged<HTTPConnection>?
        var generation: UInt32 = 0
    }

    private var slots: UnsafeMutablePointer<Slot>
    /// In the loop's milliseconds; `UInt64.max` for none.
    private var deadlines: UnsafeMutablePointer<UInt64>
    private var capacity = 64
    /// Slots that were ever used.
    private var used = 0
    private var free: [UInt32] = []
    private(set) var count = 0

    init() {
        self.slots = .allocate(capacity: self.capacity)
        self.deadlines = .allocate(capacity: self.capacity)
    }

    deinit {
        for connection in self.all { Unmanaged.passUnretained(connection).release() }
        self.slots.deallocate()
        self.deadlines.deallocate()
    }

    func reserveSlot() -> (slot: UInt32, generation: UInt32) {
        if let slot = self.free.popLast() { return (slot, self.slots[Int(slot)].generation) }
        if self.used == self.capacity { self.grow() }
        (self.slots + self.used).initialize(to: Slot())
        (self.deadlines + self.used).initialize(to: .max)
        self.used += 1
        return (UInt32(self.used - 1), 0)
    }

    func giveBack(_ slot: UInt32) { self.free.append(slot) }

    func insert(_ connection: HTTPConnection, at slot: UInt32) {
        self.slots[Int(slot)].connection = Unmanaged.passRetained(connection)
        self.count += 1
    }

    func remove(_ slot: UInt32) {
        let connection = self.slots[Int(slot)].connection
        self.slots[Int(slot)] = Slot(connection: nil, generation: self.slots[Int(slot)].generation &+ 1)
        self.deadlines[Int(slot)] = .max
        self.count -= 1
        self.free.append(slot)
        connection?.release()
    }

    @inline(__always)
    func find(_ id: RequestID) -> HTTPConnection? { self.find(slot: id.slot, generation: id.generation) }

    @inline(__always)
    func find(slot: UInt32, generation: UInt32) -> HTTPConnection? {
        let slot = Int(slot)
        guard slot < self.used, self.slots[slot].generation == generation else { return nil }
        return self.slots[slot].connection?.takeUnretainedValue()
    }

    @inline(__always)
    func setDeadline(_ deadline: UInt64, of slot: UInt32) { self.deadlines[Int(slot)] = deadline }

    func expired(at now: UInt64) -> [HTTPConnection] {
        (0..<self.used).filter { self.deadlines[$0] <= now }.compactMap { self.slots[$0].connection?.takeUnretainedValue() }
    }

    var all: [HTTPConnection] { (0..<self.used).compactMap { self.slots[$0].connection?.takeUnretainedValue() } }

    private func grow() {
        let (slots, deadlines) = (self.slots, self.deadlines)
        self.slots = .allocate(capacity: self.capacity * 2)
        self.deadlines = .allocate(capacity: self.capacity * 2)
        self.slots.moveInitialize(from: slots, count: self.used)
        self.deadlines.moveInitialize(from: deadlines, count: self.used)
        slots.deallocate()
        deadlines.deallocate()
        self.capacity *= 2
    }
}
