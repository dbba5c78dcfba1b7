import ForebayConfig
import ForebayHTTP
import ForebayIngest

extension ForebayConfiguration {
    /// What the ingest stage needs of it.
    var ingest: IngestConfiguration {
        var ingest = IngestConfiguration(
            routes: self.routes.map { route in
                IngestConfiguration.Route(name: route.name, topics: route.topics.map(\.description), maximumTopics: route.maxTopics)
            },
            topics: self.topics.mapValues { topic in
                IngestConfiguration.Topic(
                    key: topic.key.flatMap { JSONPath($0) }, maximumEvent: topic.maxEvent,
                    rename: topic.target == topic.name ? nil : topic.target, valueIsJSON: topic.valueIsJSON)
            })
        ingest.limits.body = self.limits.body
        ingest.limits.event = self.limits.event
        ingest.limits.eventsPerRequest = self.limits.eventsPerRequest
        ingest.limits.inFlight = self.limits.inFlight
        ingest.limits.timestamp = self.limits.timestamp
        ingest.commitPatience = self.limits.requestTimeoutMilliseconds
        return ingest
    }

    /// The bounds of the operators' server.
    var adminHTTP: HTTPConfiguration { Self.operatorsHTTP("admin") }

    /// The bounds of the server for probes.
    var healthHTTP: HTTPConfiguration { Self.operatorsHTTP("health") }

    /// Few clients, small requests, short times; and whoever is quiet makes room, for a probe that is not answered takes a node out of
    /// service.
    private static func operatorsHTTP(_ name: String) -> HTTPConfiguration {
        var http = HTTPConfiguration(name: name)
        http.caps.connections = 512
        http.caps.connectionsPerAddress = 128
        http.caps.quietMakeRoom = true
        http.times.header = 5_000
        http.times.request = 5_000
        http.times.idle = 30_000
        return http
    }

    /// The bounds of the producers' server.
    var ingestHTTP: HTTPConfiguration {
        var http = HTTPConfiguration(name: "ingest")
        http.limits.areConfigured = true
        http.limits.header = self.limits.header
        http.limits.headerOnly = "forebay-"
        http.limits.memory = self.limits.inFlight
        // Behind a proxy all producers have one address.
        http.limits.memoryPerAddress = self.limits.connectionsPerAddress == 0 ? self.limits.inFlight : self.limits.inFlight / 4
        http.times.request = UInt64(self.limits.requestTimeoutMilliseconds)
        http.times.idle = UInt64(self.limits.idleTimeoutMilliseconds)
        http.times.longLingerBytes = Swift.max(http.times.lingerBytes, 4 * self.limits.body)
        http.caps.connections = self.limits.connections
        http.caps.connectionsPerAddress = self.limits.connectionsPerAddress
        return http
    }
}
