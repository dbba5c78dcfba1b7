import ForebayCore

/// What an engine has of the delivery budget, and what a run holds of that.
struct InFlightMemory {
    private let budget: DeliveryBudget
    private var share: DeliveryBudget.Share?
    /// What this run holds.
    private(set) var bytes = 0
    /// Since when there has been nothing to do, in the loop's ms.
    private var idleSince: UInt64?

    init(_ budget: DeliveryBudget) {
        self.budget = budget
    }

    var hasShare: Bool { self.share != nil }

    /// A run begins.
    mutating func begin() {
        self.bytes = 0
    }

    /// Has a part of the budget from now on.
    ///
    /// - Parameter room: see ``DeliveryBudget/join(room:)``.
    mutating func join(room: @escaping @Sendable () -> Void) {
        self.share = self.budget.join(room: room)
    }

    mutating func leave() {
        self.share = nil
    }

    /// What is to be done about a part that is had only while there is something to do.
    enum Step {
        case join
        /// There has been nothing to do for long: the part is given back, and producers are not needed either.
        case left
    }

    /// - Parameter patience: ms without anything to do after which the part is given back.
    mutating func step(isNeeded: Bool, now: UInt64, patience: UInt64) -> Step? {
        if isNeeded {
            self.idleSince = nil
            return self.share == nil ? .join : nil
        }
        guard let idleSince else {
            self.idleSince = now
            return nil
        }
        guard now - idleSince >= patience else { return nil }
        self.share = nil
        return .left
    }

    /// - Returns: false if the batch must wait for room. Who has no part waits for none.
    func take(_ bytes: Int) -> Bool { self.share?.take(bytes) ?? true }

    /// What was taken is in flight.
    mutating func add(_ bytes: Int) {
        self.bytes += bytes
    }

    /// It is settled.
    mutating func give(_ bytes: Int) {
        guard bytes > 0 else { return }
        self.share?.give(bytes)
        self.bytes -= bytes
    }
}
