package import ForebayCore
import Glibc
import Synchronization

/// Where one stage stands on one route: everything below is settled. Moves forward only.
///
/// Written on each move (survives kill -9), synced by the keeper every 100 ms (survives a power cut); what holds a segment is
/// the synced place.
///
/// A move that finds no room, with the reserve spent (a file system that copies what is written over), counts in memory and is written as
/// soon as there is room: until then a restart delivers again from what was written last.
package final class SpoolCursor: Sendable {
    /// What is settled beyond it.
    package struct Ahead: Sendable, Equatable {
        package var settled: SettledAhead
        /// Nothing has been sent since.
        package var isFinal: Bool

        package init(settled: SettledAhead = SettledAhead(), isFinal: Bool = false) {
            self.settled = settled
            self.isFinal = isFinal
        }
    }

    /// So many ranges beyond it are remembered.
    package static let aheadLimit = SettledAheadFile.rangeLimit

    private struct State: ~Copyable {
        let slots: SlotFile
        var value: SlotFile.Value
        /// Sequences.
        var written: UInt64, synced: UInt64
        /// What is written is not synced.
        var isDirty = false
        /// For want of room, or because it must not stand there yet.
        var isUnwritten = false
        var ahead = Ahead()
        var isAheadDirty = false
        /// Another process may have the log.
        var isClosed = false
        /// What the side logs held at the start.
        var witnesses: [LogWitness] = []
    }

    /// `forward/orders`.
    package let name: String
    /// Whose events it counts: its own route's, and those of the names that this one had before.
    package let routes: [RouteID]
    private let file: any DiskFile
    private let aheadFile: SettledAheadFile
    private let budget: SpoolBudget
    private let state: Mutex<State>
    private let moved: @Sendable () -> Void
    private let mayPass: @Sendable (UInt64) -> Bool
    private let onDiskFailure: @Sendable (ForebayError) -> Never

    /// - Parameter mayPass: whether what lies below a sequence and could not be read is told of durably. Until then it is not written.
    init(
        name: String, routes: [RouteID], slots: sending SlotFile, value: SlotFile.Value, ahead: SettledAheadFile, budget: SpoolBudget,
        moved: @escaping @Sendable () -> Void, mayPass: @escaping @Sendable (UInt64) -> Bool,
        onDiskFailure: @escaping @Sendable (ForebayError) -> Never
    ) {
        self.mayPass = mayPass
        self.budget = budget
        self.onDiskFailure = onDiskFailure
        self.name = name
        self.routes = routes
        self.file = slots.file
        self.aheadFile = ahead
        self.state = Mutex(State(slots: slots, value: value, written: value.sequence, synced: value.sequence))
        self.moved = moved
    }

    package var delivery: DeliveryName { CursorSet.delivery(of: self.name) }

    /// `forward`.
    var stage: String { String(CursorSet.stage(of: self.name)) }

    /// `orders`.
    var route: String { CursorSet.route(of: self.name) }

    /// Whether it counts its own route's events. Not so one that keeps those of a route whose name was lost.
    var isNamed: Bool { self.routes.contains(RouteID(name: self.route)) }

    var value: SlotFile.Value { self.state.withLock { $0.value } }

    package var sequence: UInt64 { self.state.withLock { $0.value.sequence } }

    /// Events of the routes below the cursor.
    package var ordinal: UInt64 { self.state.withLock { $0.value.ordinal } }

    var syncedSequence: UInt64 { self.state.withLock { $0.synced } }

    /// What stands in the slots as their owner.
    static func owner(_ name: String) -> UInt64 { RouteID(name: "cursor \(name)").rawValue }

    /// - Parameters:
    ///   - sequence: one past the last settled event; lower than now: nothing happens.
    ///   - settled: events of the routes among those passed.
    package func move(to sequence: UInt64, settled: UInt64) {
        self.change { value in
            guard sequence > value.sequence else { return false }
            value.sequence = sequence
            value.ordinal += settled
            return true
        }
    }

    /// Everything of the routes below `sequence` is settled or lost, and that is `ordinal` events: what a hole held is known only so.
    package func rest(at sequence: UInt64, ordinal: UInt64) {
        self.change { value in
            guard sequence >= value.sequence, sequence != value.sequence || ordinal != value.ordinal else { return false }
            value.sequence = sequence
            value.ordinal = ordinal
            return true
        }
    }

    // MARK: Ahead of it

    /// Takes over what an earlier process wrote down. At a start, before anything is read; waits for the disk. What can't be read says
    /// nothing; only what is void must not stay.
    ///
    /// - Parameters:
    ///   - end: one past the log's last durable event.
    ///   - witnesses: what the logs hold in which events were settled, as far as they are whole.
    package func openAhead(end: UInt64, witnesses: [LogWitness]) throws(ForebayError) -> Ahead {
        self.state.withLock { $0.witnesses = witnesses }
        var read: Ahead?
        do throws(ForebayError) {
            read = try self.aheadFile.read(end: end)
        } catch {
            // Not being able to look just now says nothing of the file: the next start may.
            if let code = error.systemCode, [EMFILE, ENFILE, ENOMEM].contains(code) { return Ahead() }
        }
        guard var found = read,
            found.settled.witnesses.allSatisfy({ needed in witnesses.contains { $0.covers(needed) } })
        else {
            try self.budget.withReserve { () throws(ForebayError) in try self.aheadFile.remove() }
            return Ahead()
        }
        found.settled.trim(below: self.sequence, limit: Self.aheadLimit)
        self.state.withLock { $0.ahead = found }
        // From now on something may be sent. Where there is no room to say so, too few events are counted as delivered again.
        if found.isFinal { try? self.writeAhead(Ahead(settled: found.settled)) }
        return found
    }

    /// What is on disk just now; none: nothing, or nothing that can be read.
    func readAhead(end: UInt64) -> Ahead? {
        do throws(ForebayError) { return try self.aheadFile.read(end: end) } catch { return nil }
    }

    /// Events beyond it are settled: written within 100 ms, by the keeper.
    package func keep(_ ahead: SettledAhead, isFinal: Bool) {
        let isNew = self.state.withLock { state in
            var ahead = Ahead(settled: ahead, isFinal: isFinal)
            // What was found lost since the start may be what was settled by being there. Of that nothing is told apart.
            if !ahead.settled.witnesses.allSatisfy({ witness in
                witness.losses == state.witnesses.first { $0.log == witness.log }?.losses ?? 0
            }) {
                ahead.settled.trim(below: 0, limit: 0)
            }
            guard ahead != state.ahead else { return false }
            state.ahead = ahead
            defer { state.isAheadDirty = true }
            return !state.isAheadDirty
        }
        if isNew { self.moved() }
    }

    /// What was said to be final is not any more.
    package func begin() {
        let isNew = self.state.withLock { state in
            guard state.ahead.isFinal else { return false }
            state.ahead.isFinal = false
            defer { state.isAheadDirty = true }
            return !state.isAheadDirty
        }
        if isNew { self.moved() }
    }

    private func syncAhead() {
        let due = self.state.withLock { state -> Ahead? in
            if !state.ahead.settled.ranges.isEmpty, state.ahead.settled.end <= state.value.sequence {
                state.ahead.settled.trim(below: state.value.sequence, limit: Self.aheadLimit)
                state.isAheadDirty = true
            }
            guard state.isAheadDirty else { return nil }
            state.isAheadDirty = false
            return state.ahead
        }
        guard let due else { return }
        // What can't be written is delivered again after the next start, as if the process had been killed. That is not worth the reserve.
        try? self.writeAhead(due)
    }

    private func writeAhead(_ ahead: Ahead) throws(ForebayError) {
        if ahead.settled.ranges.isEmpty, !ahead.isFinal { try self.aheadFile.remove() } else { try self.aheadFile.write(ahead) }
    }

    private func change(_ decide: (inout SlotFile.Value) -> Bool) {
        let outcome = self.state.withLock { state -> Result<Bool, ForebayError> in
            guard decide(&state.value) else { return .success(false) }
            let isTold = state.isDirty || state.isUnwritten
            return Result { () throws(ForebayError) in
                try self.write(&state)
                return !isTold
            }
        }
        do throws(ForebayError) {
            if try outcome.get() { self.moved() }
        } catch {
            // A sector that takes nothing more won't tomorrow; the next start replaces the file.
            self.onDiskFailure(error)
        }
    }

    private func write(_ state: inout State) throws(ForebayError) {
        let (slots, value) = (state.slots, state.value)
        guard !state.isClosed, self.mayPass(value.sequence) else {
            state.isUnwritten = true
            return
        }
        do throws(ForebayError) {
            try self.budget.withReserve { () throws(ForebayError) in try slots.write(value) }
            (state.written, state.isDirty, state.isUnwritten) = (value.sequence, true, false)
        } catch {
            guard error.code == .spoolFull else { throw error }
            state.isUnwritten = true
        }
    }

    /// Nothing of it is written any more: where it is moved to now counts in memory.
    func close() {
        self.state.withLock { $0.isClosed = true }
    }

    /// Called by the keeper on its thread. Moves go on while it waits for the disk: what they write counts at the next sync.
    ///
    /// - Returns: false: there is no room for it yet.
    @discardableResult func sync() throws(ForebayError) -> Bool {
        self.syncAhead()
        let outcome = self.state.withLock { state -> Result<UInt64?, ForebayError> in
            Result { () throws(ForebayError) in
                if state.isUnwritten { try self.write(&state) }
                guard state.isDirty else { return nil }
                state.isDirty = false
                return state.written
            }
        }
        guard let written = try outcome.get() else { return self.state.withLock { !$0.isUnwritten } }
        try self.file.syncData()
        return self.state.withLock { state in
            state.synced = max(state.synced, written)
            return !state.isUnwritten
        }
    }
}
