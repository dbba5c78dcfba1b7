/// What goes wrong for a process on a ``SimulatedDisk``, by the number of its calls; at one of them it may end.
struct DiskScript {
    /// What happens to the disk or the machine beside the call, now.
    enum Event: Equatable {
        case diskEaten(isNew: Bool)
        case fileVanishes
        /// Until it has (``took(_:)``).
        case folderGoesAway(fault: Int)
        case folderComesBack
        case clockJumps
    }

    /// Of the process, so far.
    private(set) var calls = 0
    private var faults: [DiskFault] = []
    /// How often each of them has.
    private var struck: [Int] = []
    private var death: DiskDeath?
    /// The call at which the process ends; none: it is not known yet, or it ends by itself.
    private var lastCall: Int?

    /// A process begins.
    mutating func begin(_ faults: [DiskFault], _ death: DiskDeath?) {
        (self.faults, self.death, self.calls) = (faults, death, 0)
        self.struck = faults.map { _ in 0 }
        self.lastCall = death.flatMap { $0.isAtWrite ? nil : $0.call }
    }

    /// It is gone.
    mutating func end() {
        self.faults = []
        (self.death, self.lastCall) = (nil, nil)
    }

    /// Nothing goes wrong from now on.
    mutating func heal() { self.faults = [] }

    /// - Parameter isWrite: into a segment of the spool.
    mutating func called(isWrite: Bool) {
        self.calls += 1
        if let death, self.lastCall == nil, self.calls >= death.call, isWrite { self.lastCall = self.calls }
    }

    /// How the process ends at this call; none: it does not.
    var ending: DiskDeath.Kind? { self.lastCall == self.calls ? self.death?.kind : nil }

    /// The fault that strikes this call, if one of these does.
    mutating func strikes(_ kinds: [DiskFault.Kind]) -> DiskFault.Kind? {
        for (place, fault) in self.faults.enumerated()
        where kinds.contains(fault.kind) && self.calls >= fault.call && self.struck[place] < fault.count {
            self.struck[place] += 1
            return fault.kind
        }
        return nil
    }

    /// In the order of the plan.
    mutating func events() -> [Event] {
        var events: [Event] = []
        for (place, fault) in self.faults.enumerated() where self.calls >= fault.call {
            let lasts = self.calls < fault.call + fault.count
            switch (fault.kind, self.struck[place]) {
            case (.diskEaten, let struck) where lasts:
                self.struck[place] = 1
                events.append(.diskEaten(isNew: struck == 0))
            case (.fileVanishes, 0):
                self.struck[place] = 1
                events.append(.fileVanishes)
            case (.folderAway, 0) where lasts: events.append(.folderGoesAway(fault: place))
            case (.folderAway, 1) where !lasts:
                self.struck[place] = 2
                events.append(.folderComesBack)
            case (.clockJumps, 0):
                self.struck[place] = 1
                events.append(.clockJumps)
            default: break
            }
        }
        return events
    }

    /// A folder went away for it.
    mutating func took(_ fault: Int) { self.struck[fault] = 1 }
}
