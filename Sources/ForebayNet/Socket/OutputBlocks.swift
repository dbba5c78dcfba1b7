/// Memory of one loop for bytes on their way out: small blocks are kept for the next answer, larger ones go back to malloc.
package final class OutputBlocks {
    static let blockSize = 2 << 10
    /// What is kept at most: 1 MiB.
    static let kept = 512

    /// The first free block; each holds the address of the next in its first bytes.
    private var first: UnsafeMutableRawPointer?
    private var count = 0

    init() {}

    deinit {
        while let block = self.first {
            self.first = block.load(as: UnsafeMutableRawPointer?.self)
            block.deallocate()
        }
    }

    func take() -> UnsafeMutableRawPointer {
        guard let block = self.first else { return .allocate(byteCount: Self.blockSize, alignment: 16) }
        self.first = block.load(as: UnsafeMutableRawPointer?.self)
        self.count -= 1
        return block
    }

    func give(_ memory: UnsafeMutableRawPointer, capacity: Int) {
        guard capacity == Self.blockSize && self.count < Self.kept else { return memory.deallocate() }
        memory.storeBytes(of: self.first, as: UnsafeMutableRawPointer?.self)
        self.first = memory
        self.count += 1
    }
}

/// Bytes that wait to be sent: appended at the end, sent from the front. Owns memory only while it holds any.
struct OutputBuffer: ~Copyable {
    private var memory: UnsafeMutableRawPointer?
    private var capacity = 0
    private var start = 0
    private var end = 0

    init() {}

    deinit {
        self.memory?.deallocate()
    }

    var count: Int { self.end - self.start }
    var isEmpty: Bool { self.end == self.start }
    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: self.memory?.advanced(by: self.start), count: self.count) }

    /// Where the next `count` bytes may be written; they become part of the buffer by ``commit(_:)``.
    mutating func reserve(_ count: Int, from blocks: OutputBlocks) -> UnsafeMutableRawPointer {
        if self.capacity - self.end < count { self.grow(by: count, from: blocks) }
        return self.memory! + self.end
    }

    mutating func commit(_ count: Int) {
        precondition(count <= self.capacity - self.end)
        self.end += count
    }

    /// Takes sent bytes from the front, and lets the memory go with the last.
    mutating func consume(_ count: Int, to blocks: OutputBlocks) {
        self.start += count
        guard self.isEmpty, let memory = self.memory else { return }
        blocks.give(memory, capacity: self.capacity)
        (self.memory, self.capacity, self.start, self.end) = (nil, 0, 0, 0)
    }

    private mutating func grow(by count: Int, from blocks: OutputBlocks) {
        let needed = self.count + count
        let capacity = Swift.max(OutputBlocks.blockSize, needed <= OutputBlocks.blockSize ? 0 : needed + needed / 2)
        let memory = capacity == OutputBlocks.blockSize ? blocks.take() : .allocate(byteCount: capacity, alignment: 16)
        if let old = self.memory {
            memory.copyMemory(from: old + self.start, byteCount: self.count)
            blocks.give(old, capacity: self.capacity)
        }
        (self.memory, self.capacity, self.end, self.start) = (memory, capacity, self.count, 0)
    }
}
