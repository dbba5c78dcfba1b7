/// Who fills the buffer: the stage whose cursor stands furthest back, because a segment goes only when every cursor is past it.
package struct Culprit: Sendable, Equatable {
    package let route: String
    package let stage: String
    package let cluster: String
    package let lagEvents: UInt64
    package let state: String
    package let lastError: String?

    /// From this fill on somebody should know; the alerts of the documentation begin there too.
    package static let threshold = 0.7

    /// - Returns: none while no buffer is filling, or nothing waits (then it is the disk that is full of other things).
    package static func find(buffers: [BufferStatus], routes: [RouteStatus]) -> Culprit? {
        guard buffers.contains(where: { !$0.isAccepting || $0.fill >= Self.threshold }) else { return nil }
        guard let route = routes.filter({ $0.lagEvents > 0 }).min(by: { ($0.cursor, $1.lagEvents) < ($1.cursor, $0.lagEvents) }) else {
            return nil
        }
        return Culprit(
            route: route.route, stage: route.stage, cluster: route.cluster, lagEvents: route.lagEvents, state: route.state,
            lastError: route.lastError)
    }

    package var message: String {
        let error = self.lastError.map { ": \($0)" } ?? ""
        return
            "\(self.stage) of route \(self.route) to cluster \(self.cluster) is behind by \(self.lagEvents) events (\(self.state))\(error)"
    }
}
