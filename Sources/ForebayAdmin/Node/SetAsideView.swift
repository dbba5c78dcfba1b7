package import ForebayCore

/// What is set aside of one delivery of a route, as the API shows it.
package struct SetAsideRouteView: Sendable, Equatable {
    package var name: DeliveryName
    /// Of all of it, also of what was cut from the list.
    package var totals: SetAsideTotals
    /// By name.
    package var units: [SetAsideUnitView]

    package init(name: DeliveryName, totals: SetAsideTotals, units: [SetAsideUnitView]) {
        self.name = name
        self.totals = totals
        self.units = units
    }
}

/// How much is set aside of a route.
package struct SetAsideTotals: Sendable, Equatable {
    /// Topics, or single partitions.
    package var units: Int
    package var events: UInt64
    /// About.
    package var bytes: Int
    /// Why the largest unit waits: `UNKNOWN_TOPIC_OR_PART`. None if there is none.
    package var code: String?

    package init(units: Int = 0, events: UInt64 = 0, bytes: Int = 0, code: String? = nil) {
        self.units = units
        self.events = events
        self.bytes = bytes
        self.code = code
    }
}

/// A topic, or one partition of it, of which events are set aside.
package struct SetAsideUnitView: Sendable, Equatable {
    package enum State: String, Sendable {
        /// For its next try.
        case waiting
        case draining
    }

    /// `orders`, `orders/3`.
    package var unit: String
    package var topic: String
    /// None: the whole topic.
    package var partition: Int32?
    package var state: State
    package var code: String
    package var reason: String
    /// What to do about it, where that is known.
    package var advice: String?
    /// When it was set aside, milliseconds since 1970.
    package var since: Int64
    package var events: UInt64
    /// About.
    package var bytes: Int
    package var oldestEventAgeSeconds: Double

    package init(
        unit: String, topic: String, partition: Int32? = nil, state: State, code: String, reason: String, advice: String? = nil,
        since: Int64, events: UInt64, bytes: Int, oldestEventAgeSeconds: Double
    ) {
        self.unit = unit
        self.topic = topic
        self.partition = partition
        self.state = state
        self.code = code
        self.reason = reason
        self.advice = advice
        self.since = since
        self.events = events
        self.bytes = bytes
        self.oldestEventAgeSeconds = oldestEventAgeSeconds
    }
}
