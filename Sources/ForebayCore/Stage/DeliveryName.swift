/// Which delivery: one stage of one route. Its cursor, its folders on disk, its rows in `status`, its labels and its name at the supervisor
/// are all made from it, here.
package struct DeliveryName: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// What delivers a route's events somewhere.
    package enum Stage: String, Sendable, CaseIterable {
        case forward, mirror, archive
    }

    package let stage: Stage
    package let route: String

    package init(_ stage: Stage, of route: String) {
        self.stage = stage
        self.route = route
    }

    // MARK: At the command line and in addresses: `orders`, `orders/mirror`

    /// - Parameter text: a route, or a route and a stage of it; without one it is the forward.
    package init?(_ text: some StringProtocol) {
        guard let (route, stage) = Self.parts(of: text, at: "/"), !route.isEmpty else { return nil }
        self.init(stage, of: route)
    }

    /// As somebody calls it. A route of an earlier version may have a slash in its name.
    package init(name text: String) { self = DeliveryName(text) ?? DeliveryName(.forward, of: text) }

    package var description: String { self.joined(by: "/") }

    // MARK: The cursor, and the child of the supervisor: `forward/orders`

    package init?(cursor: some StringProtocol) {
        let parts = cursor.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, !parts[1].isEmpty, let stage = Stage(rawValue: String(parts[0])) else { return nil }
        self.init(stage, of: String(parts[1]))
    }

    package var cursor: String { "\(self.stage.rawValue)/\(self.route)" }

    // MARK: In metrics: `stage="forward",route="orders"`

    package var labels: KeyValuePairs<String, String> { ["stage": self.stage.rawValue, "route": self.route] }

    /// - Parameter way: `direct`: of what comes from the spool; `aside`: of what is set aside.
    package func labels(way: String) -> KeyValuePairs<String, String> {
        ["stage": self.stage.rawValue, "route": self.route, "way": way]
    }

    // MARK: The folder in `setaside/` and `deadletters/`: `orders`, `orders@mirror`

    package init(folder: some StringProtocol) {
        let (route, stage) = Self.parts(of: folder, at: "@") ?? (String(folder), .forward)
        self.init(stage, of: route)
    }

    package var folder: String { self.joined(by: "@") }

    // MARK: -

    /// Nothing is said of a forward: every route has one, and had it before there were others.
    private func joined(by mark: String) -> String { self.stage == .forward ? self.route : "\(self.route)\(mark)\(self.stage.rawValue)" }

    /// - Returns: none where what stands behind the last mark is no stage.
    private static func parts(of text: some StringProtocol, at mark: Character) -> (route: String, stage: Stage)? {
        guard let place = text.lastIndex(of: mark) else { return (String(text), .forward) }
        return Stage(rawValue: String(text[text.index(after: place)...])).map { (String(text[..<place]), $0) }
    }

    package static func < (one: DeliveryName, other: DeliveryName) -> Bool {
        (one.route, one.stage.place) < (other.route, other.stage.place)
    }
}

extension DeliveryName.Stage {
    fileprivate var place: Int { Self.allCases.firstIndex(of: self) ?? 0 }
}
