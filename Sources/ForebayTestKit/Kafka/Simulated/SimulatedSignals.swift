import ForebayKafka

/// What a ``SimulatedProducer`` has to tell, until it is asked for it.
struct SimulatedSignals {
    enum Signal {
        case reports([KafkaReport])
        case fatal(KafkaFailure)
        case failure(KafkaFailure)
    }

    private var signals: [Signal] = []
    private var isWaking = false
    private var isAway = false

    /// - Returns: whether somebody must be woken for it; no reports are nothing to tell.
    mutating func add(_ signal: Signal) -> Bool {
        if case .reports(let reports) = signal, reports.isEmpty { return false }
        self.signals.append(signal)
        defer { self.isWaking = true }
        return !self.isWaking
    }

    /// Who listens was woken: for what comes now, once more.
    mutating func woken() { self.isWaking = false }

    mutating func next() -> Signal? { self.signals.isEmpty ? nil : self.signals.removeFirst() }

    /// - Returns: whether that is new: no broker can be reached any more.
    mutating func became(away isAway: Bool) -> Bool {
        defer { self.isAway = isAway }
        return isAway && !self.isAway
    }

    mutating func removeAll() { self.signals = [] }
}
