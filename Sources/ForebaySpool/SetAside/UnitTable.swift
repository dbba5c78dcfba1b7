import ForebayCore
import Glibc
import Synchronization

/// The units of a set-aside log and where each one's cursor stands: in memory, and in the file `units` (``UnitIdentity`` has the layout).
///
/// One descriptor for any number of units. A cursor that moves is one small write on the calling thread, an event loop, and never
/// waits for a sync: that is the keeper's, some 100 ms later, and what holds a segment is the synced place.
///
/// On a file system that copies what is written over, a full disk can't take that write. Nobody is told, since nothing is wrong with the
/// events: it is written by the first sync that finds room, and holds its segments until then.
final class UnitTable: SegmentHolder {
    static let file = "units"

    let log: SpoolID
    let file: any DiskFile
    private let onDiskFailure: @Sendable (ForebayError) -> Never
    let state: Mutex<UnitTableState>
    /// Held over a sync, by the threads that may wait for one.
    private let syncing = Mutex(())
    /// Held while units get pairs, or other ones, by the same threads: before the other two.
    let placing = Mutex(())

    /// Opens the table, or makes it, durably. Units whose identity can't be read are not in it; ``SetAsideRecovery`` adds them.
    init(
        _ disk: any Disk, directory: String, log: SpoolID, inventory: (any DiskFile) throws(ForebayError) -> UnitInventory,
        onDiskFailure: @escaping @Sendable (ForebayError) -> Never
    ) throws(ForebayError) {
        self.log = log
        self.onDiskFailure = onDiskFailure
        let path = "\(directory)/\(Self.file)"
        try Folder(disk).putAsideUnlessFile(path, of: directory)
        var file = try disk.open(path, [.write, .create])
        try file.sync()
        try disk.syncFolder(directory)
        let inventory = try inventory(file)
        var state = UnitTableState()
        state.pairs = UnitPairs(count: inventory.pairCount, free: inventory.free)
        state.highest = inventory.highest
        for (number, found) in inventory.found {
            // Where the process before ended with a sync that failed, what was read may be in the page cache alone, and no later sync
            // writes it: it holds segments until it is written again.
            state.entries[number] = UnitTableState.Entry(
                unit: found.unit, pair: found.pair, generation: found.generation, isEnded: found.isEnded, synced: 0)
            state.unwritten.insert(number)
        }
        do throws(ForebayError) {
            for number in state.unwritten.sorted() { try Self.write(number, &state, file, log) }
        } catch {
            // A sector that takes nothing more: all of it goes to another place.
            guard error.systemCode == EIO else { throw error }
            try Folder(disk).quarantine(path, of: directory) { place throws(ForebayError) in
                let new = try disk.open(place, [.write, .create, .truncate])
                for number in state.entries.keys.sorted() {
                    try state.entries[number]!.writeWhole(new, log)
                    state.entries[number]!.generation += 2
                }
                try new.sync()
                try disk.syncFolder(Folder.parent(of: place))
            }
            file = try disk.open(path, .write)
            (state.unwritten, state.dirty) = ([], Set(state.entries.keys))
        }
        self.file = file
        self.state = Mutex(state)
        try self.sync()
    }

    /// - Parameters:
    ///   - moved: called when something is to be synced, once until it is.
    ///   - makeRoom: called by ``sync()`` where the disk had no room for a write; says whether it has some now.
    ///   - mayPass: see ``SpoolReporter/mayPass(unit:)``.
    func whenMoved(
        _ moved: @escaping @Sendable () -> Void, makeRoom: @escaping @Sendable () -> Bool, mayPass: @escaping @Sendable (UInt64) -> Bool
    ) {
        let isDue = self.state.withLock { state in
            (state.moved, state.makeRoom, state.mayPass) = (moved, makeRoom, mayPass)
            return state.isSyncDue
        }
        if isDue { moved() }
    }

    var byteCount: Int { self.state.withLock { $0.pairs.byteCount } }

    /// Bytes by which the file will grow when these are added.
    func growth(for units: [SetAsideLog.Unit]) -> Int {
        self.state.withLock { state in state.pairs.growth(for: units.map(\.number).filter { state.entries[$0] == nil }) }
    }

    /// Bytes by which the file has grown since this was asked last; all of it the first time. Below 0: it has shrunk.
    func takeGrowth() -> Int { self.state.withLock { $0.pairs.takeGrowth() } }

    /// One above every number seen.
    var nextNumber: UInt64 { self.state.withLock { $0.highest + 1 } }

    /// Those not ended, by number. Their `end` is the log's to say.
    var live: [SetAsideLog.Unit] {
        self.state.withLock { state in
            state.entries.values.filter { !$0.isEnded }.map(\.unit)
        }.sorted { $0.number < $1.number }
    }

    /// How far a unit is settled, as written; none: ended or not known, nothing of it is wanted.
    func settled(_ number: UInt64) -> UInt64? {
        self.state.withLock { state in state.entries[number].flatMap { $0.isEnded ? nil : $0.unit.settled } }
    }

    func topic(of number: UInt64) -> String? { self.state.withLock { $0.entries[number]?.unit.topic } }

    /// Makes units known, durably: written, then synced, before any frame of theirs. Waits for the disk. Those known are passed over.
    ///
    /// - Parameter isEnded: to be forgotten as soon as their frames are gone.
    /// - Throws: `spool_full`; some may be on disk then, without frames.
    func add(_ units: [SetAsideLog.Unit], isEnded: Bool = false) throws(ForebayError) {
        let outcome = self.placing.withLock { _ in Result { () throws(ForebayError) in try self.place(units, isEnded: isEnded) } }
        try outcome.get()
    }

    private func place(_ units: [SetAsideLog.Unit], isEnded: Bool) throws(ForebayError) {
        let places = self.state.withLock { state in units.compactMap { unit in state.place(for: unit) } }
        guard !places.isEmpty else { return }
        do throws(ForebayError) {
            for var entry in places {
                entry.isEnded = isEnded
                try entry.writeWhole(self.file, self.log)
            }
            try self.file.sync()
        } catch  where error.code == .spoolFull {
            throw error
        } catch {
            self.onDiskFailure(error)
        }
        self.state.withLock { state in
            for var entry in places {
                let number = entry.unit.number
                entry.generation += 2
                entry.isEnded = isEnded
                entry.isEndSynced = isEnded
                if isEnded { state.ended.insert(number) }
                state.entries[number] = entry
                state.highest = max(state.highest, number)
                state.pairs.take(for: number)
            }
        }
    }

    /// Until ``endAppend(_:_:)`` these units are being appended to: ending one now would lose what is on its way.
    func beginAppend(_ units: Set<UInt64>) {
        self.state.withLock { state in
            for unit in units {
                precondition(state.entries[unit]?.isEnded == false, "a unit that is not known, or ended")
                state.appending[unit, default: 0] += 1
            }
        }
    }

    /// - Parameter oldest: acceptance of the first event that was appended to a unit, where that stands at its position.
    func endAppend(_ units: Set<UInt64>, _ oldest: [UInt64: (position: UInt64, acceptedAt: Int64)]) {
        self.state.withLock { state in
            for unit in units { state.appending[unit] = state.appending[unit].flatMap { $0 > 1 ? $0 - 1 : nil } }
        }
        for (unit, first) in oldest {
            self.change(unit) { entry in
                guard entry.unit.settled == first.position, entry.unit.oldestAcceptedAt != first.acceptedAt else { return false }
                entry.unit.oldestAcceptedAt = first.acceptedAt
                return true
            }
        }
    }

    /// Moves a cursor forward.
    func settle(_ number: UInt64, through position: UInt64, oldestAcceptedAt: Int64?) {
        self.change(number) { entry in
            let oldest = oldestAcceptedAt ?? entry.unit.oldestAcceptedAt
            guard position > entry.unit.settled || position == entry.unit.settled && oldest != entry.unit.oldestAcceptedAt else {
                return false
            }
            entry.unit.settled = position
            entry.unit.oldestAcceptedAt = oldest
            return true
        }
    }

    func end(_ number: UInt64) {
        self.change(number) { entry in
            entry.isEnded = true
            return true
        }
        // It may not have come so far as to be known.
        self.state.withLock { $0.pairs.release(for: number) }
    }

    /// Called on the threads that may wait: what was written is durable on return.
    func sync() throws(ForebayError) {
        let outcome = self.syncing.withLock { _ in
            Result { () throws(ForebayError) in
                if try self.writeAgain() > 0, let makeRoom = self.state.withLock({ $0.makeRoom }), makeRoom() { try self.writeAgain() }
                let written = self.state.withLock { state in
                    defer { (state.dirty, state.isSyncDue) = ([], false) }
                    // Of one that could not be written an older place may be; that does not count for the newer.
                    return state.dirty.subtracting(state.unwritten).compactMap { state.entries[$0] }
                }
                guard !written.isEmpty else { return }
                try self.file.syncData()
                self.state.withLock { $0.synced(written) }
            }
        }
        try outcome.get()
        let moved = self.state.withLock { state -> (@Sendable () -> Void)? in
            guard !state.unwritten.isEmpty, !state.isSyncDue else { return nil }
            state.isSyncDue = true
            return state.moved
        }
        moved?()
    }

    /// - Returns: how many entries there was no room for again.
    @discardableResult private func writeAgain() throws(ForebayError) -> Int {
        try self.state.withLock { state in
            Result { () throws(ForebayError) in
                for number in state.unwritten.sorted() { try Self.write(number, &state, self.file, self.log) }
                return state.unwritten.count(where: state.mayPass)
            }
        }.get()
    }

    /// Whether some unit is not durably past its last event in the segment.
    func needs(_ segment: SegmentInfo) -> Bool {
        self.state.withLock { $0.needs(segment) }
    }

    /// Bytes that pairs of ended units take because the segment has frames of them.
    func bytesHeld(by segment: SegmentInfo) -> Int { self.state.withLock { $0.bytesHeld(by: segment) } }

    /// Lets go of the ended units that no segment has frames of; their pairs may be used again.
    ///
    /// - Parameter segments: all that are on disk.
    func forget(present segments: [SegmentInfo]) -> [UInt64] {
        self.state.withLock { $0.forget(present: segments) }
    }

    /// Changes an entry that is not ended, and writes its slot: survives the process, and after the next sync a power cut.
    private func change(_ number: UInt64, _ body: (inout UnitTableState.Entry) -> Bool) {
        let outcome = self.state.withLock { state in
            Result { () throws(ForebayError) -> (@Sendable () -> Void)? in
                guard var entry = state.entries[number], !entry.isEnded, body(&entry) else { return nil }
                precondition(!entry.isEnded || state.appending[number] == nil, "a unit is ended while it is appended to")
                state.entries[number] = entry
                try Self.write(number, &state, self.file, self.log)
                defer { state.isSyncDue = true }
                return state.isSyncDue ? nil : state.moved
            }
        }
        do throws(ForebayError) {
            try outcome.get()?()
        } catch {
            // Room comes back one day; a sector that takes nothing more does not.
            self.onDiskFailure(error)
        }
    }

    /// Writes an entry's slot, or remembers that there was no room for it, or that it must wait.
    private static func write(
        _ number: UInt64, _ state: inout UnitTableState, _ file: any DiskFile, _ log: SpoolID
    ) throws(ForebayError) {
        guard var entry = state.entries[number] else { return }
        guard state.mayPass(number) else {
            state.unwritten.insert(number)
            return
        }
        // Counted only if it is written: another try must not take the place of the one that is sound.
        entry.generation += 1
        do throws(ForebayError) {
            try entry.writeSlot(file, log)
        } catch {
            guard error.code == .spoolFull else { throw error }
            state.unwritten.insert(number)
            return
        }
        state.entries[number] = entry
        state.unwritten.remove(number)
        state.dirty.insert(number)
    }
}
