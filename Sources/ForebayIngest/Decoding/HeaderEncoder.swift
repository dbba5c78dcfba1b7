import ForebayCore
import Glibc

/// Gathers an event's headers as ``RecordLayout`` lays them out, in a buffer that is used again and again.
struct HeaderEncoder: ~Copyable {
    /// In bytes, of a header's name.
    static let maximumName = 255

    private var buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 512, alignment: 16)
    private var used = 0
    private(set) var count = 0

    deinit { self.buffer.deallocate() }

    /// Valid until the next call that changes it.
    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: self.buffer[..<self.used]) }

    mutating func removeAll() {
        self.used = 0
        self.count = 0
    }

    /// Begins a header with its name.
    ///
    /// - Parameter lowercased: HTTP's header names have no case of their own, and proxies change it, so those are stored in lower case.
    /// - Returns: why not, else none.
    mutating func begin(_ name: UnsafeRawBufferPointer, lowercased: Bool = false, limit: Int) -> (code: ProblemCode, detail: String)? {
        if name.isEmpty || name.count > Self.maximumName {
            return (.invalidHeader, "a header's name has 1 to \(Self.maximumName) bytes, this one has \(name.count)")
        }
        if name.startsIgnoringCase("forebay-") {
            return (.reservedHeader, "header names that begin with forebay- are reserved: \(name.text())")
        }
        if self.count == limit { return (.tooManyHeaders, "an event has at most \(limit) headers") }
        self.reserve(6 + name.count)
        self.buffer.storeBytes(of: UInt16(name.count).littleEndian, toByteOffset: self.used, as: UInt16.self)
        self.used += 2
        if lowercased {
            for byte in name {
                self.buffer[self.used] = UnsafeRawBufferPointer.lower(byte)
                self.used += 1
            }
        } else {
            self.put(name)
        }
        self.count += 1
        return nil
    }

    /// Ends the header that was begun. No value: null.
    mutating func end(_ value: UnsafeRawBufferPointer?) {
        self.reserve(4 + (value?.count ?? 0))
        let length = value.map { UInt32($0.count) } ?? RecordLayout.nullLength
        self.buffer.storeBytes(of: length.littleEndian, toByteOffset: self.used, as: UInt32.self)
        self.used += 4
        if let value { self.put(value) }
    }

    private mutating func put(_ bytes: UnsafeRawBufferPointer) {
        guard let base = bytes.baseAddress else { return }
        memcpy(self.buffer.baseAddress! + self.used, base, bytes.count)
        self.used += bytes.count
    }

    private mutating func reserve(_ count: Int) {
        guard self.used + count > self.buffer.count else { return }
        let grown = UnsafeMutableRawBufferPointer.allocate(byteCount: max(self.buffer.count * 2, self.used + count), alignment: 16)
        memcpy(grown.baseAddress!, self.buffer.baseAddress!, self.used)
        self.buffer.deallocate()
        self.buffer = grown
    }
}
