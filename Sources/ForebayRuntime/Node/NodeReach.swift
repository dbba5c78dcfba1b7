import ForebayCore
import ForebayKafka
import ForebayNet
import ForebaySpool
import ForebayTelemetry
import Glibc

/// Asks everything outside that a configuration needs whether it is there: clusters, the data folder, the listeners' addresses.
package enum NodeReach {
    /// One thing from outside.
    package struct Reached: Sendable {
        /// `cluster main`, `data_dir /var/lib/forebay`, `listener 127.0.0.1:8080`.
        package let what: String
        /// What was found, in a few words: `3 brokers`.
        package let found: String
        package let isGood: Bool
    }

    package static func ask(_ configuration: ForebayConfiguration) async throws -> [Reached] {
        let loop = try EventLoop(label: "fb-reach")
        var reached: [Reached] = []
        for cluster in configuration.clusters.values.sorted(by: { $0.name < $1.name }) {
            reached.append(await self.cluster(cluster, loop))
        }
        reached.append(self.folder(configuration.node.dataDirectory))
        let listeners = configuration.listeners
        for (name, address) in [
            ("ingest", listeners.ingest.address), ("admin", listeners.admin.address), ("health", listeners.health?.address),
        ] {
            if let address { reached.append(await self.listener(name, address, loop)) }
        }
        await loop.stop()
        return reached
    }

    private static func cluster(_ cluster: ClusterConfiguration, _ loop: EventLoop) async -> Reached {
        let probe = ClusterProbe(loop: loop)
        let properties = KafkaProperties(client: cluster.properties, producer: cluster.producer)
        switch await probe.ask(properties) {
        case .success(let brokers):
            return Reached(what: "cluster \(cluster.name)", found: "\(brokers) \(brokers == 1 ? "broker" : "brokers")", isGood: true)
        case .failure(let error):
            return Reached(what: "cluster \(cluster.name)", found: error.description, isGood: false)
        }
    }

    private static func folder(_ path: String) -> Reached {
        let what = "data_dir \(path)"
        do throws(ForebayError) {
            let budget = try SpoolBudget(capacity: Int.max, directory: path)
            guard access(path, W_OK) == 0 else { return Reached(what: what, found: String(cString: strerror(errno)), isGood: false) }
            return Reached(what: what, found: "\(budget.room(for: .deadLetters) >> 20) MiB free", isGood: true)
        } catch {
            return Reached(what: what, found: error.description, isGood: false)
        }
    }

    private static func listener(_ name: String, _ address: ListenerAddress, _ loop: EventLoop) async -> Reached {
        let what = "listener \(name) \(address)"
        do {
            try await loop.perform {
                try TCPListener(loop: loop, host: address.host, port: address.port) { descriptor, _ in Glibc.close(descriptor) }.close()
            }
            return Reached(what: what, found: "free", isGood: true)
        } catch {
            return Reached(what: what, found: "\(error)", isGood: false)
        }
    }
}
