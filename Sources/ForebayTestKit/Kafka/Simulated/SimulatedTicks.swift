import ForebayCore

/// When a ``SimulatedProducer`` looks next whether anything has come: the longer nothing does, the less often.
struct SimulatedTicks {
    static let slowest = 20

    private var timer: (any StageTimer)?
    private var pace = 1

    /// Something is under way: looks in a ms, if not sooner, and often from then on.
    mutating func start(on loop: any StageLoop, _ tick: @escaping () -> Void) {
        self.pace = 1
        if self.timer == nil { self.timer = loop.timer(after: 1, tick) }
    }

    /// It looked.
    mutating func ticked() { self.timer = nil }

    mutating func adapt(hasMoved: Bool) { self.pace = hasMoved ? 1 : min(Self.slowest, self.pace * 2) }

    mutating func goOn(on loop: any StageLoop, _ chance: inout SplitMix, _ tick: @escaping () -> Void) {
        self.timer = loop.timer(after: Int.random(in: 1...self.pace, using: &chance), tick)
    }

    mutating func stop() {
        self.timer?.cancel()
        self.timer = nil
    }
}
