package import ForebayCore
import Synchronization

/// What a route can't deliver now, kept until it can: a log of the spool's format in a folder of its own, made when the first unit comes.
///
/// Each frame holds events of one unit and names it where the spool's frames name their route; so a frame's ordinal counts the unit's own
/// events, and that is the unit's *position*: 0 for its first event. A segment goes when every unit with frames in it
/// is durably past those, whatever stands before it.
package final class SetAsideLog: Sendable {
    private struct Store {
        let spool: Spool
        let units: UnitTable
    }

    private let directory: String
    private let disk: any Disk
    private let open: @Sendable (String) throws(ForebayError) -> Spool
    private let store: Mutex<Store?>
    private let isClosed = Atomic<Bool>(false)
    /// Held while the log is opened: a folder is opened once at a time, and who comes second gets what the first has opened.
    private let opening = Mutex(())

    /// Nothing stands on disk until the first unit comes. Opens what is there.
    ///
    /// - Parameters:
    ///   - directory: of this route's log.
    ///   - open: opens a side log in a folder.
    package init(
        directory: String, disk: any Disk = SystemDisk(), open: @escaping @Sendable (String) throws(ForebayError) -> Spool
    ) throws(ForebayError) {
        self.directory = directory
        self.disk = disk
        self.open = open
        self.store = Mutex(try Folder(disk).entries(directory).isEmpty ? nil : Self.openStore(directory, open))
    }

    /// Those not ended, by number.
    package var units: [Unit] {
        self.opened.map(Self.units) ?? []
    }

    private static func units(of store: Store) -> [Unit] {
        var units = store.units.live
        store.spool.view.read { state in
            for place in units.indices {
                units[place].end = max(units[place].settled, state.ordinals[RouteID(rawValue: units[place].number)] ?? 0)
            }
        }
        return units
    }

    /// Whether nothing waits in it.
    package var isEmpty: Bool { Self.isEmpty(self.units) }

    private static func isEmpty(_ units: [Unit]) -> Bool { units.allSatisfy { $0.end == $0.settled } }

    /// One above every number ever seen; the caller numbers new units upwards from it.
    package var nextNumber: UInt64 { self.opened?.units.nextNumber ?? 1 }

    /// Bytes of the files.
    package var byteCount: Int { self.opened.map { $0.spool.byteCount + $0.units.byteCount } ?? 0 }

    /// Bytes of the frames in the segments, settled ones included.
    package var frameBytes: Int {
        self.opened?.spool.view.read { state in state.segments.reduce(0) { $0 + $1.dataEnd - $1.header.dataStart } } ?? 0
    }

    /// What was set aside and can't be read any more, as far as a scan has noticed; sequences are positions of their unit.
    package var missing: [MissingRange] { self.opened?.spool.missing ?? [] }

    package var damage: SpoolDamage { self.opened?.spool.damage ?? SpoolDamage() }

    /// See ``Spool/fault``.
    package var fault: String? { self.opened?.spool.fault }

    package func acknowledgeAlarms() async throws(ForebayError) -> SpoolDamage {
        try await self.opened?.spool.acknowledgeAlarms() ?? SpoolDamage()
    }

    /// None: it holds nothing yet.
    package var witness: LogWitness? { self.opened?.spool.witness }

    /// Makes new units known, then the batches durable as one group.
    ///
    /// - Parameters:
    ///   - new: may be known already.
    ///   - batches: of units that are known and not ended, nor will be while this runs. Those of one unit stay in order.
    /// - Returns: one past each unit's last event of these batches.
    /// - Throws: `spool_full`; nothing is stored then, though new units may be known.
    @discardableResult
    package func append(new: [Unit], _ batches: [(unit: UInt64, batch: Batch)]) async throws(ForebayError) -> [UInt64: UInt64] {
        guard !new.isEmpty || !batches.isEmpty else { return [:] }
        let store = try await self.openedOrMade()
        let (spool, units) = (store.spool, store.units)
        if !new.isEmpty {
            try await spool.onCommitThread(growing: { units.growth(for: new) }) { () throws(ForebayError) in
                defer { spool.charge(units.takeGrowth()) }
                do throws(ForebayError) {
                    try spool.withReserve { () throws(ForebayError) in try units.add(new) }
                } catch {
                    if error.code == .spoolFull { spool.lacksRoom() }
                    throw error
                }
            }
        }
        guard !batches.isEmpty else { return [:] }
        let numbers = Set(batches.map(\.unit))
        units.beginAppend(numbers)
        let routed = batches.map { unit, batch in
            Batch(
                lane: batch.lane, origin: batch.origin, first: batch.first, count: batch.count, route: RouteID(rawValue: unit),
                acceptedAt: batch.acceptedAt, slab: batch.slab, range: batch.range)
        }
        // Others append to the same unit meanwhile: where these stand is known on the commit thread alone, when they do.
        let before = Mutex<[UInt64: UInt64]>([:])
        let token = AckToken(onNumbered: { _ in before.withLock { $0 = spool.ends(of: numbers) } }, settle: { _ in })
        do throws(ForebayError) {
            _ = try await spool.commit([Submission(batches: routed, ack: token)])
        } catch {
            units.endAppend(numbers, [:])
            throw error
        }
        // Stored: nothing that comes now may say otherwise. A unit that was empty has a new oldest event.
        var ends = before.withLock { $0 }
        let firsts = batches.map { ($0.unit, (position: ends[$0.unit]!, acceptedAt: $0.batch.acceptedAt)) }
        units.endAppend(numbers, Dictionary(firsts) { first, _ in first })
        for (unit, batch) in batches { ends[unit]! += UInt64(batch.count) }
        return ends
    }

    /// Moves a unit's cursor forward: written at once (survives kill -9), synced within 100 ms (survives a power cut); on a full disk that
    /// can't write over what is there, as soon as there is room. A unit that is ended or not known is passed over.
    ///
    /// - Parameters:
    ///   - position: everything of the unit below it is settled, or missing.
    ///   - oldestAcceptedAt: of the first event that is not; none: as before.
    package func settle(_ unit: UInt64, through position: UInt64, oldestAcceptedAt: Int64?) {
        guard let store = self.opened else { return }
        let end = store.spool.view.read { $0.ordinals[RouteID(rawValue: unit)] ?? 0 }
        precondition(position <= end || store.units.settled(unit) == nil, "a cursor beyond the end of its unit")
        store.units.settle(unit, through: position, oldestAcceptedAt: oldestAcceptedAt)
    }

    /// A unit is empty and forgotten: its frames are waste. As durable as ``settle(_:through:oldestAcceptedAt:)``. No append to it may
    /// be on its way.
    package func end(_ unit: UInt64) {
        self.opened?.units.end(unit)
    }

    /// The oldest file that some units hold and that can go: the newest stays, but where its units take more than itself.
    ///
    /// - Parameter isHeld: whether a unit needs its events below a position.
    /// - Returns: one past the last event in it of each unit; none: there is no such file.
    package func oldestFile(isHeld: (_ unit: UInt64, _ end: UInt64) -> Bool) -> [UInt64: UInt64]? {
        var segments = self.opened?.spool.view.read { $0.segments } ?? []
        if let newest = segments.last, newest.routes.entries.count * UnitPair.size < max(newest.size, UnitTable.worthLeaving) {
            segments.removeLast()
        }
        let held = segments.first { segment in segment.routes.entries.contains { isHeld($0.route.rawValue, $0.ordinal) } }
        return held.map { Dictionary(uniqueKeysWithValues: $0.routes.entries.map { ($0.route.rawValue, $0.ordinal) }) }
    }

    /// Reads the events of some units at and above a position each, in the order of the log, in one pass over it.
    package func scan(_ positions: [UInt64: UInt64]) -> SetAsideScan {
        guard let store = self.opened else { return SetAsideScan() }
        let spool = store.spool
        return SetAsideScan(
            view: spool.view, disk: spool.configuration.disk, metrics: spool.readers.metrics, units: store.units, positions: positions
        ) { [weak spool] in
            spool?.report($0)
        }
    }

    /// Nothing can be appended afterwards.
    ///
    /// - Returns: whether nothing waits in it.
    @discardableResult package func close() async -> Bool {
        self.isClosed.store(true, ordering: .sequentiallyConsistent)
        let store = self.store.withLock { store in
            defer { store = nil }
            return store
        }
        guard let store else { return true }
        await store.spool.close()
        return Self.isEmpty(Self.units(of: store))
    }

    /// The same list from outside, for a node that is down: takes no lock, writes nothing.
    package static func list(directory: String, disk: any Disk = SystemDisk()) throws(ForebayError) -> [Unit] {
        guard try !Folder(disk).entries("\(directory)/segments").isEmpty else { return [] }
        let inspection = try SpoolInspection(directory: directory, disk: disk)
        guard let log = inspection.id else { return [] }
        let path = "\(directory)/\(UnitTable.file)"
        let table = try disk.kind(of: path) == .file ? try disk.open(path, []) : nil
        return try UnitInventory(table: table, log: log, segments: inspection.segmentsWithRoutes(), disk: disk).units
    }

    /// The names of the folders that hold such logs, one for each route that ever had one.
    package static func routes(in directory: String, disk: any Disk = SystemDisk()) throws(ForebayError) -> [String] {
        try Folder(disk).entries(directory)
    }

    /// What was settled and ended is durable on return, but where the disk has no room for it; and not only within 100 ms.
    package func syncCursors() async {
        await self.opened?.spool.syncCursors()
    }

    /// What was settled or read until now was settled, and read, in earnest.
    ///
    /// - Throws: `unavailable`: it is closed, and nothing may have come of that.
    package func requireOpen() throws(ForebayError) {
        if self.isClosed.load(ordering: .sequentiallyConsistent) { throw .closed }
    }

    private var opened: Store? { self.store.withLock { $0 } }

    /// Off the caller's executor, which may be an event loop: opening waits for the disk.
    @concurrent private func openedOrMade() async throws(ForebayError) -> Store {
        if let store = self.opened { return store }
        let store = try self.opening.withLock { _ in Result { () throws(ForebayError) in try self.openOnce() } }.get()
        guard !self.isClosed.load(ordering: .sequentiallyConsistent) else {
            await self.close()
            throw .closed
        }
        return store
    }

    private func openOnce() throws(ForebayError) -> Store {
        if let store = self.opened { return store }
        try self.requireOpen()
        let store = try Self.openStore(self.directory, self.open)
        self.store.withLock { $0 = store }
        return store
    }

    private static func openStore(
        _ directory: String, _ open: @Sendable (String) throws(ForebayError) -> Spool
    ) throws(ForebayError) -> Store {
        let spool = try open(directory)
        do throws(ForebayError) {
            return Store(spool: spool, units: try spool.openUnits())
        } catch {
            spool.uncount()
            throw error
        }
    }
}

extension Spool {
    /// One past each unit's last durable event.
    fileprivate func ends(of units: Set<UInt64>) -> [UInt64: UInt64] {
        self.view.read { state in
            Dictionary(uniqueKeysWithValues: units.map { ($0, state.ordinals[RouteID(rawValue: $0)] ?? 0) })
        }
    }
}
