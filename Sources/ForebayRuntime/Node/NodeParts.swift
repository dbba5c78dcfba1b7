import ForebayCore
import ForebayHTTP
import ForebayIngest
import ForebayNet
import ForebayTelemetry

extension ForebayConfiguration {
    /// What the ingest stage needs of it.
    var ingest: IngestConfiguration {
        var ingest = IngestConfiguration(
            routes: self.routes.map { route in IngestConfiguration.Route(name: route.name, topics: route.topics.map(\.description)) },
            topics: self.topics.mapValues { topic in
                IngestConfiguration.Topic(
                    key: topic.keyPath.isEmpty ? nil : JSONPath(names: topic.keyPath), maximumEvent: topic.maxEvent,
                    rename: topic.target == topic.name ? nil : topic.target)
            })
        ingest.limits.body = self.limits.body
        ingest.limits.event = self.limits.event
        ingest.limits.eventsPerRequest = self.limits.eventsPerRequest
        ingest.limits.inFlight = self.limits.inFlight
        return ingest
    }

    /// The bounds of the producers' server.
    var ingestHTTP: HTTPConfiguration {
        var http = HTTPConfiguration(name: "ingest")
        http.limits.header = self.limits.header
        http.limits.memory = self.limits.inFlight
        http.times.request = UInt64(self.limits.requestTimeoutMilliseconds)
        http.times.idle = UInt64(self.limits.idleTimeoutMilliseconds)
        http.caps.connections = self.limits.connections
        return http
    }
}

/// Answers while no ingest stage is there yet.
final class RefusingHandler: HTTPHandler, Sendable {
    func server(on loop: EventLoop, _ configuration: HTTPConfiguration, _ metrics: MetricsRegistry) -> HTTPServer {
        HTTPServer(
            loop: loop, configuration: configuration, metrics: HTTPMetrics(registry: metrics, listener: configuration.name), handler: self)
    }

    func head(_ request: borrowing HTTPRequestHead) -> HTTPVerdict {
        .refuse(ProblemDetails(status: 503, code: "starting", detail: "The node is starting.").response(to: request.id))
    }

    func request(_ id: RequestID, _ request: borrowing HTTPRequestHead, _ body: UnsafeRawBufferPointer) {}
}
