import ForebayCore
import Glibc

/// A number or two that survive a crash at any instant: two slots a block apart, written in turn, the newer sound one counts.
///
/// Each slot as ``Slot`` says. The file never grows, so a slot can be written on a full disk. Its folder is synced once, when it is made.
final class SlotFile {
    struct Value: Equatable {
        /// Everything below this sequence.
        var sequence: UInt64
        /// Events of the route below it.
        var ordinal: UInt64
    }

    private let file: File
    private let spool: SpoolID
    private var generation: UInt64 = 0
    /// What is written next; allocated once.
    private let slot = UnsafeMutableRawBufferPointer.allocate(byteCount: Slot.size, alignment: 8)

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
        Slot(spool: self.spool, generation: self.generation, value: value.sequence, ordinal: value.ordinal)
            .encode(to: self.slot.baseAddress!)
        try self.file.write(UnsafeRawBufferPointer(self.slot), at: Int(self.generation % 2) * SpoolFormat.block)
    }

    func sync() throws(ForebayError) {
        try self.file.syncData()
    }

    private func load() throws(ForebayError) -> Value? {
        var newest: Value?
        for slot in 0..<2 {
            let bytes = try self.file.bytes(at: slot * SpoolFormat.block, count: Slot.size)
            guard let found = bytes.withUnsafeBytes({ Slot(decoding: $0, of: self.spool) }), found.generation > self.generation else {
                continue
            }
            self.generation = found.generation
            newest = Value(sequence: found.value, ordinal: found.ordinal)
        }
        return newest
    }
}
