import ForebayNet

/// How long a connection may take.
extension HTTPConnection {
    private var times: HTTPTimes { self.server.configuration.times }
    private var limits: HTTPLimits { self.server.configuration.limits }

    /// Also notes which part of a request is coming: called after each move.
    func nextDeadline() -> UInt64 {
        switch self.state.phase {
        case .closed: return .max
        case .lingering: return self.clock.lingerDeadline(quiet: self.lingerQuiet, self.times)
        case .ending: return self.stallDeadline
        case .open: return Swift.min(self.stallDeadline, self.readDeadline())
        }
    }

    /// Shorter when the whole server waits for its last clients to go.
    private var lingerQuiet: UInt64 { self.server.isDraining ? Swift.min(self.times.lingerQuiet, 1000) : self.times.lingerQuiet }

    private var stallDeadline: UInt64 { self.socket.unsentBytes == 0 ? .max : self.clock.stallDeadline(self.times) }

    private func readDeadline() -> UInt64 {
        let stage = self.reader.stage
        if stage == .idle || stage == .finished || !self.mayBegin && stage == .head {
            return self.clock.idleDeadline(isIdle: stage == .idle && self.answers.outstanding == 0, self.times)
        }
        return self.clock.requestDeadline(messages: self.reader.messagesEnded, isBody: stage == .body, self.times)
    }

    /// The sweep found the deadline passed: find out which, or that it is not so any more.
    func expired() {
        let now = self.now
        switch self.state.phase {
        case .closed: return
        case .lingering: return self.close()
        case .ending, .open:
            if self.socket.unsentBytes > 0 && now >= self.clock.stallDeadline(self.times) { return self.stalled(now) }
        }
        guard self.state.phase == .open else { return }
        switch self.reader.stage {
        case .finished: break
        case .idle: if self.isIdle && now >= self.nextDeadline() { return self.close() }
        case .head, .body:
            if self.server.isReadingPaused {
                self.clock.restart(at: now)
            } else if let bound = self.clock.passedBound(at: now, bodyReceived: self.reader.bodyReceived, self.times) {
                // It was we who did not read: it may try again at once, when its address has less on its way.
                return self.turn == .waiting ? self.refuseForMemory(.memoryOfAddress(self.limits)) : self.timeOut(bound)
            }
            self.clock.putOffRateCheck(at: now)
        }
        self.setDeadline()
    }

    private func stalled(_ now: UInt64) {
        if self.clock.isStalled(at: now, taken: self.socket.acknowledgedBytes) { return self.cut("write_stall") }
        self.setDeadline()
    }

    private func timeOut(_ bound: HTTPTimes.Bound) {
        self.server.reporter.metrics.cut(self.reader.stage == .body ? "slow_body" : "slow_header")
        // A body that is only passed over: its request has been answered.
        if self.reader.stage == .body && self.reader.heldID == nil { return self.close() }
        let id = self.reader.heldID ?? self.open(nil)
        self.reader.finish()
        self.refuse(id, .timeout(self.server.configuration, bound))
    }
}
