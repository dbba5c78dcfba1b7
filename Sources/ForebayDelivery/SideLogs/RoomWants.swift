import ForebayCore

/// A side log that takes nothing now, so that the cursor waits.
struct RoomWant {
    enum Log: Hashable {
        case setAside, deadLetters

        var trouble: String {
            switch self {
            case .setAside: "events can't be set aside, and the cursor waits"
            case .deadLetters: "dead letters can't be written, and the cursor waits"
            }
        }

        var advice: String {
            switch self {
            case .setAside:
                "make room on the disk of data_dir (bytes and inodes: df -h, df -i), or raise buffer.spool.max_size and restart; what is asked for"
                    + " again, and there, needs no room"
            case .deadLetters:
                "mend what refuses them (the topic's settings): they are asked for again; or remove old ones ('forebay deadletters rm'), raise"
                    + " buffer.spool.max_size and restart, or make room on the disk of data_dir (df -h, df -i)"
            }
        }
    }

    let log: Log
    let error: ForebayError
    /// ms since 1970.
    let since: Int64

    var advice: String {
        if self.error.code == .spoolFull { return self.log.advice }
        if self.error.code == .unavailable { return "nothing: the node is stopping, and goes on at its next start" }
        return "mend what the error says (permissions in data_dir, the limit of open files, the disk: dmesg); it is tried again by itself"
    }
}

/// Which side logs want room: since when, and how many attempts each has refused in a row.
struct RoomWants {
    /// The one that was refused last stands last.
    private(set) var all: [RoomWant] = []
    /// When each was last refused, in the loop's ms.
    private var refusedAt: [RoomWant.Log: UInt64] = [:]
    private var failures: [RoomWant.Log: Int] = [:]

    /// A log took nothing: it wants room until it does, since it was first refused.
    ///
    /// - Returns: whether the cluster is to be asked once more about what has to wait.
    mutating func refused(_ log: RoomWant.Log, _ error: ForebayError, now: UInt64, wall: Int64) -> Bool {
        let since = self.all.first { $0.log == log }?.since ?? wall
        self.all.removeAll { $0.log == log }
        self.all.append(RoomWant(log: log, error: error, since: since))
        self.refusedAt[log] = now
        self.failures[log, default: 0] += 1
        return Self.asksAgain(after: self.failures[log]!)
    }

    /// A log took something.
    mutating func stored(_ log: RoomWant.Log) {
        self.forget(log)
        self.failures[log] = nil
    }

    /// Nothing wants to go there any more.
    mutating func forget(_ log: RoomWant.Log) {
        self.all.removeAll { $0.log == log }
        self.refusedAt[log] = nil
    }

    /// Whether a log wants room, and was refused none for so many ms that nothing does any more.
    func hasLapsed(_ log: RoomWant.Log, now: UInt64, after patience: UInt64) -> Bool {
        self.refusedAt[log].map { now - $0 >= patience } ?? false
    }

    /// Attempts of a log, since it had room last.
    func failures(of log: RoomWant.Log) -> Int { self.failures[log] ?? 0 }

    /// Where there is no room, a try a second: whether the cluster is to be asked once more about what has to wait. After 5 s, and then
    /// more and more seldom.
    private static func asksAgain(after failures: Int) -> Bool { [5, 10, 20].contains(failures) || failures % 30 == 0 }
}
