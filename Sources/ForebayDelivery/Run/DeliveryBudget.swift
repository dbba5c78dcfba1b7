import Synchronization

/// The memory that all routes together may hold in flight, in bytes. One for the process; every stage takes a share.
///
/// A share is always granted its part of half the budget, so that routes that stand still can't starve the others;
/// the rest is for whoever is first. A share that holds nothing is granted anything: configuration can't deadlock data.
package final class DeliveryBudget: Sendable {
    private struct State {
        var used: [Int] = []
        var waiting: [(@Sendable () -> Void)?] = []
        var members = 0
    }

    package let total: Int
    private let state = Mutex(State())

    package init(total: Int = 32 << 20) {
        self.total = total
    }

    /// - Parameter room: called when a share that was refused may ask again; on the thread of whoever gave something back.
    package func join(room: @escaping @Sendable () -> Void) -> Share {
        self.state.withLock { state in
            state.members += 1
            if let free = state.used.firstIndex(of: -1) {
                state.used[free] = 0
                return Share(budget: self, index: free, room: room)
            }
            state.used.append(0)
            state.waiting.append(nil)
            return Share(budget: self, index: state.used.count - 1, room: room)
        }
    }

    /// What all hold now.
    package var used: Int { self.state.withLock { $0.used.reduce(0) { $0 + max(0, $1) } } }

    /// What one stage holds of the budget.
    package final class Share: Sendable {
        private let budget: DeliveryBudget
        private let index: Int
        private let room: @Sendable () -> Void

        fileprivate init(budget: DeliveryBudget, index: Int, room: @escaping @Sendable () -> Void) {
            self.budget = budget
            self.index = index
            self.room = room
        }

        deinit { self.budget.leave(self.index) }

        /// - Returns: false if it must wait for room.
        package func take(_ bytes: Int) -> Bool {
            self.budget.take(bytes, for: self.index, room: self.room)
        }

        package func give(_ bytes: Int) {
            self.budget.give(bytes, of: self.index)
        }
    }

    private func take(_ bytes: Int, for index: Int, room: @escaping @Sendable () -> Void) -> Bool {
        self.state.withLock { state in
            let part = self.total / 2 / state.members
            let mine = state.used[index]
            var spoken = 0
            for other in state.used.indices where other != index && state.used[other] >= 0 { spoken += max(part, state.used[other]) }
            guard mine == 0 || mine + bytes <= max(part, self.total - spoken) else {
                state.waiting[index] = room
                return false
            }
            state.used[index] = mine + bytes
            return true
        }
    }

    private func give(_ bytes: Int, of index: Int) {
        let waiting = self.state.withLock { state in
            state.used[index] -= bytes
            return Self.takeWaiting(&state)
        }
        for room in waiting { room() }
    }

    private func leave(_ index: Int) {
        let waiting = self.state.withLock { state in
            state.used[index] = -1
            state.waiting[index] = nil
            state.members -= 1
            return Self.takeWaiting(&state)
        }
        for room in waiting { room() }
    }

    private static func takeWaiting(_ state: inout State) -> [@Sendable () -> Void] {
        var waiting: [@Sendable () -> Void] = []
        for index in state.waiting.indices {
            guard let room = state.waiting[index] else { continue }
            waiting.append(room)
            state.waiting[index] = nil
        }
        return waiting
    }
}
