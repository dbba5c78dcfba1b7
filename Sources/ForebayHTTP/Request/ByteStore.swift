/// Bytes of one unfinished request. Owns memory only while it holds any.
struct ByteStore: ~Copyable {
    private var memory: UnsafeMutableRawPointer?
    private(set) var capacity = 0
    private(set) var count = 0

    init() {}

    deinit {
        self.memory?.deallocate()
    }

    var isEmpty: Bool { self.count == 0 }
    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: self.memory, count: self.count) }

    /// - Parameter expected: How much there will be in the end, so that growing doesn't overshoot; it is no promise, and nothing is
    ///   allocated for what a client only announces.
    mutating func append(_ bytes: UnsafeRawBufferPointer, expected: Int = .max) {
        guard let start = bytes.baseAddress, bytes.count > 0 else { return }
        let needed = self.count + bytes.count
        if needed > self.capacity { self.grow(to: Swift.max(needed, Swift.min(expected, Swift.max(1024, self.capacity * 2)))) }
        (self.memory! + self.count).copyMemory(from: start, byteCount: bytes.count)
        self.count = needed
    }

    mutating func removeFirst(_ count: Int) {
        guard count < self.count else { return self.clear() }
        guard count > 0, let memory = self.memory else { return }
        memory.copyMemory(from: memory + count, byteCount: self.count - count)
        self.count -= count
    }

    mutating func clear() {
        self.memory?.deallocate()
        (self.memory, self.capacity, self.count) = (nil, 0, 0)
    }

    private mutating func grow(to capacity: Int) {
        let grown = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 16)
        if let memory = self.memory {
            grown.copyMemory(from: memory, byteCount: self.count)
            memory.deallocate()
        }
        (self.memory, self.capacity) = (grown, capacity)
    }
}
