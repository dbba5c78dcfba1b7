import ForebayCore

/// What an engine has on its way into its two side logs, and whether these take it. A want for room lapses only while nothing is on its way
/// there.
struct SideLogs {
    let deadLetters: any DeadLetterLog
    /// For the set-aside log.
    private(set) var queue = SetAsideQueue()
    private(set) var rooms = RoomWants()

    init(deadLetters: any DeadLetterLog) {
        self.deadLetters = deadLetters
    }

    /// A run begins: it wants no room yet.
    mutating func begin() {
        self.queue = SetAsideQueue()
        self.rooms = RoomWants()
    }

    /// A run ends: what it had on its way comes again from its cursor.
    mutating func end() {
        self.queue = SetAsideQueue()
    }

    // MARK: The set-aside log

    mutating func setAside(_ part: SetAsideQueue.Part) {
        self.queue.append(part)
    }

    mutating func takeGroup(_ settings: DeliverySettings, size: (UInt64) -> Int) -> [SetAsideQueue.Part] {
        // Each unit takes room of its own: where there is none for all of them, there may be some for a few.
        let units = max(1, settings.setAsideGroupUnits >> self.rooms.failures(of: .setAside))
        return self.queue.takeGroup(bytes: settings.setAsideGroup, units: units, size: size)
    }

    mutating func requeue(_ units: Set<UInt64>) -> [UInt64] { self.queue.take(units) }

    mutating func takeAll() -> [SetAsideQueue.Part] { self.queue.takeAll() }

    /// A group could not be appended, and is the next one again.
    ///
    /// - Returns: whether the cluster is to be asked once more about what has to wait.
    mutating func refused(_ group: [SetAsideQueue.Part], _ error: ForebayError, now: UInt64, wall: Int64) -> Bool {
        self.queue.putBack(group)
        return self.rooms.refused(.setAside, error, now: now, wall: wall)
    }

    // MARK: Room

    mutating func stored(_ log: RoomWant.Log) {
        self.rooms.stored(log)
    }

    /// Dead letters could not be written.
    ///
    /// - Returns: as ``refused(_:_:now:wall:)``.
    mutating func refusedLetters(_ error: ForebayError, now: UInt64, wall: Int64) -> Bool {
        self.rooms.refused(.deadLetters, error, now: now, wall: wall)
    }

    /// What wanted room may have gone another way: a topic that is there again, or takes its events now. A log that nothing wants to go to
    /// for so many ms wants no room any more.
    ///
    /// - Returns: the logs of which that is news.
    mutating func lapse(hasLetters: Bool, now: UInt64, after patience: UInt64) -> [RoomWant.Log] {
        var lapsed: [RoomWant.Log] = []
        if self.queue.isEmpty, self.rooms.hasLapsed(.setAside, now: now, after: patience) {
            self.rooms.stored(.setAside)
            lapsed.append(.setAside)
        }
        if !hasLetters, self.rooms.hasLapsed(.deadLetters, now: now, after: patience) {
            self.rooms.forget(.deadLetters)
            lapsed.append(.deadLetters)
        }
        return lapsed
    }
}
