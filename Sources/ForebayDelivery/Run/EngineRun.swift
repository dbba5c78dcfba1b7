import ForebayCore

/// One run of an engine: whether it goes on, why it must end, and what wakes its tasks.
///
///     ended --begin--> running --drain--> draining --all reported, or given up--> drained --end--> ended
///                         `------------------------- fail, cancelled ----------------------------'
struct EngineRun {
    private(set) var wakeups = Wakeups()
    /// Why it must end.
    private(set) var failure: ForebayError?
    private(set) var isRunning = false
    private(set) var isDraining = false
    private var pulling: Task<Void, Never>?
    private var timer: (any StageTimer)?
    private var drained: UnsafeContinuation<Void, Never>?

    mutating func begin() {
        self.failure = nil
        (self.isRunning, self.isDraining) = (true, false)
        self.wakeups = Wakeups()
    }

    /// It pulls as long as this task does.
    mutating func pull(_ task: Task<Void, Never>) {
        self.pulling = task
    }

    /// It must end; the first reason counts.
    mutating func fail(_ error: ForebayError) {
        if self.failure == nil { self.failure = error }
        self.wakeups.ended.notify()
    }

    /// Nothing is pulled any more, and no timer runs.
    mutating func stop() {
        self.pulling?.cancel()
        self.timer?.cancel()
        self.timer = nil
    }

    mutating func end() {
        self.finishDrain()
        self.isRunning = false
    }

    // MARK: Time

    /// Whether something is to be done at a time already.
    var hasTimer: Bool { self.timer != nil }

    mutating func wait(for timer: any StageTimer) {
        self.timer = timer
    }

    /// Its time has come.
    mutating func timerFired() {
        self.timer = nil
    }

    // MARK: Draining

    /// Pulls nothing more.
    ///
    /// - Returns: whether there is a run to be drained.
    mutating func drain() -> Bool {
        guard self.isRunning else { return false }
        self.isDraining = true
        self.pulling?.cancel()
        return true
    }

    /// Who waits until it is drained.
    mutating func wait(_ continuation: UnsafeContinuation<Void, Never>) {
        self.drained = continuation
    }

    /// All is reported, or is not waited for any more.
    mutating func finishDrain() {
        self.drained?.resume()
        self.drained = nil
    }
}
