import ForebayCore

/// Whose events a reader wants.
enum RouteFilter: Sendable {
    case all
    case one(RouteID)
    /// A route's, and those of the names that it had before.
    case several([RouteID])

    init(_ routes: [RouteID]) {
        self = routes.count == 1 ? .one(routes[0]) : .several(routes)
    }

    func takes(_ route: RouteID) -> Bool {
        switch self {
        case .all: true
        case .one(let one): route == one
        case .several(let several): several.contains(route)
        }
    }

    /// Whether a segment may hold some of it. What is not known may.
    func meets(_ routes: RouteTable?) -> Bool {
        guard let routes else { return true }
        return switch self {
        case .all: true
        case .one(let one): routes[one] != nil
        case .several(let several): several.contains { routes[$0] != nil }
        }
    }

    /// Whether a frame is the last one of ours in a segment that has come to its end.
    func isLast(_ frame: FrameHeader, in segment: SegmentInfo) -> Bool {
        guard case .one(let one) = self, !segment.isActive, !segment.isDamaged else { return false }
        return segment.routes[one] == frame.ordinal + UInt64(frame.count)
    }
}
