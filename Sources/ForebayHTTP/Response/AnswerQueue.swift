/// Which requests of a connection still wait for their answers, and the answers that came before their turn.
///
///     opened … | first (its answer may be written now) … | next (not opened yet)
/// A `100 Continue` is owed to the last one at most, and must not overtake the answers to those before it.
///
/// Numbers wrap; only their differences count.
final class AnswerQueue {
    struct Early {
        let bytes: [UInt8]
        let closes: Bool
    }

    private var first: UInt32 = 0
    private var next: UInt32 = 0
    private var early: [UInt32: Early] = [:]
    private var earlyCount = 0
    private(set) var earlyBytes = 0
    private var owesInvitation = false

    var outstanding: Int { Int(self.next &- self.first) }

    func open() -> UInt32 {
        defer { self.next &+= 1 }
        return self.next
    }

    /// False: answered already, or never asked.
    func isWaited(_ sequence: UInt32) -> Bool {
        sequence &- self.first < self.next &- self.first && (self.earlyCount == 0 || self.early[sequence] == nil)
    }

    func isFirst(_ sequence: UInt32) -> Bool { sequence == self.first }

    func isLast(_ sequence: UInt32) -> Bool { sequence &+ 1 == self.next }

    /// The first has been written.
    func advance() { self.first &+= 1 }

    /// The last opened will never be a request: it takes no answer.
    func withdrawLast() { self.next &-= 1 }

    func keep(_ answer: Early, for sequence: UInt32) {
        self.early[sequence] = answer
        self.earlyCount += 1
        self.earlyBytes += answer.bytes.count
    }

    /// The answer that is first now, if it came early.
    func takeFirstEarly() -> Early? {
        guard self.earlyCount > 0, let answer = self.early.removeValue(forKey: self.first) else { return nil }
        self.earlyCount -= 1
        self.earlyBytes -= answer.bytes.count
        return answer
    }

    /// Those that have no answer yet.
    var unanswered: [UInt32] {
        (0..<UInt32(self.outstanding)).map { self.first &+ $0 }.filter { self.early[$0] == nil }
    }

    // MARK: 100 Continue

    /// The client of the last request waits for `100 Continue`.
    func oweInvitation() { self.owesInvitation = true }

    /// Its body has come without.
    func withdrawInvitation() { self.owesInvitation = false }

    /// True, once: it is owed, and all before it is answered.
    func takeInvitation() -> Bool {
        guard self.owesInvitation, self.outstanding == 1 else { return false }
        self.owesInvitation = false
        return true
    }
}
