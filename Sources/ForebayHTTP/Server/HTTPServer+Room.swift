import ForebayNet
import ForebayTelemetry

/// Where connections are closed so that others find room.
extension HTTPServer {
    /// The last free place was taken: closes a connection that loses nothing by it, so that there is one for the next.
    func makesRoom(for newest: HTTPConnection) -> Bool {
        let found = self.configuration.caps.quietMakeRoom ? self.closeQuietest(of: nil, but: newest) : self.closeSilent(but: newest)
        self.reporter.reachedCap(self.configuration.caps.connections, hasRoom: found)
        return found
    }

    /// Closes the connection that has been open longest without a byte of a request.
    ///
    /// - Returns: false if there is none that has been silent for ``HTTPTimes/silence``.
    @discardableResult func closeSilent(but newest: HTTPConnection? = nil) -> Bool {
        let now = self.loop.nowMilliseconds
        while let connection = self.connections.longestSilent() {
            guard connection !== newest, connection.clock.opened + self.configuration.times.silence <= now else { return false }
            self.connections.passLongestSilent()
            // Its request came, and was not read yet.
            if connection.socket.hasUnreadBytes { continue }
            self.reporter.metrics.cut("made_room")
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
            $0.isQuiet && $0 !== newest && (address == nil || $0.account.address == address)
        }
        guard let quietest = quiet.min(by: { $0.clock.lastBytes < $1.clock.lastBytes }) else { return false }
        self.reporter.metrics.cut("made_room")
        quietest.close()
        return true
    }
}
