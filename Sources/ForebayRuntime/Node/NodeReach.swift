package import ForebayConfig
import ForebayCore
import ForebayHTTP
import ForebayKafka
import ForebayNet
import ForebayTelemetry
import Glibc

/// Asks everything outside that a configuration needs whether it is there: clusters and the topics in them, the data folder, the listeners'
/// addresses. Nothing is made or changed, and a node that runs with the same configuration is no obstacle.
package enum NodeReach {
    /// One thing from outside.
    package struct Reached: Sendable {
        package enum Verdict: Sendable {
            case good
            /// A node runs with it, and somebody should look.
            case warning
            case failed
        }

        /// `cluster main`, `data_dir /var/lib/forebay`, `listener ingest 127.0.0.1:8080`.
        package let what: String
        /// What was found, in a few words: `3 brokers`.
        package let found: String
        package let verdict: Verdict
    }

    package static func ask(_ configuration: ForebayConfiguration) async throws -> [Reached] {
        let loop = try EventLoop(label: "fb-reach")
        var reached: [Reached] = []
        var ids: [String: String] = [:]
        for cluster in configuration.clusters.values.sorted(by: { $0.name < $1.name }) {
            let (found, id) = await self.cluster(cluster, topics: configuration.topics(in: cluster.name), loop)
            reached += found
            ids[cluster.name] = id
        }
        reached += ClusterTwins(configuration).found(ids).map { pair, id in
            let name = DeliveryName(.mirror, of: pair.route)
            return Reached(what: "delivery \(name)", found: ClusterTwins.text(pair, id: id), verdict: .warning)
        }
        reached.append(self.folder(configuration))
        let listeners = configuration.listeners
        for (name, address) in [
            ("ingest", listeners.ingest.address), ("admin", listeners.admin.address), ("health", listeners.health?.address),
        ] {
            if let address { reached.append(await self.listener(name, address, configuration, loop)) }
        }
        await loop.stop()
        return reached
    }

    // MARK: Clusters

    /// Topics that are named there beyond this many are counted only.
    private static let namedTopics = 10

    /// - Returns: what it calls itself, too, if it says so.
    private static func cluster(
        _ cluster: ClusterConfiguration, topics: [String], _ loop: EventLoop
    ) async -> (reached: [Reached], id: String?) {
        let probe = ClusterProbe(loop: loop)
        let properties = KafkaProperties(client: cluster.properties, producer: cluster.producer)
        let what = "cluster \(cluster.name)"
        switch await probe.ask(properties, about: topics) {
        case .success(let metadata):
            let brokers = Reached(
                what: what, found: "\(metadata.brokers.count) \(metadata.brokers.count == 1 ? "broker" : "brokers")", verdict: .good)
            return ([brokers] + (topics.isEmpty ? [] : self.topics(topics, of: "topics of \(what)", metadata)), metadata.cluster)
        case .failure(let error):
            return ([Reached(what: what, found: error.description, verdict: .failed)], nil)
        }
    }

    /// Whether this client may write to a topic that it may see shows only when it writes.
    private static func topics(_ topics: [String], of what: String, _ metadata: KafkaMetadata) -> [Reached] {
        let errors = Dictionary(metadata.topics.map { ($0.name, $0.error) }) { $1 }
        let denied = topics.filter { errors[$0] == .topicAuthorizationFailed }
        let missing = topics.filter { errors[$0] != KafkaErrorCode.none && errors[$0] != .topicAuthorizationFailed }
        var reached: [Reached] = []
        if !denied.isEmpty {
            reached.append(
                Reached(
                    what: what,
                    found: self.named(denied) + ": this client may not see them; grant Describe and Write. Events wait on disk meanwhile",
                    verdict: .warning))
        }
        if !missing.isEmpty {
            reached.append(
                Reached(
                    what: what,
                    found: self.named(missing)
                        + ": not there; create them. Events wait on disk meanwhile, unless Kafka creates topics by itself",
                    verdict: .warning))
        }
        guard reached.isEmpty else { return reached }
        return [Reached(what: what, found: "all that are named are there (\(topics.count))", verdict: .good)]
    }

    private static func named(_ topics: [String]) -> String {
        let more = topics.count > self.namedTopics ? " and \(topics.count - self.namedTopics) more" : ""
        return topics.prefix(self.namedTopics).joined(separator: ", ") + more
    }

    // MARK: This machine

    private static func folder(_ configuration: ForebayConfiguration) -> Reached {
        let what = "data_dir \(configuration.node.dataDirectory)"
        do throws(ForebayError) {
            let folder = try DataFolder(configuration.node.dataDirectory)
            if let problem = folder.refusal ?? folder.obstacle { return Reached(what: what, found: problem, verdict: .failed) }
            let made = folder.exists ? "" : "; it will be made at the first start"
            let shortage = folder.shortage(ofMaxSize: configuration.buffer.spool.maxSize)
            return Reached(
                what: what, found: shortage ?? "room for \(DataFolder.shown(folder.room))\(made)",
                verdict: shortage == nil ? .good : .warning)
        } catch {
            return Reached(what: what, found: error.description, verdict: .failed)
        }
    }

    private static func listener(
        _ name: String, _ address: ListenerAddress, _ configuration: ForebayConfiguration, _ loop: EventLoop
    ) async -> Reached {
        let what = "listener \(name) \(address)"
        do {
            try await loop.perform {
                try TCPListener(loop: loop, host: address.host, port: address.port) { descriptor, _ in Glibc.close(descriptor) }.close()
            }
            return Reached(what: what, found: "free", verdict: .good)
        } catch let error as ForebayError where error.code == .addressInUse && self.isRunning(configuration) {
            return Reached(what: what, found: "in use by node \(configuration.node.name), which runs", verdict: .good)
        } catch {
            return Reached(what: what, found: "\(error)", verdict: .failed)
        }
    }

    /// Whether a node of this name answers where this one's admin listener would be. Blocks, for a second at most.
    private static func isRunning(_ configuration: ForebayConfiguration) -> Bool {
        let address = configuration.listeners.admin.address
        var client = HTTPClient(HTTPAddress(host: address.reachableHost, port: address.port))
        (client.connectTimeout, client.answerTimeout) = (500, 500)
        // Whoever does not answer like a node is none.
        guard let answer = try? client.send(HTTPClientRequest(target: "/admin/v1/status")), answer.status == 200 else { return false }
        let name = "\"node\":\(JSONText.quoted(configuration.node.name))"
        return String(decoding: answer.body, as: UTF8.self).contains(name)
    }
}

extension ForebayConfiguration {
    /// The topics that the configuration names and that go to a cluster, by their names there. Prefixes name none.
    func topics(in cluster: String) -> [String] {
        let exact = self.routes.flatMap { $0.topics.compactMap { if case .exact(let name) = $0 { name } else { nil } } }
        let named = Set(exact).union(self.topics.keys).filter { topic in
            self.route(of: topic)?.deliveries.contains { $0.cluster == cluster } ?? false
        }
        return Set(named.map { self.topics[$0]?.target ?? $0 }).sorted()
    }

    /// An exact name beats the longest prefix, which beats `*`.
    func route(of topic: String) -> RouteConfiguration? {
        func rank(_ pattern: TopicPattern) -> Int {
            switch pattern {
            case .exact: .max
            case .prefix(let prefix): prefix.utf8.count
            case .all: 0
            }
        }
        let taking = self.routes.flatMap { route in route.topics.filter { $0.matches(topic) }.map { (route, rank($0)) } }
        return taking.max { $0.1 < $1.1 }?.0
    }
}

extension ListenerAddress {
    /// A listener on every address is reached on loopback.
    fileprivate var reachableHost: String {
        switch self.host {
        case "0.0.0.0": "127.0.0.1"
        case "::": "::1"
        default: self.host
        }
    }
}
