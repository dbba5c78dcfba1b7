/// A route's producers: which live, what each has outstanding, and when one is to be closed or made.
struct ProducerPool {
    private var slots = [ProducerSlotState](repeating: ProducerSlotState(), count: ProducerSlot.allCases.count)
    /// The number of the newest.
    private var last: UInt64 = 0

    subscript(slot: ProducerSlot) -> ProducerSlotState {
        @inline(__always) _read { yield self.slots[slot.rawValue] }
        @inline(__always) _modify { yield &self.slots[slot.rawValue] }
    }

    var waitForTime: Bool { self.slots.contains { $0.waitsForTime } }

    /// The producers to be made now.
    func toOpen(now: UInt64) -> [ProducerSlot] {
        ProducerSlot.allCases.filter { slot in
            guard case .closed(let until) = self[slot].phase, until <= now else { return false }
            return self[slot].isWanted
        }
    }

    /// The producers to be closed now: their reports are in, or were waited for long enough.
    func toClose(now: UInt64) -> [ProducerSlot] {
        ProducerSlot.allCases.filter { slot in
            switch self[slot].phase {
            case .failing(let until): self[slot].outstanding == 0 || until <= now
            case .draining(let until): self[slot].outstanding == 0 && (self[slot].settledOutstanding == 0 || until <= now)
            case .renewing: self[slot].outstanding == 0 && self[slot].settledOutstanding == 0
            case .open, .closed: false
            }
        }
    }

    mutating func opened(_ slot: ProducerSlot) {
        self[slot].phase = .open
        self.last += 1
        self[slot].number = self.last
        self[slot].isFull = false
        self[slot].hasRefused = false
        self[slot].wanted = WaitingTopics()
    }

    /// It took a fatal error: nothing more goes to it, and it is closed when its reports are in.
    ///
    /// - Parameter patience: ms that reports are waited for.
    mutating func failed(_ slot: ProducerSlot, now: UInt64, patience: Int) {
        switch self[slot].phase {
        case .open, .draining, .renewing:
            self[slot].phase = .failing(until: now + UInt64(patience))
            self[slot].failures += 1
        case .failing, .closed: break
        }
    }

    /// It holds too much that was settled otherwise: as after a failure, but none is counted.
    mutating func giveUp(_ slot: ProducerSlot, now: UInt64, patience: Int) {
        if self[slot].isOpen { self[slot].phase = .failing(until: now + UInt64(patience)) }
    }

    /// It is to be made anew with other settings, without losing a report.
    mutating func drain(_ slot: ProducerSlot, now: UInt64, patience: Int) {
        if self[slot].isOpen { self[slot].phase = .draining(until: now + UInt64(patience)) }
    }

    /// As ``drain(_:now:patience:)``, but it goes on as it is if it has reports missing for long: nobody's events wait for a frozen broker.
    mutating func renew(_ slot: ProducerSlot, now: UInt64, patience: Int) {
        if self[slot].isOpen { self[slot].phase = .renewing(until: now + UInt64(patience)) }
    }

    /// - Returns: the producers that go on, for their reports did not come in time.
    mutating func endVainRenewals(now: UInt64) -> [ProducerSlot] {
        ProducerSlot.allCases.filter { slot in
            guard case .renewing(let until) = self[slot].phase, until <= now, self[slot].outstanding + self[slot].settledOutstanding > 0
            else {
                return false
            }
            self[slot].phase = .open
            return true
        }
    }

    /// It is gone. Its successor comes at once if a record was refused: that record goes alone now, so this can't go on for ever.
    ///
    /// - Parameter delay: ms from so many failures on (1…) until its successor may come.
    mutating func closed(_ slot: ProducerSlot, now: UInt64, delay: (Int) -> UInt64) {
        if self[slot].hasRefused { self[slot].failures = 0 }
        self[slot].phase = .closed(until: now + (self[slot].failures == 0 ? 0 : delay(self[slot].failures)))
    }

    // MARK: Partitions that can't be sent to

    /// Partitions to look at again, for it can be sent to.
    mutating func takeStalled(_ slot: ProducerSlot) -> [Int] {
        defer { self[slot].stalled = [] }
        return self[slot].stalled
    }
}
