/// The names of a topic as bytes: the one that producers use, by which it is found, and the one under which it is stored.
struct TopicSpelling: ~Copyable {
    /// Lives as long as this.
    let stored: UnsafeRawBufferPointer
    /// Of the name that producers use.
    let hash: UInt64
    /// Both names: the stored one first.
    private let bytes: UnsafeMutableRawBufferPointer
    private let posted: Range<Int>

    /// - Parameter renamed: none: it is stored under the name that producers use.
    init(posted name: UnsafeRawBufferPointer, hash: UInt64, renamed: String?) {
        let stored = renamed.map { Array($0.utf8) } ?? Array(name)
        self.hash = hash
        self.bytes = .allocate(byteCount: stored.count + name.count, alignment: 1)
        self.bytes.copyBytes(from: stored)
        UnsafeMutableRawBufferPointer(rebasing: self.bytes[stored.count...]).copyMemory(from: name)
        self.stored = UnsafeRawBufferPointer(rebasing: self.bytes[..<stored.count])
        self.posted = stored.count..<stored.count + name.count
    }

    deinit { self.bytes.deallocate() }

    /// Whether producers mean this topic by that name.
    @inline(__always)
    func isPosted(_ name: UnsafeRawBufferPointer, hash: UInt64) -> Bool {
        self.hash == hash && UnsafeRawBufferPointer(rebasing: self.bytes[self.posted]).equals(name)
    }
}
