import ForebayCore
import Glibc

/// A few numbers that survive a crash at any instant: two slots a block apart, written in turn, the newer sound one counts.
///
/// Each slot as ``Slot`` says. The file never grows, so a slot can be written on a full disk. Not shared: whoever has it locks.
final class SlotFile {
    struct Value: Equatable, Sendable {
        /// Everything below this sequence.
        var sequence: UInt64
        /// Events of the routes below it.
        var ordinal: UInt64
        /// Whose it is.
        var owner: UInt64
    }

    /// What stands in a file.
    struct Found: Sendable {
        /// None: both slots are broken, or another log's, or another owner's.
        var value: Value?
        /// Whether both slots can be read: after a crash, too, they can.
        var isWhole: Bool
        fileprivate var generation: UInt64
    }

    static let size = 2 * SpoolFormat.block

    let file: any DiskFile
    private let log: SpoolID
    private var generation: UInt64
    /// What is written next; allocated once.
    private let slot = UnsafeMutableRawBufferPointer.allocate(byteCount: Slot.size, alignment: 8)

    /// Makes the file, durably, with the value in both slots. What has the name is written over; what can't be is moved to quarantine.
    static func make(
        _ disk: any Disk, _ path: String, of directory: String, log: SpoolID, _ value: Value
    ) throws(ForebayError) -> SlotFile {
        do throws(ForebayError) {
            return try self.make(disk, path, log: log, value)
        } catch {
            guard error.systemCode == EIO, error.code != .syncFailed else { throw error }
        }
        try Folder(disk).quarantine(path, of: directory)
        return try self.make(disk, path, log: log, value)
    }

    private static func make(_ disk: any Disk, _ path: String, log: SpoolID, _ value: Value) throws(ForebayError) -> SlotFile {
        let slots = SlotFile(file: try disk.open(path, [.write, .create]), log: log, generation: 0)
        try slots.file.truncate(to: 0)
        try slots.file.write([UInt8](repeating: 0, count: Self.size), at: 0)
        try slots.writeBoth(value)
        try disk.syncFolder(Folder.parent(of: path))
        return slots
    }

    /// Opens what ``read(_:_:log:owners:)`` has found, and sees that both slots are whole and the value is durable: an earlier process may
    /// not have lived to sync it. A file that can't be written is moved to quarantine, and made anew.
    static func take(
        _ disk: any Disk, _ path: String, of directory: String, log: SpoolID, _ found: Found, _ value: Value
    ) throws(ForebayError) -> SlotFile {
        do throws(ForebayError) {
            let slots = SlotFile(file: try disk.open(path, .write), log: log, generation: found.generation)
            if found.value != value || !found.isWhole { try slots.writeBoth(value) } else { try slots.file.syncData() }
            return slots
        } catch {
            guard error.systemCode == EIO, error.code != .syncFailed else { throw error }
        }
        try Folder(disk).quarantine(path, of: directory)
        return try self.make(disk, path, log: log, value)
    }

    /// Changes nothing.
    ///
    /// - Parameters:
    ///   - log: none: any log's.
    ///   - owners: none: anyone's.
    /// - Returns: none if there is no such file.
    static func read(_ disk: any Disk, _ path: String, log: SpoolID?, owners: Set<UInt64>? = nil) throws(ForebayError) -> Found? {
        guard try disk.kind(of: path) == .file else { return nil }
        let bytes = try disk.open(path, []).bytesTolerant(at: 0, count: Self.size)
        var found = Found(value: nil, isWhole: true, generation: 0)
        for place in [0, SpoolFormat.block] {
            let slot = bytes.withUnsafeBytes { bytes in
                bytes.count >= place + Slot.size ? Slot(decoding: bytes.part(place, Slot.size)) : nil
            }
            guard let slot, log == nil || slot.log == log, owners?.contains(slot.owner) ?? true else {
                found.isWhole = false
                continue
            }
            guard found.value == nil || slot.generation > found.generation else { continue }
            found.generation = slot.generation
            found.value = Value(sequence: slot.value, ordinal: slot.ordinal, owner: slot.owner)
        }
        return found
    }

    private init(file: any DiskFile, log: SpoolID, generation: UInt64) {
        self.file = file
        self.log = log
        self.generation = generation
        self.slot.initializeMemory(as: UInt8.self, repeating: 0)
    }

    deinit { self.slot.deallocate() }

    /// Written, not synced: survives the process, not yet a power cut.
    ///
    /// - Throws: what the file said before is still there; the next attempt writes to the same slot.
    func write(_ value: Value) throws(ForebayError) {
        let next = self.generation + 1
        Slot(log: self.log, generation: next, value: value.sequence, ordinal: value.ordinal, owner: value.owner)
            .encode(to: self.slot.baseAddress!)
        try self.file.write(UnsafeRawBufferPointer(self.slot), at: Int(next % 2) * SpoolFormat.block)
        self.generation = next
    }

    /// Both slots, one after the other, durably: nothing older counts any more.
    func writeBoth(_ value: Value) throws(ForebayError) {
        for _ in 0..<2 {
            try self.write(value)
            try self.file.sync()
        }
    }
}
