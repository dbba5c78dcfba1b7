/// The connections of a server, each in a slot. An answer that comes too late finds nobody: the slot's next tenant has another id.
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
    private var silent = SilentConnections()

    init() {
        self.slots = .allocate(capacity: self.capacity)
        self.deadlines = .allocate(capacity: self.capacity)
    }

    deinit {
        for connection in self.all { Unmanaged.passUnretained(connection).release() }
        self.slots.deallocate()
        self.deadlines.deallocate()
    }

    func reserve() -> ConnectionID {
        if let slot = self.free.popLast() { return ConnectionID(slot: slot, generation: self.slots[Int(slot)].generation) }
        if self.used == self.capacity { self.grow() }
        (self.slots + self.used).initialize(to: Slot())
        (self.deadlines + self.used).initialize(to: .max)
        self.used += 1
        return ConnectionID(slot: UInt32(self.used - 1), generation: 0)
    }

    func giveBack(_ id: ConnectionID) { self.free.append(id.slot) }

    func insert(_ connection: HTTPConnection, at id: ConnectionID) {
        self.slots[Int(id.slot)].connection = Unmanaged.passRetained(connection)
        self.count += 1
    }

    func remove(_ id: ConnectionID) {
        let slot = Int(id.slot)
        let connection = self.slots[slot].connection
        self.slots[slot] = Slot(connection: nil, generation: self.slots[slot].generation &+ 1)
        self.deadlines[slot] = .max
        self.count -= 1
        self.free.append(id.slot)
        connection?.release()
    }

    @inline(__always)
    func find(_ id: ConnectionID) -> HTTPConnection? {
        let slot = Int(id.slot)
        guard slot < self.used, self.slots[slot].generation == id.generation else { return nil }
        return self.slots[slot].connection?.takeUnretainedValue()
    }

    @inline(__always)
    func setDeadline(_ deadline: UInt64, of id: ConnectionID) { self.deadlines[Int(id.slot)] = deadline }

    func expired(at now: UInt64) -> [HTTPConnection] {
        (0..<self.used).filter { self.deadlines[$0] <= now }.compactMap { self.slots[$0].connection?.takeUnretainedValue() }
    }

    var all: [HTTPConnection] { (0..<self.used).compactMap { self.slots[$0].connection?.takeUnretainedValue() } }

    // MARK: Those that are silent

    /// How many are remembered, in vain or not.
    var silentCount: Int { self.silent.count }

    /// It is one of those that may be asked for by ``longestSilent()``.
    func rememberSilent(_ id: ConnectionID) {
        self.silent.append(id, open: self.count) { self.find($0)?.isSilent == true }
    }

    func longestSilent() -> HTTPConnection? {
        self.silent.first { self.find($0)?.isSilent == true }.flatMap { self.find($0) }
    }

    /// Asks for the next one from now on.
    func passLongestSilent() { self.silent.removeFirst() }

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
