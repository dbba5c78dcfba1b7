import ForebayCore

/// Which topics have events that are not settled, by route. It bounds how many topics a route's delivery has to deal with at a time: each
/// costs memory and metadata there, in a backlog as in flight.
///
///     a request's first event of it --> counted --its groups are durable--> counted up to their end
///                                          |                                     `--cursor there, nothing set aside--> let go
///                                          `--request refused--> let go
///
/// Topics are only looked through when the bound is reached, so a request for a topic that is counted costs one comparison.
/// What lay in the buffer before the start is not counted, except what is set aside.
///
/// One for the process: it outlives the ingest stage, and its successor goes on with it.
// Safe because: the edge loop's alone; what others know is asked by closures that are sendable.
package final class UnsettledTopics: @unchecked Sendable {
    /// What the delivery of a route tells of itself; asked when the bound is reached, at most ten times a second.
    package struct Settled: Sendable {
        /// Below it nothing is unsettled but what is set aside.
        let end: @Sendable () -> UInt64
        /// Topics of which something is set aside.
        let setAside: @Sendable () -> Set<String>

        package init(end: @escaping @Sendable () -> UInt64, setAside: @escaping @Sendable () -> Set<String>) {
            self.end = end
            self.setAside = setAside
        }
    }

    /// Between two looks through the topics of a route, in nanoseconds.
    private static let interval: UInt64 = 100_000_000

    private struct Route {
        let name: String
        let limit: Int
        let settled: Settled?
        var uses: [String: TopicUse] = [:]
        /// Of which something is set aside, and which are not among `uses`. They count as much.
        var others: Set<String> = []
        var nextLook: UInt64 = 0

        var count: Int { self.uses.count + self.others.count }
    }

    private var routes: [Route]
    /// Counted by the request that is being read, and whether they were among the others.
    private var fresh: [(use: TopicUse, wasAside: Bool)] = []
    /// The request that is being read.
    private var request: UInt64 = 1
    private var groups: UInt64 = 0

    /// - Parameter settled: by route; of one that is missing nothing is ever settled.
    package init(_ routes: [IngestConfiguration.Route], settled: [String: Settled] = [:]) {
        self.routes = routes.map {
            let settled = settled[$0.name]
            // Or a start would let in as many again as are set aside already.
            return Route(name: $0.name, limit: $0.maximumTopics, settled: settled, others: settled?.setAside() ?? [])
        }
    }

    /// Topics that are counted now; some of them may be settled already.
    func count(route: Int) -> Int { self.routes[route].uses.count }

    // MARK: A request

    /// An event of the request that is being read is for that topic.
    @inline(__always)
    func admit(_ target: TopicTarget, event index: Int) throws(Refusal) {
        if let use = target.use, use.isCounted {
            use.request = self.request
        } else {
            try self.count(target, event: index)
        }
    }

    private func count(_ target: TopicTarget, event index: Int) throws(Refusal) {
        let name = String(decoding: target.storedName, as: UTF8.self)
        let use = self.routes[target.route].uses[name] ?? target.use ?? TopicUse(name: name, route: target.route)
        target.use = use
        use.request = self.request
        guard !use.isCounted else { return }
        let wasAside = self.routes[target.route].others.remove(name) != nil
        guard wasAside || self.hasRoom(target.route) else {
            let route = self.routes[target.route]
            throw Refusal(
                .tooManyTopics,
                "route \(route.name) has \(route.limit) topics with events that are not settled (routes.\(route.name).max_topics); "
                    + "nothing was stored", event: index)
        }
        use.isCounted = true
        use.pending += 1  // The request's, until it is in a group.
        self.routes[target.route].uses[name] = use
        self.fresh.append((use, wasAside))
    }

    /// The request's events are in a group.
    func commit() {
        self.request += 1
        guard !self.fresh.isEmpty else { return }
        for (use, _) in self.fresh { use.pending -= 1 }
        self.fresh.removeAll(keepingCapacity: self.fresh.capacity < 64)
    }

    /// The request is refused.
    func rollback() {
        self.request += 1
        for (use, wasAside) in self.fresh {
            use.pending -= 1
            use.isCounted = false
            self.routes[use.route].uses[use.name] = nil
            if wasAside { self.routes[use.route].others.insert(use.name) }
        }
        self.fresh.removeAll(keepingCapacity: false)
    }

    // MARK: A group

    /// A number for a group that holds events.
    func beginGroup() -> UInt64 {
        self.groups += 1
        return self.groups
    }

    /// All events of the group lie below `end`, durably. None: it was not stored.
    func settled(_ uses: [TopicUse], end: UInt64?) {
        for use in uses {
            use.pending -= 1
            if let end { use.end = max(use.end, end) }
        }
    }

    // MARK: Room

    private func hasRoom(_ number: Int) -> Bool {
        if self.routes[number].count < self.routes[number].limit { return true }
        let now = MonotonicClock.nanoseconds
        guard let settled = self.routes[number].settled, now >= self.routes[number].nextLook else { return false }
        self.routes[number].nextLook = now + Self.interval
        // In this order: an event is set aside before the cursor passes it.
        let end = settled.end()
        let aside = settled.setAside()
        // Events of the request that is being read are in no group yet.
        for (name, use) in self.routes[number].uses where use.pending == 0 && use.end <= end && use.request != self.request {
            use.isCounted = false
            self.routes[number].uses[name] = nil
        }
        self.routes[number].others = aside.subtracting(self.routes[number].uses.keys)
        return self.routes[number].count < self.routes[number].limit
    }
}

/// One topic of ``UnsettledTopics``, by the name under which it is stored.
final class TopicUse {
    let name: String
    let route: Int
    fileprivate(set) var isCounted = false
    /// Groups that hold events of it and are not settled, and the request that counted it.
    var pending = 0
    /// One past the last event of it that is known to be durable, or a later place.
    fileprivate(set) var end: UInt64 = 0
    /// The last request that has events of it.
    fileprivate(set) var request: UInt64 = 0
    /// The last group that holds events of it.
    var group: UInt64 = 0

    init(name: String, route: Int) {
        self.name = name
        self.route = route
    }
}
