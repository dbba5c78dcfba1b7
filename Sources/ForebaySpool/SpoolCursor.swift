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
        var synced: SlotFile.Value
        var isDirty = false
    }

    /// `forward/orders`.
    package let name: String
    package let route: RouteID
    private let state: Mutex<State>
    private let moved: @Sendable () -> Void

    init(name: String, route: RouteID, slots: sending SlotFile, value: SlotFile.Value, moved: @escaping @Sendable () -> Void) {
        self.name = name
        self.route = route
        self.state = Mutex(State(slots: slots, value: value, synced: value))
        self.moved = moved
    }

    package var sequence: UInt64 { self.state.withLock { $0.value.sequence } }

    /// Events of the route below the cursor.
    var ordinal: UInt64 { self.state.withLock { $0.value.ordinal } }

    var syncedSequence: UInt64 { self.state.withLock { $0.synced.sequence } }

    /// - Parameters:
    ///   - sequence: one past the last settled event; lower than now: nothing happens.
    ///   - settled: events of the route among those passed.
    ///   - ordinal: events of the route below `sequence`, if that is known. More than was settled: the rest lay in a damaged range.
    package func move(to sequence: UInt64, settled: UInt64, ordinal: UInt64? = nil) throws(ForebayError) {
        try self.change { value in
            guard sequence > value.sequence else { return nil }
            return SlotFile.Value(sequence: sequence, ordinal: value.ordinal + settled)
        }
    }

    /// Everything of the route below `sequence` is settled or lost, and that is `ordinal` events: what a hole held is known only so.
    package func rest(at sequence: UInt64, ordinal: UInt64) throws(ForebayError) {
        try self.change { value in
            let resting = SlotFile.Value(sequence: sequence, ordinal: ordinal)
            return sequence >= value.sequence && resting != value ? resting : nil
        }
    }

    private func change(_ decide: (SlotFile.Value) -> SlotFile.Value?) throws(ForebayError) {
        let outcome = self.state.withLock { state -> Result<Bool, ForebayError> in
            guard let value = decide(state.value) else { return .success(false) }
            return Result { () throws(ForebayError) in
                try state.slots.write(value)
                state.value = value
                defer { state.isDirty = true }
                return !state.isDirty
            }
        }
        if try outcome.get() { self.moved() }
    }

    /// Called by the keeper on its thread.
    func sync() throws(ForebayError) {
        let outcome = self.state.withLock { state -> Result<Void, ForebayError> in
            guard state.isDirty else { return .success(()) }
            return Result { () throws(ForebayError) in
                try state.slots.sync()
                state.synced = state.value
                state.isDirty = false
            }
        }
        try outcome.get()
    }
}
