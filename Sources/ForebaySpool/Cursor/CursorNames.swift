import ForebayCore

/// What cursors are called: `STAGE/ROUTE`.
extension CursorSet {
    /// The stage that every route has.
    static let forward = "forward"

    static func stage(of name: String) -> Substring { name.prefix { $0 != "/" } }

    /// Of a stage that there is not any more: as the forward's.
    static func delivery(of name: String) -> DeliveryName { DeliveryName(cursor: name) ?? DeliveryName(.forward, of: Self.route(of: name)) }

    static func route(of name: String) -> String { name.split(separator: "/", maxSplits: 1).last.map(String.init) ?? name }

    /// The cursor that keeps the events of a route whose name was lost.
    static func unknown(_ route: RouteID) -> String {
        let hash = String(route.rawValue, radix: 16)
        return "\(Self.forward)/unknown-" + String(repeating: "0", count: 16 - hash.count) + hash
    }

    /// Whose events a cursor of that name may have counted: those of the route of that name, or of one whose name was lost.
    static func routes(ofName name: String) -> [RouteID] {
        let lost = UInt64(Self.route(of: name).drop { $0 != "-" }.dropFirst(), radix: 16).map(RouteID.init(rawValue:))
        return [RouteID(name: Self.route(of: name))] + (lost.map { Self.unknown($0) == name ? [$0] : [] } ?? [])
    }
}
