import ForebayCore
import Glibc

/// A number or two that survive a crash at any instant: two slots a block apart, written in turn, the newer sound one counts.
///
///     0   u32  magic "FBYC"
///     4   u32  CRC32C of bytes 8..<64
///     8   u64  generation
///     16  16 B spool id
///     32  u64  value
///     40  u64  ordinal
///
/// The file never grows, so a slot can be written on a full disk. Its folder is synced once, when it is made.
final class SlotFile {
    struct Value: Equatable {
        /// Everything below this sequence.
        var sequence: UInt64
        /// Events of the route below it.
        var ordinal: UInt64
    }

    private static let used = 64

    private let file: File
    private let spool: SpoolID
    private var generation: UInt64 = 0
    /// What is written next; allocated once.
    private let slot = UnsafeMutableRawBufferPointer.allocate(byteCount: used, alignment: 8)

    /// Opens the file, or makes it, durably.
    ///
    /// - Returns: with the value of the newer sound slot; none if the file is new, both slots are broken, or it is another spool's.
    static func open(_ path: String, spool: SpoolID) throws(ForebayError) -> (SlotFile, Value?) {
        let file = try File(path, flags: O_RDWR | O_CREAT)
        let slots = SlotFile(file: file, spool: spool)
        if try file.size() < 2 * SpoolFormat.block {
            try file.write([UInt8](repeating: 0, count: 2 * SpoolFormat.block), at: 0)
            try file.sync()
            try Folder.sync(Folder.parent(of: path))
        }
        return (slots, try slots.load())
    }

    /// The value, read without making or changing anything.
    static func read(_ path: String, spool: SpoolID) throws(ForebayError) -> Value? {
        guard access(path, R_OK) == 0 else { return nil }
        return try SlotFile(file: try File(path, flags: O_RDONLY), spool: spool).load()
    }

    private init(file: File, spool: SpoolID) {
        self.file = file
        self.spool = spool
        self.slot.initializeMemory(as: UInt8.self, repeating: 0)
    }

    deinit { self.slot.deallocate() }

    /// Written, not synced: survives the process, not yet a power cut.
    func write(_ value: Value) throws(ForebayError) {
        self.generation += 1
        let base = self.slot.baseAddress!
        base.put(SpoolFormat.slotMagic, at: 0)
        base.put(self.generation, at: 8)
        self.spool.write(to: base + 16)
        base.put(value.sequence, at: 32)
        base.put(value.ordinal, at: 40)
        base.put(SpoolFormat.crc(UnsafeRawBufferPointer(self.slot).part(8, Self.used - 8)), at: 4)
        try self.file.write(UnsafeRawBufferPointer(self.slot), at: Int(self.generation % 2) * SpoolFormat.block)
    }

    func sync() throws(ForebayError) {
        try self.file.syncData()
    }

    private func load() throws(ForebayError) -> Value? {
        var newest: Value?
        for slot in 0..<2 {
            let bytes = try self.file.bytes(at: slot * SpoolFormat.block, count: Self.used)
            bytes.withUnsafeBytes { bytes in
                guard bytes.count == Self.used, bytes.number(0, as: UInt32.self) == SpoolFormat.slotMagic,
                    bytes.number(4, as: UInt32.self) == SpoolFormat.crc(bytes.part(8, Self.used - 8)),
                    SpoolID(characters: bytes.part(16, SpoolID.length)) == self.spool
                else { return }
                let generation: UInt64 = bytes.number(8)
                guard generation > self.generation else { return }
                self.generation = generation
                newest = Value(sequence: bytes.number(32), ordinal: bytes.number(40))
            }
        }
        return newest
    }
}
