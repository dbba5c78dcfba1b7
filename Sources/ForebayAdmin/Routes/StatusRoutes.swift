import ForebayCore
import ForebayHTTP
import ForebayTelemetry

extension AdminRoutes {
    func status() async -> HTTPResponse {
        let status = await self.node.status()
        let health = self.node.health()
        var json = JSONWriter(reserving: 4096)
        json.object {
            $0.field("node", status.node)
            $0.field("version", status.version)
            $0.field("started_at", Timestamp.rfc3339(status.startedAt))
            $0.field("uptime_seconds", status.uptimeSeconds)
            $0.field("phase", health.phase.rawValue)
            $0.field("ready", health.isReady)
            $0.field("reason", health.unreadyReason)
            Self.write(status.stages, to: &$0)
            if let buffer = status.buffers.first { $0.object("buffer") { Self.write(buffer, to: &$0) } }
            Self.write(status.routes, to: &$0)
            Self.write(Culprit.find(buffers: status.buffers, routes: status.routes), to: &$0)
            Self.write(status.alarms, "alarms", to: &$0)
        }
        return .json(json)
    }

    func stages() async -> HTTPResponse {
        let status = await self.node.status()
        var json = JSONWriter(reserving: 2048)
        json.object { Self.write(status.stages, to: &$0) }
        return .json(json)
    }

    func buffers() async -> HTTPResponse {
        let status = await self.node.status()
        var json = JSONWriter(reserving: 2048)
        json.object {
            $0.array("buffers") { json in
                for buffer in status.buffers { json.object { Self.write(buffer, to: &$0) } }
            }
            Self.write(Culprit.find(buffers: status.buffers, routes: status.routes), to: &$0)
        }
        return .json(json)
    }

    // MARK: Parts

    private static func write(_ stages: [StageReport], to json: inout JSONWriter) {
        json.array("stages") { json in
            for stage in stages {
                json.object {
                    $0.field("name", stage.name)
                    $0.field("state", stage.state.rawValue)
                    $0.field("restarts", stage.restarts)
                    $0.field("last_error", stage.lastError)
                    $0.field("since", Timestamp.rfc3339(stage.since))
                    $0.object("facts") { json in
                        for fact in stage.facts { Self.write(fact, to: &json) }
                    }
                }
            }
        }
    }

    private static func write(_ fact: Fact, to json: inout JSONWriter) {
        switch fact.value {
        case .number(let number): json.field(fact.name, number)
        case .text(let text): json.field(fact.name, text)
        case .flag(let flag): json.field(fact.name, flag)
        }
    }

    private static func write(_ buffer: BufferStatus, to json: inout JSONWriter) {
        json.field("name", buffer.name)
        json.field("bytes", buffer.bytes)
        json.field("capacity", buffer.capacity)
        json.field("max_size", buffer.maxSize)
        json.field("fill", (buffer.fill * 10_000).rounded() / 10_000)
        json.field("accepting", buffer.isAccepting)
        json.field("full_since", buffer.fullSince.map(Timestamp.rfc3339))
        json.field("oldest_event_age_seconds", buffer.oldestEventAgeSeconds)
        json.field("first_sequence", buffer.firstSequence)
        json.field("durable_sequence", buffer.durableSequence)
        json.field("segments", buffer.segments)
        json.array("missing") { json in
            for missing in buffer.missing {
                json.object {
                    $0.field("first", missing.events.lowerBound)
                    $0.field("end", missing.events.upperBound)
                    $0.field("file", missing.file)
                    $0.field("reason", missing.reason)
                }
            }
        }
    }

    private static func write(_ routes: [RouteStatus], to json: inout JSONWriter) {
        json.array("routes") { json in
            for route in routes {
                json.object {
                    $0.field("route", route.route)
                    $0.field("stage", route.stage)
                    $0.field("cluster", route.cluster)
                    $0.field("required", route.isRequired)
                    $0.field("state", route.state)
                    $0.field("cursor", route.cursor)
                    $0.field("lag_events", route.lagEvents)
                    $0.field("oldest_event_age_seconds", route.oldestEventAgeSeconds)
                    $0.field("in_flight_events", route.inFlightEvents)
                    $0.field("in_flight_bytes", route.inFlightBytes)
                    $0.field("dead_letters", route.deadLetters)
                    $0.field("dead_letter_bytes", route.deadLetterBytes)
                    $0.field("set_aside_events", route.setAside.events)
                    $0.field("set_aside_units", route.setAside.units)
                    $0.field("released_events", route.releasedEvents)
                    $0.field("held_bytes", route.heldBytes)
                    Self.write(route.lastError, to: &$0)
                }
            }
        }
    }

    private static func write(_ error: RouteError?, to json: inout JSONWriter) {
        json.object("last_error", of: error) {
            $0.field("code", $1.code)
            $0.field("reason", $1.reason)
            $0.field("advice", $1.advice)
            $0.field("since", $1.since.map(Timestamp.rfc3339))
        }
    }

    private static func write(_ culprit: Culprit?, to json: inout JSONWriter) {
        json.object("culprit", of: culprit) {
            $0.field("route", $1.route)
            $0.field("stage", $1.stage)
            $0.field("cluster", $1.cluster)
            $0.field("lag_events", $1.lagEvents)
            $0.field("state", $1.state)
            $0.field("gives_way", $1.givesWay)
            $0.field("last_error", $1.lastError)
            $0.field("message", $1.message)
        }
    }
}
