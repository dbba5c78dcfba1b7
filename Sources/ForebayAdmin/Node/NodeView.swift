package import ForebayCore

/// What the Runtime tells of the node. The admin API sees the stages in no other way.
package protocol NodeView: Sendable {
    /// Cheap and from any thread: probes ask every second.
    func health() -> NodeHealth

    /// Everything that `status` shows.
    func status() async -> NodeStatus

    /// The deliveries that have a dead-letter log, and how many entries each holds.
    func deadLetterCounts() -> [(name: DeliveryName, count: UInt64)]

    /// Dead letters of a delivery behind `after` (none: from the first), in order, at most `limit`.
    ///
    /// - Returns: none if there is no such delivery.
    func deadLetters(of name: DeliveryName, after: UInt64?, limit: Int) async throws(ForebayError) -> [DeadLetterView]?

    /// Replays or removes dead letters, durably; what one call has no time for is left to another.
    func work(_ action: LetterAction, _ selection: LetterSelection) async throws(ForebayError) -> LetterAnswer

    /// What is set aside of a delivery, or of each (none), at most `limit` units of one.
    ///
    /// - Returns: none if there is no such delivery.
    func setAside(of name: DeliveryName?, limit: Int) -> [SetAsideRouteView]?

    /// Removes or moves what is set aside, durably.
    func mend(_ action: AsideSelection.Action, _ selection: AsideSelection) async throws(ForebayError) -> AsideAnswer

    /// What every delivery holds on disk, also those that are not configured any more.
    ///
    /// - Returns: none while the disk is being opened.
    func routes() async throws(ForebayError) -> [RouteHolding]?

    /// What was found lost or damaged, of one log (`spool`, `setaside/orders`) or of all.
    ///
    /// - Returns: none if there is no such log.
    func alarms(log: String?) async -> [AlarmStatus]?

    /// Somebody has seen it; durably.
    ///
    /// - Returns: what that was; none if there is no such log.
    func acknowledgeAlarms(log: String?) async throws(ForebayError) -> [AlarmStatus]?

    /// Gives up all that a removed route holds, durably.
    ///
    /// - Parameters:
    ///   - stage: none: all its stages.
    ///   - isDryRun: only says what would go.
    func forget(route: String, stage: String?, isDryRun: Bool) async throws(ForebayError) -> ForgetOutcome
}

/// What the node can tell of itself, as the Runtime gathers it.
package struct NodeStatus: Sendable {
    /// The node's name, the host's unless configured.
    package var node: String
    package var version: String
    /// Milliseconds since 1970.
    package var startedAt: Int64
    package var uptimeSeconds: Double
    package var stages: [StageReport]
    package var buffers: [BufferStatus]
    package var routes: [RouteStatus]
    /// What was found lost or damaged on the disk.
    package var alarms: [AlarmStatus]

    package init(
        node: String, version: String, startedAt: Int64, uptimeSeconds: Double, stages: [StageReport] = [], buffers: [BufferStatus] = [],
        routes: [RouteStatus] = [], alarms: [AlarmStatus] = []
    ) {
        self.node = node
        self.version = version
        self.startedAt = startedAt
        self.uptimeSeconds = uptimeSeconds
        self.stages = stages
        self.buffers = buffers
        self.routes = routes
        self.alarms = alarms
    }
}

/// One buffer: how full it is and what stands in it.
package struct BufferStatus: Sendable, Equatable {
    /// A range of acknowledged events that can't be read any more.
    package struct Missing: Sendable, Equatable {
        /// Sequences, the end exclusive.
        package let events: Range<UInt64>
        package let file: String
        package let reason: String

        package init(events: Range<UInt64>, file: String, reason: String) {
            self.events = events
            self.file = file
            self.reason = reason
        }
    }

    package var name: String
    package var bytes: Int
    /// Bytes that it may take now: `max_size`, or what the disk can give if that is less.
    package var capacity: Int
    /// `max_size`; none where there is none.
    package var maxSize: Int?
    /// None if nothing waits.
    package var oldestEventAgeSeconds: Double?
    /// The sequence of the first event that is kept.
    package var firstSequence: UInt64
    /// One past the last event that is durable.
    package var durableSequence: UInt64
    package var segments: Int
    /// False: what comes is answered 503.
    package var isAccepting: Bool
    /// Milliseconds since 1970; none while it accepts.
    package var fullSince: Int64?
    package var missing: [Missing]

    package init(
        name: String, bytes: Int, capacity: Int, maxSize: Int? = nil, oldestEventAgeSeconds: Double? = nil, firstSequence: UInt64,
        durableSequence: UInt64,
        segments: Int, isAccepting: Bool, fullSince: Int64? = nil, missing: [Missing] = []
    ) {
        self.name = name
        self.bytes = bytes
        self.capacity = capacity
        self.maxSize = maxSize
        self.oldestEventAgeSeconds = oldestEventAgeSeconds
        self.firstSequence = firstSequence
        self.durableSequence = durableSequence
        self.segments = segments
        self.isAccepting = isAccepting
        self.fullSince = fullSince
        self.missing = missing
    }

    /// How full it is, 0…1 and more.
    package var fill: Double { self.capacity > 0 ? Double(self.bytes) / Double(self.capacity) : 1 }
}

/// One route as one stage delivers it.
package struct RouteStatus: Sendable, Equatable {
    package var route: String
    /// `forward`, later `mirror`, `archive`.
    package var stage: String
    /// Where it delivers to; none: it is not configured any more.
    package var cluster: String?
    /// Whether what it has not delivered is kept when there is no room for new events, which are refused then. Of a removed one it is.
    package var isRequired: Bool
    /// Given up for want of room since the start, of one that is not required.
    package var releasedEvents: UInt64
    /// In a word: `delivering`, `idle`, `waiting`, `down`, `removed`.
    package var state: String
    /// The first event that is not settled.
    package var cursor: UInt64
    package var lagEvents: UInt64
    /// None if nothing waits.
    package var oldestEventAgeSeconds: Double?
    package var inFlightEvents: Int
    package var inFlightBytes: Int
    package var deadLetters: UInt64
    /// Bytes of their files.
    package var deadLetterBytes: Int
    package var setAside: SetAsideTotals
    /// Bytes on disk that it keeps, of a removed route; the spool's may be kept by others, too.
    package var heldBytes: Int?
    /// What keeps it from delivering, as far as that is known.
    package var lastError: RouteError?

    package init(
        route: String, stage: String, cluster: String?, isRequired: Bool = true, releasedEvents: UInt64 = 0, state: String,
        cursor: UInt64, lagEvents: UInt64, oldestEventAgeSeconds: Double? = nil,
        inFlightEvents: Int = 0, inFlightBytes: Int = 0, deadLetters: UInt64 = 0, deadLetterBytes: Int = 0,
        setAside: SetAsideTotals = SetAsideTotals(), heldBytes: Int? = nil, lastError: RouteError? = nil
    ) {
        self.route = route
        self.stage = stage
        self.cluster = cluster
        self.isRequired = isRequired
        self.releasedEvents = releasedEvents
        self.state = state
        self.cursor = cursor
        self.lagEvents = lagEvents
        self.oldestEventAgeSeconds = oldestEventAgeSeconds
        self.inFlightEvents = inFlightEvents
        self.inFlightBytes = inFlightBytes
        self.deadLetters = deadLetters
        self.deadLetterBytes = deadLetterBytes
        self.setAside = setAside
        self.heldBytes = heldBytes
        self.lastError = lastError
    }
}

/// Why a route does not deliver: what the log has said of it.
package struct RouteError: Sendable, Equatable {
    /// A stable name, `_ALL_BROKERS_DOWN`; none where there is only a text.
    package var code: String?
    package var reason: String
    /// What to do about it, where that is known.
    package var advice: String?
    /// Milliseconds since 1970; none if nobody noted it.
    package var since: Int64?

    package init(code: String? = nil, reason: String, advice: String? = nil, since: Int64? = nil) {
        self.code = code
        self.reason = reason
        self.advice = advice
        self.since = since
    }

    /// In one line, for messages.
    package var text: String { [self.code, self.reason.isEmpty ? nil : self.reason].compactMap { $0 }.joined(separator: ": ") }
}

/// A dead letter as the API shows it.
package struct DeadLetterView: Sendable {
    package var sequence: UInt64
    package var topic: String
    package var code: String
    package var reason: String
    package var eventID: String
    /// When it was given up, milliseconds since 1970.
    package var at: Int64
    package var timestamp: Int64
    package var partition: Int32?
    package var key: [UInt8]?
    /// None: a tombstone.
    package var value: [UInt8]?
    package var headers: [(name: String, value: [UInt8]?)]

    package init(
        sequence: UInt64, topic: String, code: String, reason: String, eventID: String, at: Int64, timestamp: Int64,
        partition: Int32? = nil,
        key: [UInt8]? = nil, value: [UInt8]?, headers: [(name: String, value: [UInt8]?)] = []
    ) {
        self.sequence = sequence
        self.topic = topic
        self.code = code
        self.reason = reason
        self.eventID = eventID
        self.at = at
        self.timestamp = timestamp
        self.partition = partition
        self.key = key
        self.value = value
        self.headers = headers
    }
}
