package import ForebayCore

/// Who fills the buffer: the stage whose cursor stands furthest back, because a segment goes only when every cursor is past it; or what is
/// set aside, where that is most of it.
package struct Culprit: Sendable, Equatable {
    package let route: String
    /// `forward`, or `setaside`.
    package let stage: String
    /// None: the route is not configured any more.
    package let cluster: String?
    package let lagEvents: UInt64
    package let state: String
    package let lastError: String?
    /// It is not required: where there is no room for new events it gives up its oldest, and nothing is refused for its sake.
    package let givesWay: Bool
    package let message: String

    /// From this fill on somebody should know; the alerts of the documentation begin there too.
    package static let threshold = 0.7

    /// - Returns: none while no buffer is filling, or nothing waits (then it is the disk that is full of other things).
    package static func find(buffers: [BufferStatus], routes: [RouteStatus]) -> Culprit? {
        guard buffers.contains(where: { !$0.isAccepting || $0.fill >= Self.threshold }) else { return nil }
        let bytes = buffers.reduce(0) { $0 + $1.bytes }
        // What gives way refuses nobody: it is named where nothing else would fill the buffer.
        let required = routes.filter(\.isRequired)
        if required.count < routes.count, let found = Self.holder(of: bytes, among: required), Self.fill(buffers, by: required) {
            return found
        }
        return Self.holder(of: bytes, among: routes)
    }

    /// Whether it would be as full, about, if the others had given up all that they have.
    private static func fill(_ buffers: [BufferStatus], by routes: [RouteStatus]) -> Bool {
        buffers.contains { buffer in
            guard buffer.isAccepting else { return true }
            let cursor = routes.filter { $0.lagEvents > 0 }.map(\.cursor).min() ?? buffer.durableSequence
            let (held, all) = (buffer.events(from: cursor), buffer.events(from: buffer.firstSequence))
            let beside = routes.reduce(0) { $0 + max($1.setAside.bytes, $1.deadLetterBytes) }
            return 2 * beside >= buffer.bytes || all > 0 && held / all * buffer.fill >= Self.threshold
        }
    }

    private static func holder(of bytes: Int, among routes: [RouteStatus]) -> Culprit? {
        if let letters = routes.max(by: { $0.deadLetterBytes < $1.deadLetterBytes }), letters.deadLetters > 0,
            2 * routes.reduce(0, { $0 + $1.deadLetterBytes }) >= bytes
        {
            return Culprit(dead: letters)
        }
        let behind = routes.filter { $0.lagEvents > 0 }.min { ($0.cursor, $1.lagEvents) < ($1.cursor, $0.lagEvents) }
        let aside = routes.filter { $0.setAside.events > 0 }.max {
            ($0.setAside.bytes, $0.setAside.events) < ($1.setAside.bytes, $1.setAside.events)
        }
        let asideBytes = routes.reduce(0) { $0 + $1.setAside.bytes }
        if let aside, behind == nil || 2 * asideBytes >= bytes { return Culprit(aside: aside) }
        return behind.map { Culprit(behind: $0) }
    }

    /// What to do about a delivery that is not configured any more.
    package static func removedAdvice(_ name: DeliveryName) -> String {
        "add it back, name \(name.stage == .forward ? "it" : "its route") under formerly of the route that took its place, or give it up by "
            + "'forebay routes forget \(name)'"
    }

    private init(behind route: RouteStatus) {
        guard let cluster = route.cluster else {
            self.init(
                route, stage: route.stage, lagEvents: route.lagEvents, state: route.state, lastError: nil,
                message: "\(route.called) is not configured any more, and \(route.lagEvents) events wait for it: "
                    + Self.removedAdvice(route.name))
            return
        }
        let error = route.lastError.map { ": \($0.text)" } ?? ""
        self.init(
            route, stage: route.stage, lagEvents: route.lagEvents, state: route.state, lastError: route.lastError?.text,
            message:
                "\(route.stage) of route \(route.route) to cluster \(cluster) is behind by \(route.lagEvents) events (\(route.state))\(error)"
        )
    }

    private init(aside route: RouteStatus) {
        let code = route.setAside.code.map { ": \($0)" } ?? ""
        let target = route.cluster.map { "waits for cluster \($0)" } ?? "has no target: it is not configured any more"
        self.init(
            route, stage: "setaside", lagEvents: route.setAside.events, state: "waiting", lastError: route.setAside.code,
            message: "what is set aside of \(route.called) (\(route.setAside.events) events\(code)) \(target)"
        )
    }

    private init(dead route: RouteStatus) {
        self.init(
            route, stage: "deadletters", lagEvents: route.lagEvents, state: route.state, lastError: nil,
            message:
                "dead letters take most of the room, those of \(route.called) \(route.deadLetterBytes) bytes (\(route.deadLetters)):"
                + (route.isRequired
                    ? " they stay until they are replayed or removed ('forebay deadletters replay' or 'rm'), or raise buffer.spool.max_size"
                    : " the oldest are given up where there is no room for new events, unless they are replayed before ('forebay deadletters replay')")
        )
    }

    private init(
        _ route: RouteStatus, stage: String, lagEvents: UInt64, state: String, lastError: String?, message: String
    ) {
        self.route = route.route
        self.stage = stage
        self.cluster = route.cluster
        self.lagEvents = lagEvents
        self.state = state
        self.lastError = lastError
        self.givesWay = !route.isRequired
        self.message = message
    }
}

extension BufferStatus {
    /// As numbers that may be from anywhere.
    fileprivate func events(from sequence: UInt64) -> Double { max(0, Double(self.durableSequence) - Double(sequence)) }
}

extension RouteStatus {
    var name: DeliveryName { DeliveryName(DeliveryName.Stage(rawValue: self.stage) ?? .forward, of: self.route) }

    /// In messages: every route has a forward, so that is not said.
    fileprivate var called: String {
        self.name.stage == .forward ? "route \(self.route)" : "\(self.stage) of route \(self.route)"
    }
}
