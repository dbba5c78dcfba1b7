/// Decides what ingest takes in, and when sockets are read.
///
///     starting --opened--> open --drain--> draining --ended--> ended
///                           |  `-----------ended------------------^
///                           |
///     while open:   calm --too much in flight--> paused --patience over--> shedding
///                     ^-------------- enough was answered ----------------'
///
/// Paused, no socket is read, so nobody is refused and nobody waits long. If that does not help in time, sockets are read again and new
/// requests get 503: waiting in silence would only move the queue into the clients.
///
/// Times are milliseconds of a clock that only moves forward.
struct IngestState {
    enum Phase: Equatable { case starting, open, draining, ended }
    enum Pressure: Equatable { case calm, paused, shedding }
    enum Reading: Equatable {
        case same
        /// Stop reading sockets, and ask again with ``patienceEnded()`` when the patience is over.
        case pause
        case resume
    }

    private let inFlightLimit: Int
    private let refusalPause: UInt64
    private(set) var phase = Phase.starting
    private(set) var pressure = Pressure.calm
    /// Bytes that the requests hold which wait for their answers.
    private(set) var inFlight = 0
    /// The buffer refused with this, and is not asked before then.
    private var refusal: (code: ProblemCode, until: UInt64)?

    /// - Parameter refusalPause: for how long a refusal by the buffer is repeated.
    init(inFlightLimit: Int, refusalPause: Int) {
        self.inFlightLimit = inFlightLimit
        self.refusalPause = UInt64(refusalPause)
    }

    // MARK: The phases

    mutating func opened() {
        if self.phase == .starting { self.phase = .open }
    }

    mutating func draining() -> Reading {
        if self.phase != .ended { self.phase = .draining }
        return self.calm()
    }

    mutating func ended() -> Reading {
        self.phase = .ended
        return self.calm()
    }

    /// Whether a new request is taken; else why not.
    func admission(now: UInt64) -> ProblemCode? {
        switch self.phase {
        case .starting: return .starting
        case .draining: return .draining
        case .ended: return .unavailable
        case .open: break
        }
        if self.pressure == .shedding { return .overloaded }
        if let refusal, now < refusal.until { return refusal.code }
        return nil
    }

    // MARK: What is in flight

    /// A request was taken; it holds so many bytes until it is answered.
    mutating func took(_ bytes: Int) -> Reading {
        self.inFlight += bytes
        guard self.phase == .open, self.pressure == .calm, self.inFlight >= self.inFlightLimit else { return .same }
        self.pressure = .paused
        return .pause
    }

    /// It was answered.
    mutating func released(_ bytes: Int) -> Reading {
        self.inFlight -= bytes
        precondition(self.inFlight >= 0, "more was answered than was taken")
        // A quarter below the limit, or reading would stop and start with each request.
        guard self.inFlight <= self.inFlightLimit - self.inFlightLimit / 4 else { return .same }
        return self.calm()
    }

    /// The time for which sockets may stay unread is over.
    mutating func patienceEnded() -> Reading {
        guard self.pressure == .paused else { return .same }
        self.pressure = .shedding
        return .resume
    }

    private mutating func calm() -> Reading {
        defer { self.pressure = .calm }
        return self.pressure == .paused ? .resume : .same
    }

    // MARK: What the buffer says

    /// The buffer refused. For a while new requests are told so at once, their bodies unread; then the next one tries again.
    mutating func refused(_ code: ProblemCode, now: UInt64) {
        self.refusal = (code, now + self.refusalPause)
    }

    mutating func stored() {
        self.refusal = nil
    }
}
