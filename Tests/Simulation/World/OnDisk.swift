import ForebayCore
import ForebayTestKit

/// What a folder at rest says, read byte by byte as `docs/reference/spool-format.md` has it: what a start can know, by nothing that is
/// tried here.
struct OnDisk {
    private let disk: SimulatedDisk
    private let folder: String

    /// - Parameter folder: of a log.
    init(_ disk: SimulatedDisk, log folder: String) {
        self.disk = disk
        self.folder = folder
    }

    /// A file with a segment's name.
    struct Segment {
        let path: String
        let number: UInt64
        /// None: no header can be read.
        let header: Header?

        /// Under another segment's name a copy is nobody's.
        var isCopy: Bool { self.header.map { $0.number != self.number } ?? false }
    }

    struct Header {
        let log: String
        let number: UInt64
        let base: UInt64
    }

    /// Of this log, and those that can't be told from its own, in their order.
    var segments: [Segment] {
        let prefix = "\(self.folder)/segments/", log = self.log
        return self.disk.files.compactMap { path in
            guard path.hasPrefix(prefix), path.hasSuffix(".segment"), let number = UInt64(path.dropFirst(prefix.count).prefix(20)),
                path.utf8.count == prefix.utf8.count + 28
            else { return nil }
            let segment = Segment(path: path, number: number, header: self.header(of: path))
            return segment.isCopy || segment.header.map { $0.log != log ?? $0.log } ?? false ? nil : segment
        }
    }

    private func header(of path: String) -> Header? {
        guard let bytes = self.disk.contents(of: path) else { return nil }
        return bytes.withUnsafeBytes { bytes in
            let found = [0, 4096].first { copy in
                bytes.count >= copy + 128 && bytes.loadUnaligned(fromByteOffset: copy, as: UInt64.self) == 0x3130_4745_5359_4246
                    && bytes.loadUnaligned(fromByteOffset: copy + 8, as: UInt32.self) == Self.crc(bytes[copy + 12..<copy + 128])
            }
            return found.map { copy in
                Header(
                    log: String(decoding: bytes[copy + 16..<copy + 32], as: UTF8.self),
                    number: bytes.loadUnaligned(fromByteOffset: copy + 32, as: UInt64.self),
                    base: bytes.loadUnaligned(fromByteOffset: copy + 40, as: UInt64.self))
            }
        }
    }

    /// Whether both slots of the mark can be read: one alone may be the older one, which does not know of the newest segment.
    var hasWholeMark: Bool { self.slots("\(self.folder)/mark", kind: 2).count == 2 }

    /// Whether there is a cursor of a route, by the registry.
    func hasCursor(of route: String) -> Bool { self.registry.contains { $0.prefix(2) == ["cursor", "forward/\(route)"] } }

    /// Below it everything was durable, as cursors and those that were given up say.
    var highestCursor: UInt64 {
        let prefix = "\(self.folder)/cursors/"
        var highest: UInt64 = 0
        for path in self.disk.files where path.hasPrefix(prefix) {
            let name = path.dropFirst(prefix.count).split(separator: ".", maxSplits: 1).joined(separator: "/")
            let slots = self.slots(path, kind: 1, owner: RouteID(name: "cursor \(name)").rawValue)
            if let newest = slots.max(by: { $0.generation < $1.generation }) { highest = max(highest, newest.value) }
        }
        return max(highest, self.forgotten)
    }

    /// One past the last sequence of a segment, if it was sealed.
    func sealedEnd(_ segment: String) -> UInt64? {
        guard let bytes = self.disk.contents(of: segment), bytes.count >= 16 else { return nil }
        return bytes.withUnsafeBytes { bytes in
            let trailer = bytes.count - 16
            let footer = bytes.loadUnaligned(fromByteOffset: trailer, as: UInt64.self)
            guard bytes.loadUnaligned(fromByteOffset: trailer + 8, as: UInt32.self) == 0x5A59_4246,
                bytes.loadUnaligned(fromByteOffset: trailer + 12, as: UInt32.self) == Self.crc(bytes[trailer..<trailer + 12]),
                footer + 32 <= UInt64(trailer), bytes.loadUnaligned(fromByteOffset: Int(footer), as: UInt32.self) == 0x4559_4246
            else { return nil }
            return bytes.loadUnaligned(fromByteOffset: Int(footer) + 24, as: UInt64.self)
        }
    }

    /// The highest place at which a cursor was given up.
    private var forgotten: UInt64 {
        self.registry.filter { $0.first == "forgotten" }.compactMap { $0.last.flatMap { UInt64($0) } }.max() ?? 0
    }

    /// The registry's lines, in words; none: it can't be read.
    private var registry: [[Substring]] {
        let copies = ["registry", "registry.copy"].compactMap { self.lines("\(self.folder)/\($0)") }
        func generation(_ lines: [[Substring]]) -> UInt64 { lines.first { $0.first == "generation" }?.last.flatMap { UInt64($0) } ?? 0 }
        return copies.max { generation($0) < generation($1) } ?? []
    }

    private func lines(_ path: String) -> [[Substring]]? {
        guard let bytes = self.disk.contents(of: path) else { return nil }
        let text = String(decoding: bytes, as: UTF8.self)
        guard let last = text.firstRange(of: "crc32c "), let crc = UInt32(text[last.upperBound...].prefix { $0.isHexDigit }, radix: 16),
            bytes.withUnsafeBytes({ Self.crc($0[..<text[..<last.lowerBound].utf8.count]) }) == crc
        else { return nil }
        return text[..<last.lowerBound].split(separator: "\n").map { $0.split(separator: " ") }
    }

    /// The log's id; none: it can't be read.
    private var log: String? { self.registry.first { $0.first == "log" }?.last.map(String.init) }

    /// Another log's don't count.
    private func slots(_ path: String, kind: UInt32, owner: UInt64? = nil) -> [(generation: UInt64, value: UInt64)] {
        guard let bytes = self.disk.contents(of: path) else { return [] }
        let log = self.log
        return bytes.withUnsafeBytes { bytes in
            [0, 4096].compactMap { place in
                guard bytes.count >= place + 64, bytes.loadUnaligned(fromByteOffset: place, as: UInt32.self) == 0x4359_4246,
                    bytes.loadUnaligned(fromByteOffset: place + 4, as: UInt32.self) == Self.crc(bytes[place + 8..<place + 64]),
                    bytes.loadUnaligned(fromByteOffset: place + 60, as: UInt32.self) == kind,
                    log == nil || String(decoding: bytes[place + 16..<place + 32], as: UTF8.self) == log,
                    owner == nil || bytes.loadUnaligned(fromByteOffset: place + 48, as: UInt64.self) == owner
                else { return nil }
                return (
                    bytes.loadUnaligned(fromByteOffset: place + 8, as: UInt64.self),
                    bytes.loadUnaligned(fromByteOffset: place + 32, as: UInt64.self)
                )
            }
        }
    }

    /// CRC32C, bit by bit.
    private static func crc(_ bytes: Slice<UnsafeRawBufferPointer>) -> UInt32 {
        ~bytes.reduce(~0) { crc, byte in
            (0..<8).reduce(crc ^ UInt32(byte)) { crc, _ in crc & 1 == 1 ? crc >> 1 ^ 0x82F6_3B78 : crc >> 1 }
        }
    }
}
