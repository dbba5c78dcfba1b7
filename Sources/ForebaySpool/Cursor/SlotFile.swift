import ForebayCore
import Glibc

/// A few numbers that survive a crash at any instant: two slots a block apart, written in turn, the newer sound one counts.
///
/// Each slot as ``Slot`` says, with the kind of the file in it. The file never grows, so a slot can be written on a full disk. Not shared:
/// whoever has it locks.
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
        /// None: both slots are broken, or another log's, another owner's, or of another kind of file.
        var value: Value?
        /// Whether both slots can be read: after a crash, too, they can.
        var isWhole: Bool
        /// Whether one of them was written by a version that told no kinds.
        var isOlder = false
        fileprivate var generation: UInt64
    }

    static let size = 2 * SpoolFormat.block

    let file: any DiskFile
    private let kind: Slot.Kind
    private let log: SpoolID
    private var generation: UInt64

    /// Makes the file, durably, with the value in both slots. What has the name is written over; what can't be is moved to quarantine.
    static func make(
        _ disk: any Disk, _ path: String, of directory: String, as kind: Slot.Kind, log: SpoolID, _ value: Value
    ) throws(ForebayError) -> SlotFile {
        do throws(ForebayError) {
            return try self.makeOnce(disk, path, of: directory, as: kind, log: log, value)
        } catch {
            guard error.systemCode == EIO, error.code != .syncFailed else { throw error }
        }
        try Folder(disk).quarantine(path, of: directory)
        return try self.makeOnce(disk, path, of: directory, as: kind, log: log, value)
    }

    private static func makeOnce(
        _ disk: any Disk, _ path: String, of directory: String, as kind: Slot.Kind, log: SpoolID, _ value: Value
    ) throws(ForebayError) -> SlotFile {
        try Folder(disk).putAsideUnlessFile(path, of: directory)
        let slots = SlotFile(file: try disk.open(path, [.write, .create]), kind: kind, log: log, generation: 0)
        try slots.file.truncate(to: 0)
        try slots.file.write([UInt8](repeating: 0, count: Self.size), at: 0)
        try slots.writeBoth(value)
        try disk.syncFolder(Folder.parent(of: path))
        return slots
    }

    /// Opens what ``read(_:_:as:log:owner:takesOlder:)`` has found, and sees that both slots are whole and the value is durable: an
    /// earlier process may not have lived to sync it. A file that can't be written is moved to quarantine, and made anew.
    static func take(
        _ disk: any Disk, _ path: String, of directory: String, as kind: Slot.Kind, log: SpoolID, _ found: Found, _ value: Value
    ) throws(ForebayError) -> SlotFile {
        do throws(ForebayError) {
            let slots = SlotFile(file: try disk.open(path, .write), kind: kind, log: log, generation: found.generation)
            if found.value != value || !found.isWhole || found.isOlder {
                try slots.writeBoth(value)
            } else {
                // Where the process before ended with a sync that failed, what was read may be in the page cache alone: no later sync
                // writes it.
                try slots.write(value)
                try slots.file.syncData()
            }
            return slots
        } catch {
            guard error.systemCode == EIO, error.code != .syncFailed else { throw error }
        }
        // What can't be written can still be read, and must not be missed should this end in between.
        var generation: UInt64 = 0
        try Folder(disk).quarantine(path, of: directory) { place throws(ForebayError) in
            generation = try self.makeOnce(disk, place, of: directory, as: kind, log: log, value).generation
        }
        return SlotFile(file: try disk.open(path, .write), kind: kind, log: log, generation: generation)
    }

    /// Changes nothing.
    ///
    /// - Parameters:
    ///   - log: none: any log's.
    ///   - owner: none: anyone's.
    ///   - takesOlder: whether a slot counts that tells no kind. In version 1 it told no owner, either.
    /// - Returns: none if there is no such file.
    static func read(
        _ disk: any Disk, _ path: String, as kind: Slot.Kind, log: SpoolID?, owner: UInt64? = nil, takesOlder: Bool = false
    ) throws(ForebayError) -> Found? {
        guard try disk.kind(of: path) == .file else { return nil }
        let bytes = try disk.open(path, []).bytesTolerant(at: 0, count: Self.size)
        var found = Found(value: nil, isWhole: true, generation: 0)
        for place in [0, SpoolFormat.block] {
            let slot = bytes.withUnsafeBytes { bytes in
                bytes.count >= place + Slot.size ? Slot(decoding: bytes.part(place, Slot.size), as: kind) : nil
            }
            guard let slot, slot.kind != nil || takesOlder, log == nil || slot.log == log,
                owner == nil || slot.owner == owner || slot.kind == nil && slot.owner == 0
            else {
                found.isWhole = false
                continue
            }
            found.isOlder = found.isOlder || slot.kind == nil
            guard found.value == nil || slot.generation > found.generation else { continue }
            found.generation = slot.generation
            found.value = Value(sequence: slot.value, ordinal: slot.ordinal, owner: slot.owner)
        }
        return found
    }

    private init(file: any DiskFile, kind: Slot.Kind, log: SpoolID, generation: UInt64) {
        self.file = file
        self.kind = kind
        self.log = log
        self.generation = generation
    }

    /// Written, not synced: survives the process, not yet a power cut.
    ///
    /// - Throws: what the file said before is still there; the next attempt writes to the same slot.
    func write(_ value: Value) throws(ForebayError) {
        let next = self.generation + 1
        let slot = Slot(self.kind, log: self.log, generation: next, value: value.sequence, ordinal: value.ordinal, owner: value.owner)
        let outcome = withUnsafeTemporaryAllocation(byteCount: Slot.size, alignment: MemoryLayout<UInt64>.alignment) { bytes in
            slot.encode(to: bytes.baseAddress!)
            return Result { () throws(ForebayError) in
                try self.file.write(UnsafeRawBufferPointer(bytes), at: Int(next % 2) * SpoolFormat.block)
            }
        }
        try outcome.get()
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
