/// The connections on which no byte has come yet, in the order in which they were opened. Those that have spoken, or are gone, are passed
/// over when they are met.
struct SilentConnections {
    private var queue: [ConnectionID] = []
    /// Those before it are out.
    private var start = 0

    /// Those that are remembered, in vain or not.
    var count: Int { self.queue.count }

    /// - Parameters:
    ///   - open: How many connections there are.
    ///   - isSilent: Of one that is open: nothing has come on it.
    mutating func append(_ id: ConnectionID, open: Int, isSilent: (ConnectionID) -> Bool) {
        // Most have spoken, or are gone: once they are the half of it they go, so that a look at each costs no more than its place did.
        if self.queue.count > 2 * open + 64 {
            self.queue = self.queue[self.start...].filter(isSilent)
            self.start = 0
        }
        self.queue.append(id)
    }

    /// The one that has been silent longest.
    mutating func first(where isSilent: (ConnectionID) -> Bool) -> ConnectionID? {
        while self.start < self.queue.count {
            if isSilent(self.queue[self.start]) { return self.queue[self.start] }
            self.removeFirst()
        }
        return nil
    }

    mutating func removeFirst() { self.start += 1 }
}
