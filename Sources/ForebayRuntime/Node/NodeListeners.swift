import ForebayConfig
import ForebayCore
import ForebayHTTP
import ForebayNet
import ForebayTelemetry

/// The node's HTTP servers. It lives on their loop.
actor NodeListeners {
    private let loop: EventLoop
    nonisolated let ingest: HTTPServer
    nonisolated let admin: HTTPServer
    /// Only where it is configured.
    nonisolated let health: HTTPServer?

    nonisolated var unownedExecutor: UnownedSerialExecutor { self.loop.asUnownedSerialExecutor() }

    /// Makes the servers; they don't listen yet, and answer 503 `starting` until a stage takes over.
    static func make(_ configuration: ForebayConfiguration, loop: EventLoop, metrics: MetricsRegistry) async throws -> NodeListeners {
        try await loop.perform {
            NodeListeners(
                loop: loop, ingest: self.server(configuration.ingestHTTP, loop, metrics),
                admin: self.server(configuration.adminHTTP, loop, metrics),
                health: configuration.listeners.health.map { _ in self.server(configuration.healthHTTP, loop, metrics) })
        }
    }

    private init(loop: EventLoop, ingest: HTTPServer, admin: HTTPServer, health: HTTPServer?) {
        self.health = health
        self.loop = loop
        self.ingest = ingest
        self.admin = admin
    }

    /// - Returns: the address with the port that was bound.
    func listen(_ server: HTTPServer, _ address: ListenerAddress) throws(ForebayError) -> String {
        ListenerAddress(host: address.host, port: try server.listen(host: address.host, port: address.port)).description
    }

    /// No new producers; those that are connected get their answers, and `Connection: close`.
    func drain() async {
        await self.ingest.drain()
    }

    func close() async {
        await self.ingest.close()
        await self.admin.close()
        await self.health?.close()
    }

    private static func server(_ configuration: HTTPConfiguration, _ loop: EventLoop, _ metrics: MetricsRegistry) -> HTTPServer {
        HTTPServer(
            loop: loop, configuration: configuration, metrics: HTTPMetrics(registry: metrics, listener: configuration.name),
            handler: StartingHandler())
    }
}
