import ForebayCore
import Synchronization

/// How far a log is durable, how far it was let go of, and its newest segment, in the file `mark`: what the segments can't say
/// themselves once they are damaged or gone. Written by the thread that commits and the one that keeps.
final class SpoolMark: Sendable {
    struct Value: Equatable, Sendable {
        /// Everything below this sequence was durable.
        var durable: UInt64 = 0
        /// What lay below this sequence was removed because nobody needed it.
        var released: UInt64 = 0
        /// The number of the newest segment.
        var newest: UInt64 = 0
    }

    static let file = "mark"

    private struct State: ~Copyable {
        let slots: SlotFile
        var value: Value
    }

    private let file: any DiskFile
    private let budget: SpoolBudget
    private let state: Mutex<State>

    init(slots: sending SlotFile, value: Value, budget: SpoolBudget) {
        self.budget = budget
        self.file = slots.file
        self.state = Mutex(State(slots: slots, value: value))
    }

    /// See ``Value/newest``.
    var newest: UInt64 { self.state.withLock { $0.value.newest } }

    /// Changes the mark, durably.
    ///
    /// - Throws: `spool_full` on a file system that copies what is written over, with the reserve spent: nothing is changed then.
    func set(_ change: (inout Value) -> Void) throws(ForebayError) {
        let outcome = self.state.withLock { state -> Result<Bool, ForebayError> in
            var value = state.value
            change(&value)
            guard value != state.value else { return .success(false) }
            return Result { () throws(ForebayError) in
                let slots = state.slots
                try self.budget.withReserve { () throws(ForebayError) in try slots.write(SlotFile.Value(value)) }
                state.value = value
                return true
            }
        }
        // Outside the lock: a slow sync of one thread must not hold up the other.
        if try outcome.get() { try self.file.syncData() }
    }
}

extension SlotFile.Value {
    init(_ mark: SpoolMark.Value) {
        self.init(sequence: mark.durable, ordinal: mark.released, owner: mark.newest)
    }
}

extension SpoolMark.Value {
    init(_ slot: SlotFile.Value) {
        self.init(durable: slot.sequence, released: slot.ordinal, newest: slot.owner)
    }
}
