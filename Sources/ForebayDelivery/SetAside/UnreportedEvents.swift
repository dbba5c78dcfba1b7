/// Events of units of which another place is still to tell what became of them: a producer that was given them before they were set aside,
/// or, of those that the drain took out of a unit, the log that they are on their way to. While a unit has any it is not drained, for they
/// would be sent twice.
struct UnreportedEvents {
    struct Token: Hashable {
        let way: DeliveryWay
        let number: UInt64
        /// No producer has it: it is on its way into another log.
        var isAppended = false
    }

    private struct Entry {
        let unit: UInt64
        /// None: it is not in the unit's log yet.
        var position: UInt64?
        /// Before it was in the log.
        var isDelivered = false
    }

    private struct Counts {
        var sent = 0
        var appended = 0
    }

    private var entries: [Token: Entry] = [:]
    private var counts: [UInt64: Counts] = [:]

    var isEmpty: Bool { self.entries.isEmpty }
    var count: Int { self.entries.count }

    /// How many events of a unit producers have.
    func sent(of unit: UInt64) -> Int { self.counts[unit]?.sent ?? 0 }

    /// The same of those that stand below a position.
    func sent(of unit: UInt64, below position: UInt64) -> Int {
        guard self.sent(of: unit) > 0 else { return 0 }
        return self.entries.count { token, entry in
            entry.unit == unit && !token.isAppended && !entry.isDelivered && entry.position.map { $0 < position } ?? false
        }
    }

    /// How many events of a unit are on their way into another log.
    func appended(of unit: UInt64) -> Int { self.counts[unit]?.appended ?? 0 }

    // MARK: With producers

    /// A producer has this event of a unit.
    ///
    /// - Parameter position: none: it is on its way into the unit's log.
    mutating func add(_ token: Token, of unit: UInt64, at position: UInt64?) {
        self.entries[token] = Entry(unit: unit, position: position)
        self.counts[unit, default: Counts()].sent += 1
    }

    /// It is in the unit's log now.
    ///
    /// - Returns: whether its producer delivered it before: it is settled then.
    mutating func place(_ token: Token, at position: UInt64) -> Bool {
        guard let entry = self.entries[token] else { return false }
        if entry.isDelivered {
            self.entries[token] = nil
            return true
        }
        self.entries[token]?.position = position
        return false
    }

    /// A producer reported it, or let go of it.
    ///
    /// - Returns: whose it is, and where it stands, if that is known yet; none: it is nobody's.
    mutating func report(_ token: Token, isDelivered: Bool) -> (unit: UInt64, position: UInt64?)? {
        guard let entry = self.entries[token], !entry.isDelivered else { return nil }
        self.count(entry.unit) { $0.sent -= 1 }
        self.entries[token] = isDelivered && entry.position == nil ? Entry(unit: entry.unit, isDelivered: true) : nil
        return (entry.unit, entry.position)
    }

    /// It is not set aside after all: whoever reports it next reports it to its stage.
    ///
    /// - Returns: whether its producer delivered it meanwhile.
    mutating func requeue(_ token: Token) -> Bool {
        guard let entry = self.entries.removeValue(forKey: token) else { return false }
        if !entry.isDelivered { self.count(entry.unit) { $0.sent -= 1 } }
        return entry.isDelivered
    }

    // MARK: On their way into another log

    mutating func append(_ number: UInt64, of unit: UInt64, at position: UInt64) {
        let token = Token(way: .aside, number: number, isAppended: true)
        if self.entries.updateValue(Entry(unit: unit, position: position), forKey: token) == nil {
            self.counts[unit, default: Counts()].appended += 1
        }
    }

    /// It is durable there, or is not to come there.
    ///
    /// - Returns: the unit that had it, and where.
    mutating func arrived(_ number: UInt64) -> (unit: UInt64, position: UInt64)? {
        guard let entry = self.entries.removeValue(forKey: Token(way: .aside, number: number, isAppended: true)) else { return nil }
        self.count(entry.unit) { $0.appended -= 1 }
        return entry.position.map { (entry.unit, $0) }
    }

    // MARK: Ends

    /// A stage's run has ended, and with it its producers and what it had on its way.
    mutating func end(_ way: DeliveryWay) {
        for (token, entry) in self.entries where token.way == way {
            self.entries[token] = nil
            if token.isAppended {
                self.count(entry.unit) { $0.appended -= 1 }
            } else if !entry.isDelivered {
                self.count(entry.unit) { $0.sent -= 1 }
            }
        }
    }

    private mutating func count(_ unit: UInt64, _ change: (inout Counts) -> Void) {
        guard var counts = self.counts[unit] else { return }
        change(&counts)
        self.counts[unit] = counts.sent == 0 && counts.appended == 0 ? nil : counts
    }
}
