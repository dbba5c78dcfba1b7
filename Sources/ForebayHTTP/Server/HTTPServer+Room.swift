import ForebayNet
import ForebayTelemetry

/// Where connections are closed so that others find room.
extension HTTPServer {
    /// The last free place was taken: closes a connection that loses nothing by it, so that there is one for the next.
    func makesRoom(for newest: HTTPConnection) -> Bool {
        let found = self.configuration.caps.quietMakeRoom ? self.closeQuietest(of: nil, but: newest) : self.closeSilent(but: newest)
        let limit: KeyValuePairs = ["limit": "\(self.configuration.caps.connections)"]
        if found {
            self.logger.warning("the limit of connections is reached; the quiet make room", limit)
        } else {
            self.logger.warning("the limit of connections is reached; new ones wait", limit)
        }
        return found
    }

    /// Closes the connection that has been open longest without a byte of a request.
    ///
    /// - Returns: false if there is none that has been silent for ``HTTPTimes/silence``.
    @discardableResult func closeSilent(but newest: HTTPConnection? = nil) -> Bool {
        let now = self.loop.nowMilliseconds
        while let connection = self.silent.first(in: self.connections) {
            guard connection !== newest, connection.clock.opened + self.configuration.times.silence <= now else { return false }
            self.silent.removeFirst()
            // Its request came, and was not read yet.
            if connection.socket.hasUnreadBytes { continue }
            self.metrics.cut("made_room")
            connection.close()
            return true
        }
        return false
    }

    /// Makes room for a connection. Looks at all, so it is for servers with few.
    ///
    /// - Parameter address: whose; none: anybody's.
    /// - Returns: false if all wait for answers.
    func closeQuietest(of address: PeerAddress?, but newest: HTTPConnection? = nil) -> Bool {
        let quiet = self.connections.all.filter {
            $0.isQuiet && $0 !== newest && (address == nil || $0.address == address)
        }
        guard let quietest = quiet.min(by: { $0.clock.lastBytes < $1.clock.lastBytes }) else { return false }
        self.metrics.cut("made_room")
        quietest.close()
        return true
    }
}

/// The connections on which no byte has come yet, in the order in which they were opened.
struct SilentConnections {
    private var queue: [(slot: UInt32, generation: UInt32)] = []
    /// Those before it are out.
    private var start = 0

    /// Those that are remembered, in vain or not.
    var count: Int { self.queue.count }

    /// - Parameter open: all that there are.
    mutating func append(_ connection: HTTPConnection, open: ConnectionTable) {
        // Most have spoken, or are gone: once they are the half of it they go, so that a look at each costs no more than its place did.
        if self.queue.count > 2 * open.count + 64 {
            self.queue = self.queue[self.start...].filter { open.find(slot: $0.slot, generation: $0.generation)?.isSilent == true }
            self.start = 0
        }
        self.queue.append((connection.slot, connection.generation))
    }

    /// The one that has been silent longest.
    mutating func first(in open: ConnectionTable) -> HTTPConnection? {
        while self.start < self.queue.count {
            let (slot, generation) = self.queue[self.start]
            if let connection = open.find(slot: slot, generation: generation), connection.isSilent { return connection }
            self.removeFirst()
        }
        return nil
    }

    mutating func removeFirst() { self.start += 1 }
}
