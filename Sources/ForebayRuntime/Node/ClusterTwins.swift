import ForebayConfig
import ForebayCore
import ForebayTelemetry

/// A route's main delivery and a mirror that go to one cluster by two names or addresses: each event would stand there twice. Clusters are
/// told apart by what they call themselves.
struct ClusterTwins: Sendable {
    /// A route with a mirror, and the names of both clusters in the configuration.
    struct Pair: Sendable, Equatable {
        let route: String
        let forward: String
        let mirror: String
    }

    let pairs: [Pair]
    private let logger = Logger(label: "node")

    init(_ configuration: ForebayConfiguration) {
        self.pairs = configuration.routes.compactMap { route in
            route.mirror.map { Pair(route: route.name, forward: route.forward.to, mirror: $0.to) }
        }
    }

    /// What is told of a pair.
    static func text(_ pair: Pair, id: String) -> String {
        "clusters \(pair.forward) and \(pair.mirror) are one (\(id)), by two names: each event of route \(pair.route) stands there twice"
    }

    /// Those that are known to be one.
    ///
    /// - Parameter ids: what the clusters call themselves, by their names in the configuration.
    func found(_ ids: [String: String]) -> [(pair: Pair, id: String)] {
        self.pairs.compactMap { pair in ids[pair.forward].flatMap { $0 == ids[pair.mirror] ? (pair, $0) : nil } }
    }

    /// Warns of each pair once, when both clusters have said what they are. Ends when all have, or the task is cancelled.
    ///
    /// - Parameter reports: of the node's stages.
    func run(_ reports: @Sendable () async -> [StageReport]) async {
        var ids: [String: String] = [:]
        var told: Set<String> = []
        var pause = 1
        while !Task.isCancelled, self.pairs.contains(where: { ids[$0.forward] == nil || ids[$0.mirror] == nil }) {
            // Cancelled: the loop ends. One that is away may be so for long.
            try? await Task.sleep(for: .seconds(pause))
            pause = min(2 * pause, 30)
            let reports = await reports()
            for pair in self.pairs {
                ids[pair.forward] = ids[pair.forward] ?? Self.id(reports, DeliveryName(.forward, of: pair.route))
                ids[pair.mirror] = ids[pair.mirror] ?? Self.id(reports, DeliveryName(.mirror, of: pair.route))
            }
            for (pair, id) in self.found(ids) where told.insert(pair.route).inserted {
                self.logger.warning(
                    "a mirror goes to the cluster of its route's main delivery",
                    ["route": DeliveryName(.mirror, of: pair.route).description, "what": Self.text(pair, id: id)], folds: false)
            }
        }
    }

    private static func id(_ reports: [StageReport], _ name: DeliveryName) -> String? {
        let facts = reports.first { $0.name == name.cursor }?.facts
        guard case .text(let id)? = facts?.first(where: { $0.name == "cluster_id" })?.value else { return nil }
        return id
    }
}
