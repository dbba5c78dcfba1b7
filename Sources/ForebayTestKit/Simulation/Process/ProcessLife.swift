/// How far a simulated process is, how far it may go, and how it ended.
struct ProcessLife {
    /// Jobs that it ran.
    private(set) var steps = 0
    /// The first one counts.
    private(set) var ending: SimulatedProcess.Ending?
    private var stepLimit = 0
    private var timeLimit: UInt64 = 0
    private var hasReturned = false

    /// - Parameter time: in ns.
    mutating func begin(steps: Int, until time: UInt64) { (self.stepLimit, self.timeLimit) = (steps, time) }

    mutating func step() { self.steps += 1 }

    var mayStep: Bool { self.steps < self.stepLimit }

    /// Its main function did.
    mutating func returned() { self.hasReturned = true }

    mutating func end(_ ending: SimulatedProcess.Ending) {
        if self.ending == nil { self.ending = ending }
    }

    /// How it ends now, by what it has done or by its bounds.
    func due(at now: UInt64) -> SimulatedProcess.Ending? {
        if self.hasReturned { return .ended }
        if !self.mayStep { return .stuck("more than \(self.stepLimit) jobs") }
        return now >= self.timeLimit ? .stuck("simulated time is over") : nil
    }
}
