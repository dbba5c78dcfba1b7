import ForebayNet

/// The moments that a connection's deadlines are counted from, in the loop's milliseconds.
struct ConnectionClock {
    private(set) var opened: UInt64 = 0
    /// The first byte of the request that is coming; nil between requests.
    fileprivate(set) var requestBegan: UInt64?
    fileprivate(set) var bodyBegan: UInt64?
    /// The reader's count of whole messages when these were set.
    fileprivate var messages = 0
    /// When to look at the body's rate next: fixed, for each byte that comes must not put it off.
    fileprivate var rateCheck: UInt64 = 0
    fileprivate(set) var idleSince: UInt64 = 0
    fileprivate(set) var lastBytes: UInt64 = 0
    /// When the client was last seen to have taken something of what was written, and how much that was in all.
    fileprivate(set) var lastTaken: UInt64 = 0
    fileprivate var taken: UInt64?
    fileprivate var lingerSince: UInt64 = 0

    mutating func began(at now: UInt64) {
        (self.opened, self.idleSince, self.lastBytes, self.lastTaken) = (now, now, now, now)
    }

    mutating func bytesCame(at now: UInt64) { self.lastBytes = now }

    mutating func clientTook(at now: UInt64) {
        (self.lastTaken, self.idleSince, self.taken) = (now, now, nil)
    }

    mutating func lingerBegan(at now: UInt64) {
        (self.lingerSince, self.lastBytes) = (now, now)
    }

    /// What happened while the server itself did not read is not the client's fault.
    mutating func restart(at now: UInt64) {
        if self.requestBegan != nil { self.requestBegan = now }
        if self.bodyBegan != nil { self.bodyBegan = now }
        (self.idleSince, self.lastBytes) = (now, now)
    }
}

extension HTTPConnection {
    private var times: HTTPTimes { self.server.configuration.times }

    /// Also notes which part of a request is coming: called after each move.
    func nextDeadline() -> UInt64 {
        switch self.state.phase {
        case .closed: return .max
        case .lingering: return Swift.min(self.clock.lingerSince + self.times.linger, self.clock.lastBytes + self.lingerQuiet)
        case .ending: return self.stallDeadline
        case .open: return Swift.min(self.stallDeadline, self.readDeadline())
        }
    }

    /// Shorter when the whole server waits for its last clients to go.
    private var lingerQuiet: UInt64 { self.server.isDraining ? Swift.min(self.times.lingerQuiet, 1000) : self.times.lingerQuiet }

    private var stallDeadline: UInt64 { self.socket.unsentBytes == 0 ? .max : self.clock.lastTaken + self.times.writeStall }

    private func readDeadline() -> UInt64 {
        let stage = self.reader.stage
        if self.clock.messages != self.reader.messagesEnded {
            // What stands there now is another request: its time begins with it.
            (self.clock.requestBegan, self.clock.bodyBegan, self.clock.messages) = (nil, nil, self.reader.messagesEnded)
        }
        if stage == .idle || stage == .finished || !self.mayBegin && stage == .head {
            (self.clock.requestBegan, self.clock.bodyBegan) = (nil, nil)
            let isIdle = stage == .idle && self.answers.outstanding == 0
            if !isIdle { self.clock.idleSince = self.clock.lastBytes }
            return isIdle ? Swift.max(self.clock.idleSince, self.clock.lastBytes) + self.times.idle : .max
        }
        let began = self.clock.requestBegan ?? self.clock.lastBytes
        self.clock.requestBegan = began
        guard stage == .body else { return began + Swift.min(self.times.header, self.times.request) }
        if self.clock.bodyBegan == nil {
            self.clock.bodyBegan = self.clock.lastBytes
            self.clock.rateCheck = self.clock.lastBytes + self.times.bodyGrace
        }
        return Swift.min(began + self.times.request, self.clock.rateCheck)
    }

    /// The sweep found the deadline passed: find out which, or that it is not so any more.
    func expired() {
        let now = self.now
        switch self.state.phase {
        case .closed: return
        case .lingering: return self.close()
        case .ending, .open:
            if self.socket.unsentBytes > 0 && now >= self.clock.lastTaken + self.times.writeStall { return self.stalled(now) }
        }
        guard self.state.phase == .open else { return }
        switch self.reader.stage {
        case .finished: break
        case .idle: if self.isIdle && now >= self.nextDeadline() { return self.close() }
        case .head, .body:
            if self.server.isReadingPaused {
                self.clock.restart(at: now)
            } else if let bound = self.passedBound(now) {
                // It was we who did not read: it may try again at once, when its address has less on its way.
                return self.turn == .waiting ? self.refuseForMemory() : self.timeOut(bound)
            }
            self.clock.rateCheck = Swift.max(self.clock.rateCheck, now + 1000)
        }
        self.setDeadline()
    }

    /// One large answer goes out in many pieces without a word to us, so ask the system how much the client has taken.
    private func stalled(_ now: UInt64) {
        let taken = self.socket.acknowledgedBytes
        if taken == self.clock.taken { return self.cut("write_stall") }
        (self.clock.taken, self.clock.lastTaken) = (taken, now)
        self.setDeadline()
    }

    /// The bound that the client is too slow for, if it is.
    private func passedBound(_ now: UInt64) -> HTTPTimes.Bound? {
        guard let began = self.clock.requestBegan else { return nil }
        guard let bodyBegan = self.clock.bodyBegan else {
            // The shorter one counts, as in the deadline.
            let (limit, bound): (UInt64, HTTPTimes.Bound) =
                self.times.request < self.times.header ? (self.times.request, .request) : (self.times.header, .header)
            return now >= began + limit ? bound : nil
        }
        if now >= began + self.times.request { return .request }
        let elapsed = now - bodyBegan
        return elapsed >= self.times.bodyGrace && self.reader.bodyReceived * 1000 < self.times.minimumBodyRate * elapsed ? .bodyRate : nil
    }

    private func timeOut(_ bound: HTTPTimes.Bound) {
        self.server.reporter.metrics.cut(self.reader.stage == .body ? "slow_body" : "slow_header")
        // A body that is only passed over: its request has been answered.
        if self.reader.stage == .body && self.reader.heldID == nil { return self.close() }
        let id = self.reader.heldID ?? self.open(nil)
        self.reader.finish()
        self.refuse(id, .timeout(self.times, bound))
    }
}
