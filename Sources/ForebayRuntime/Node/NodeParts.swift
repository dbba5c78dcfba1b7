import ForebayHTTP
import ForebayIngest

extension ForebayConfiguration {
    /// What the ingest stage needs of it.
    var ingest: IngestConfiguration {
        var ingest = IngestConfiguration(
            routes: self.routes.map { route in IngestConfiguration.Route(name: route.name, topics: route.topics.map(\.description)) },
            topics: self.topics.mapValues { topic in
                IngestConfiguration.Topic(
                    key: topic.key.flatMap { JSONPath($0) }, maximumEvent: topic.maxEvent,
                    rename: topic.target == topic.name ? nil : topic.target)
            })
        ingest.limits.body = self.limits.body
        ingest.limits.event = self.limits.event
        ingest.limits.eventsPerRequest = self.limits.eventsPerRequest
        ingest.limits.inFlight = self.limits.inFlight
        return ingest
    }

    /// The bounds of the operators' server: few clients, small requests.
    var adminHTTP: HTTPConfiguration {
        var http = HTTPConfiguration(name: "admin")
        http.caps.connections = 256
        return http
    }

    /// The bounds of the producers' server.
    var ingestHTTP: HTTPConfiguration {
        var http = HTTPConfiguration(name: "ingest")
        http.limits.header = self.limits.header
        http.limits.memory = self.limits.inFlight
        http.times.request = UInt64(self.limits.requestTimeoutMilliseconds)
        http.times.idle = UInt64(self.limits.idleTimeoutMilliseconds)
        http.caps.connections = self.limits.connections
        http.caps.connectionsPerAddress = self.limits.connectionsPerAddress
        return http
    }
}
