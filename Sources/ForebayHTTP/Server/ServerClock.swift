import ForebayCore

/// Looks at the time again and again while a server listens: for the date in its answers, and for its connections' deadlines.
final class ServerClock {
    let date = HTTPDate()
    private var sweep: (any StageTimer)?

    static let period = 250

    /// - Parameter sweep: looks at the deadlines.
    /// - Returns: false, and without effect, if it runs.
    func start(on loop: some StageLoop, sweep: @escaping () -> Void) -> Bool {
        guard self.sweep == nil else { return false }
        self.sweep = loop.timer(every: Self.period) { [date] in
            date.update()
            sweep()
        }
        return true
    }

    func stop() {
        self.sweep?.cancel()
        self.sweep = nil
    }
}
