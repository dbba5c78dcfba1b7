import ForebayNet
import ForebayTelemetry

/// What a server tells of itself: in its metrics, and in the log what an operator should see.
struct HTTPReporter {
    let metrics: HTTPMetrics
    private let logger: Logger

    init(_ metrics: HTTPMetrics, name: String) {
        self.metrics = metrics
        self.logger = Logger(label: "http/\(name)")
    }

    func refused(_ id: RequestID, _ refusal: HTTPRefusal) {
        self.metrics.refused(refusal.code)
        if refusal.status == 503 { self.logger.warning("request refused", ["code": refusal.code, "request_id": id.description]) }
    }

    /// A connection, for its address has too many.
    func turnedAway(_ address: PeerAddress, _ refusal: HTTPRefusal, limit: Int) {
        self.metrics.refused(refusal.code)
        self.logger.warning(
            "connection refused: there are too many of its address",
            ["code": refusal.code, "address": address.description, "limit": "\(limit)"])
    }

    /// The last free place for a connection was taken.
    func reachedCap(_ limit: Int, hasRoom: Bool) {
        let limit: KeyValuePairs = ["limit": "\(limit)"]
        if hasRoom {
            self.logger.warning("the limit of connections is reached; the quiet make room", limit)
        } else {
            self.logger.warning("the limit of connections is reached; new ones wait", limit)
        }
    }
}
