package import ForebayCore

/// What one delivery keeps on disk: one that is not configured any more, too.
package struct RouteHolding: Sendable, Equatable {
    package var name: DeliveryName
    /// None: nobody said which routes there are.
    package var isConfigured: Bool?
    /// Whether all of it is kept until it is delivered; none: nobody said which routes there are.
    package var isRequired: Bool?
    /// Given up for want of room since the start; none: its node is down.
    package var releasedEvents: UInt64?
    /// The first event that is not settled; none: it has no cursor.
    package var cursor: UInt64?
    package var lagEvents: UInt64
    package var setAsideEvents: UInt64
    package var deadLetters: UInt64
    /// Bytes of the spool's segments that it has not passed; others may hold them, too.
    package var spoolBytes: Int
    package var setAsideBytes: Int
    package var deadLetterBytes: Int
    /// Bytes that giving it up frees at once.
    package var freedBytes: Int

    package init(
        name: DeliveryName, isConfigured: Bool?, isRequired: Bool? = nil, releasedEvents: UInt64? = nil, cursor: UInt64? = nil,
        lagEvents: UInt64 = 0, setAsideEvents: UInt64 = 0, deadLetters: UInt64 = 0, spoolBytes: Int = 0, setAsideBytes: Int = 0,
        deadLetterBytes: Int = 0, freedBytes: Int = 0
    ) {
        self.name = name
        self.isConfigured = isConfigured
        self.isRequired = isRequired
        self.releasedEvents = releasedEvents
        self.cursor = cursor
        self.lagEvents = lagEvents
        self.setAsideEvents = setAsideEvents
        self.deadLetters = deadLetters
        self.spoolBytes = spoolBytes
        self.setAsideBytes = setAsideBytes
        self.deadLetterBytes = deadLetterBytes
        self.freedBytes = freedBytes
    }
}

/// What came of giving up a route.
package enum ForgetOutcome: Sendable, Equatable {
    /// With what it held.
    case forgotten([RouteHolding])
    case unknown(known: [String])
    /// The route left something, but nothing of that stage.
    case unknownStage(String, known: [String])
    /// - Parameter removed: what else of the route is not, and left something: `orders/mirror`.
    case configured(removed: [String])
    /// By the route that names it under `formerly`.
    case takenOver(by: String)
    /// Somebody else is at it.
    case busy
    /// The disk is being opened.
    case starting

    /// Why nothing was given up; none if it was.
    ///
    /// - Parameter stage: that was asked for; none: all of the route.
    package func refusal(of route: String, stage: String? = nil) -> Refusal? {
        switch self {
        case .forgotten: return nil
        case .unknown(let known):
            let names = known.joined(separator: ", ")
            let others = known.isEmpty ? "nothing is left of any removed route" : "there is something left of \(names)"
            return Refusal(404, "unknown_route", "Nothing is left of a route '\(route)' that is not configured; \(others).")
        case .unknownStage(let stage, let known):
            return Refusal(
                404, "unknown_stage",
                "Nothing is left of a stage '\(stage)' of route '\(route)'; there is something left of its \(known.joined(separator: ", "))."
            )
        case .configured(let removed):
            let other = removed.isEmpty ? "" : " Not configured is \(removed.joined(separator: ", ")): give that up by this name."
            let isRoute = stage == nil || stage == DeliveryName.Stage.forward.rawValue
            let what = isRoute ? "route '\(route)'" : "\(stage ?? "") of route '\(route)'"
            let entry = isRoute ? "it" : "routes.\(route).\(stage ?? "")"
            return Refusal(
                409, "route_configured",
                "The \(what) is configured: what it holds will be delivered. Take \(entry) out of the configuration first, and restart."
                    + other)
        case .takenOver(let other):
            return Refusal(
                409, "route_configured",
                "What '\(route)' left is taken over by route '\(other)', which names it under formerly. Take it out there first."
            )
        case .starting: return Refusal(503, "starting", "The node is opening its disk.")
        case .busy: return Refusal(409, "route_busy", "The route '\(route)' is being given up already.")
        }
    }
}
