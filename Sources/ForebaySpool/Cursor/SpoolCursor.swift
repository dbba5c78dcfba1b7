package import ForebayCore
import Synchronization

/// Where one stage stands on one route: everything below is settled. Moves forward only.
///
/// Written on each move (survives kill -9), synced by the keeper every 100 ms (survives a power cut); what holds a segment is
/// the synced place.
package final class SpoolCursor: Sendable {
    private struct State: ~Copyable {
        let slots: SlotFile
        var value: SlotFile.Value
        var synced: UInt64
        var isDirty = false
    }

    /// `forward/orders`.
    package let name: String
    /// Whose events it counts: its own route's, and those of the names that this one had before.
    package let routes: [RouteID]
    private let file: any DiskFile
    private let state: Mutex<State>
    private let moved: @Sendable () -> Void
    private let onDiskFailure: @Sendable (ForebayError) -> Never

    init(
        name: String, routes: [RouteID], slots: sending SlotFile, value: SlotFile.Value, moved: @escaping @Sendable () -> Void,
        onDiskFailure: @escaping @Sendable (ForebayError) -> Never
    ) {
        self.onDiskFailure = onDiskFailure
        self.name = name
        self.routes = routes
        self.file = slots.file
        self.state = Mutex(State(slots: slots, value: value, synced: value.sequence))
        self.moved = moved
    }

    /// `forward`.
    package var stage: String { String(CursorSet.stage(of: self.name)) }

    /// `orders`.
    package var route: String { CursorSet.route(of: self.name) }

    /// Whether it counts its own route's events. Not so one that keeps those of a route whose name was lost.
    var isNamed: Bool { self.routes.contains(RouteID(name: self.route)) }

    package var sequence: UInt64 { self.state.withLock { $0.value.sequence } }

    /// Events of the routes below the cursor.
    var ordinal: UInt64 { self.state.withLock { $0.value.ordinal } }

    var syncedSequence: UInt64 { self.state.withLock { $0.synced } }

    /// What stands in the slots as their owner.
    static func owner(_ name: String) -> UInt64 { RouteID(name: "cursor \(name)").rawValue }

    /// - Parameters:
    ///   - sequence: one past the last settled event; lower than now: nothing happens.
    ///   - settled: events of the routes among those passed.
    package func move(to sequence: UInt64, settled: UInt64) throws(ForebayError) {
        try self.change { value in
            guard sequence > value.sequence else { return false }
            value.sequence = sequence
            value.ordinal += settled
            return true
        }
    }

    /// Everything of the routes below `sequence` is settled or lost, and that is `ordinal` events: what a hole held is known only so.
    package func rest(at sequence: UInt64, ordinal: UInt64) throws(ForebayError) {
        try self.change { value in
            guard sequence >= value.sequence, sequence != value.sequence || ordinal != value.ordinal else { return false }
            value.sequence = sequence
            value.ordinal = ordinal
            return true
        }
    }

    private func change(_ decide: (inout SlotFile.Value) -> Bool) throws(ForebayError) {
        let outcome = self.state.withLock { state -> Result<Bool, ForebayError> in
            var value = state.value
            guard decide(&value) else { return .success(false) }
            return Result { () throws(ForebayError) in
                try state.slots.write(value)
                state.value = value
                defer { state.isDirty = true }
                return !state.isDirty
            }
        }
        do throws(ForebayError) {
            if try outcome.get() { self.moved() }
        } catch {
            // No room for a copy-on-write is over one day; a sector that takes nothing more is not, and the next start replaces the file.
            guard error.code == .spoolFull else { self.onDiskFailure(error) }
            throw error
        }
    }

    /// Called by the keeper on its thread. Moves go on while it waits for the disk: what they write counts at the next sync.
    func sync() throws(ForebayError) {
        let written = self.state.withLock { state -> UInt64? in
            defer { state.isDirty = false }
            return state.isDirty ? state.value.sequence : nil
        }
        guard let written else { return }
        try self.file.syncData()
        self.state.withLock { $0.synced = max($0.synced, written) }
    }
}
