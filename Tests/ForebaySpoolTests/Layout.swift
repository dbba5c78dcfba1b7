import ForebayCore
import Glibc
import Synchronization

@testable import ForebaySpool

/// Bytes by the words of docs/reference/spool-format.md, and not by the code that writes them.
struct Layout {
    var bytes: [UInt8]

    init(_ count: Int) { self.bytes = [UInt8](repeating: 0, count: count) }

    mutating func put(_ number: UInt64, _ width: Int, at place: Int) {
        for byte in 0..<width { self.bytes[place + byte] = UInt8(truncatingIfNeeded: number >> (8 * UInt64(byte))) }
    }

    mutating func put(_ text: String, at place: Int) {
        self.bytes.replaceSubrange(place..<place + text.utf8.count, with: text.utf8)
    }

    /// The CRC of some numbers and a range, as u32.
    mutating func check(_ range: Range<Int>, _ numbers: [UInt64] = [], at place: Int) {
        let covered = numbers.flatMap { number in (0..<8).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) } } + self.bytes[range]
        self.put(UInt64(crc32c(covered)), 4, at: place)
    }
}

/// CRC-32C, bit by bit.
func crc32c(_ bytes: some Sequence<UInt8>) -> UInt32 {
    var crc: UInt32 = .max
    for byte in bytes {
        crc ^= UInt32(byte)
        for _ in 0..<8 { crc = crc >> 1 ^ (crc & 1 == 0 ? 0 : 0x82F6_3B78) }
    }
    return ~crc
}

/// Whether each byte of a range is covered: with one bit of it flipped nothing is read any more.
func isCovered(_ bytes: [UInt8], _ range: Range<Int>, _ isRead: (UnsafeRawBufferPointer) -> Bool) -> Bool {
    var flipped = bytes
    return range.allSatisfy { place in
        flipped[place] ^= 1 << UInt8(place % 8)
        defer { flipped[place] = bytes[place] }
        return !flipped.withUnsafeBytes(isRead)
    }
}

func spoolID(_ text: String) -> SpoolID { Array(text.utf8).withUnsafeBytes { SpoolID(characters: $0) } }

/// A file in memory, with blocks that can't be read.
final class MemoryFile: DiskFile {
    let path = "/memory"
    private let state: Mutex<(bytes: [UInt8], bad: Set<Int>, error: Int32, reads: [Range<Int>])>

    init(_ bytes: [UInt8]) { self.state = Mutex((bytes, [], EIO, [])) }

    var bytes: [UInt8] {
        get { self.state.withLock { $0.bytes } }
        set { self.state.withLock { $0.bytes = newValue } }
    }

    /// What was read, in order.
    var reads: [Range<Int>] { self.state.withLock { $0.reads } }

    /// From now on reading any of these blocks fails.
    func fail(_ blocks: Set<Int>, _ error: Int32 = EIO) { self.state.withLock { ($0.bad, $0.error) = (blocks, error) } }

    func read(into buffer: UnsafeMutableRawBufferPointer, at position: Int) throws(ForebayError) -> Int {
        let outcome = self.state.withLock { state -> Result<Int, ForebayError> in
            let range = position..<max(position, min(state.bytes.count, position + buffer.count))
            state.reads.append(position..<position + buffer.count)
            if let bad = state.bad.sorted().first(where: { range.overlaps($0 * 4096..<($0 + 1) * 4096) }) {
                return .failure(.disk("read", "block \(bad)", state.error))
            }
            buffer.copyBytes(from: state.bytes[min(range.lowerBound, state.bytes.count)..<min(range.upperBound, state.bytes.count)])
            return .success(range.count)
        }
        return try outcome.get()
    }

    func write(_ bytes: UnsafeRawBufferPointer, at position: Int) throws(ForebayError) {
        self.state.withLock { state in
            let end = position + bytes.count
            if end > state.bytes.count { state.bytes += [UInt8](repeating: 0, count: end - state.bytes.count) }
            state.bytes.replaceSubrange(position..<end, with: bytes)
        }
    }

    func truncate(to size: Int) throws(ForebayError) {
        self.state.withLock { $0.bytes = Array($0.bytes.prefix(size)) + [UInt8](repeating: 0, count: max(0, size - $0.bytes.count)) }
    }

    func size() throws(ForebayError) -> Int { self.state.withLock { $0.bytes.count } }
    func syncData() throws(ForebayError) {}
    func sync() throws(ForebayError) {}
    func hasName() throws(ForebayError) -> Bool { true }
    func dropCache() {}
    func lock() throws(ForebayError) -> Bool { true }
}
