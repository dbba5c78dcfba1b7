/// Connections that wait for the end of the turn. Kept alive while they wait.
final class ConnectionList<Connection: AnyObject> {
    private var memory: UnsafeMutablePointer<Unmanaged<Connection>>
    private var capacity = 64
    private(set) var count = 0
    /// Inside ``takeAll(_:)``.
    private(set) var isTaking = false

    init() {
        self.memory = .allocate(capacity: self.capacity)
    }

    deinit {
        for index in 0..<self.count { self.memory[index].release() }
        self.memory.deallocate()
    }

    func append(_ connection: Connection) {
        if self.count == self.capacity { self.grow() }
        self.memory[self.count] = Unmanaged.passRetained(connection)
        self.count += 1
    }

    /// Takes all of them; those that are appended meanwhile wait for the next call.
    func takeAll(_ body: (Connection) -> Void) {
        self.isTaking = true
        defer { self.isTaking = false }
        let (taken, count, capacity) = (self.memory, self.count, self.capacity)
        (self.memory, self.count) = (.allocate(capacity: capacity), 0)
        for index in 0..<count {
            taken[index]._withUnsafeGuaranteedRef(body)
            taken[index].release()
        }
        taken.deallocate()
    }

    private func grow() {
        let grown = UnsafeMutablePointer<Unmanaged<Connection>>.allocate(capacity: self.capacity * 2)
        grown.moveInitialize(from: self.memory, count: self.count)
        self.memory.deallocate()
        (self.memory, self.capacity) = (grown, self.capacity * 2)
    }
}
