/// Wakes one waiting task of the same actor. What is told before the wait, or twice, wakes it once.
struct Wakeup {
    let stream: AsyncStream<Void>
    private let source: AsyncStream<Void>.Continuation

    init() {
        (self.stream, self.source) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    func notify() {
        self.source.yield()
    }
}

/// What the tasks of an engine's run wait for, one task each.
struct Wakeups {
    let room = Wakeup()
    let wanted = ProducerSlot.allCases.map { _ in Wakeup() }
    let limitsWanted = Wakeup()
    let deadLetters = Wakeup()
    let appends = Wakeup()
    let changes = Wakeup()
    let ended = Wakeup()
}
