/// What a connection's deadlines are counted from, in the loop's milliseconds.
struct ConnectionClock {
    private(set) var opened: UInt64 = 0
    private(set) var lastBytes: UInt64 = 0
    private var idleSince: UInt64 = 0
    /// The first byte of the request that is coming; nil between requests.
    private var requestBegan: UInt64?
    private var bodyBegan: UInt64?
    /// The reader's count of whole messages when these were set.
    private var messages = 0
    /// When to look at the body's rate next: fixed, for each byte that comes must not put it off.
    private var rateCheck: UInt64 = 0
    /// When the client was last seen to have taken something of what was written, and how much that was in all.
    private var lastTaken: UInt64 = 0
    private var taken: UInt64?
    private var lingerSince: UInt64 = 0

    mutating func began(at now: UInt64) {
        (self.opened, self.idleSince, self.lastBytes, self.lastTaken) = (now, now, now, now)
    }

    mutating func bytesCame(at now: UInt64) { self.lastBytes = now }

    /// What happened while the server itself did not read is not the client's fault.
    mutating func restart(at now: UInt64) {
        if self.requestBegan != nil { self.requestBegan = now }
        if self.bodyBegan != nil { self.bodyBegan = now }
        (self.idleSince, self.lastBytes) = (now, now)
    }

    // MARK: Requests

    /// Between requests, or while one that has begun to come may not be begun.
    ///
    /// - Parameter isIdle: No answer is waited for, either.
    mutating func idleDeadline(isIdle: Bool, _ times: HTTPTimes) -> UInt64 {
        (self.requestBegan, self.bodyBegan) = (nil, nil)
        guard isIdle else {
            self.idleSince = self.lastBytes
            return .max
        }
        return Swift.max(self.idleSince, self.lastBytes) + times.idle
    }

    /// While a request is coming: its time begins with the first call.
    ///
    /// - Parameters:
    ///   - messages: How many came whole before it.
    ///   - isBody: Its head is whole.
    mutating func requestDeadline(messages: Int, isBody: Bool, _ times: HTTPTimes) -> UInt64 {
        if self.messages != messages { (self.requestBegan, self.bodyBegan, self.messages) = (nil, nil, messages) }
        let began = self.requestBegan ?? self.lastBytes
        self.requestBegan = began
        guard isBody else { return began + Swift.min(times.header, times.request) }
        if self.bodyBegan == nil {
            self.bodyBegan = self.lastBytes
            self.rateCheck = self.lastBytes + times.bodyGrace
        }
        return Swift.min(began + times.request, self.rateCheck)
    }

    /// The bound that the client is too slow for, if it is.
    ///
    /// - Parameter bodyReceived: bytes.
    func passedBound(at now: UInt64, bodyReceived: UInt64, _ times: HTTPTimes) -> HTTPTimes.Bound? {
        guard let began = self.requestBegan else { return nil }
        guard let bodyBegan = self.bodyBegan else {
            // The shorter one counts, as in the deadline.
            let (limit, bound): (UInt64, HTTPTimes.Bound) =
                times.request < times.header ? (times.request, .request) : (times.header, .header)
            return now >= began + limit ? bound : nil
        }
        if now >= began + times.request { return .request }
        let elapsed = now - bodyBegan
        return elapsed >= times.bodyGrace && bodyReceived * 1000 < times.minimumBodyRate * elapsed ? .bodyRate : nil
    }

    /// The body's rate is not looked at for a second.
    mutating func putOffRateCheck(at now: UInt64) { self.rateCheck = Swift.max(self.rateCheck, now + 1000) }

    // MARK: Answers

    mutating func clientTook(at now: UInt64) {
        (self.lastTaken, self.idleSince, self.taken) = (now, now, nil)
    }

    /// While something is written that the client has not taken.
    func stallDeadline(_ times: HTTPTimes) -> UInt64 { self.lastTaken + times.writeStall }

    /// That deadline has passed. One large answer goes out in many pieces without a word to us, so the system is asked.
    ///
    /// - Parameter taken: How many bytes the client has taken in all.
    /// - Returns: Whether it has taken nothing since it was asked last.
    mutating func isStalled(at now: UInt64, taken: UInt64) -> Bool {
        if taken == self.taken { return true }
        (self.taken, self.lastTaken) = (taken, now)
        return false
    }

    // MARK: Lingering

    mutating func lingerBegan(at now: UInt64) {
        (self.lingerSince, self.lastBytes) = (now, now)
    }

    /// - Parameter quiet: How long the client may be silent, in milliseconds.
    func lingerDeadline(quiet: UInt64, _ times: HTTPTimes) -> UInt64 { Swift.min(self.lingerSince + times.linger, self.lastBytes + quiet) }
}
