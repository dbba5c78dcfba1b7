/// What is to be called at a time, in ns.
struct SimulatedTimers {
    struct Timer {
        let due: UInt64
        fileprivate let number: UInt64
        /// Where it fires; none: anywhere.
        let thread: Int?
        let fire: () -> Void
    }

    private var timers: [Timer] = []
    private var last: UInt64 = 0

    /// - Returns: a number to cancel it by.
    mutating func add(due: UInt64, on thread: Int?, fire: @escaping () -> Void) -> UInt64 {
        self.last += 1
        self.timers.append(Timer(due: due, number: self.last, thread: thread, fire: fire))
        return self.last
    }

    /// - Returns: false if there is none: it was taken, or removed.
    mutating func remove(_ number: UInt64) -> Bool {
        guard let place = self.timers.firstIndex(where: { $0.number == number }) else { return false }
        self.timers.remove(at: place)
        return true
    }

    /// Takes one out that is to be called now.
    mutating func take(_ timer: Timer) { _ = self.remove(timer.number) }

    /// Of those that are due at once, the one that was added first.
    ///
    /// - Parameter waiting: threads that are in a call, so nothing fires there.
    func soonest(besides waiting: [Int]) -> Timer? {
        self.timers.lazy.filter { timer in !(timer.thread.map(waiting.contains) ?? false) }
            .min { ($0.due, $0.number) < ($1.due, $1.number) }
    }
}
