/// The bounds of one HTTP server. Sizes are bytes, times milliseconds.
package struct HTTPConfiguration: Sendable {
    /// Which listener this is, as the metrics' label: `ingest`, `admin`.
    package var name: String
    package var limits = HTTPLimits()
    package var times = HTTPTimes()
    package var caps = HTTPCaps()

    package init(name: String = "http") {
        self.name = name
    }
}

/// How large a request may be. The body's own limit is the handler's, by its verdict.
package struct HTTPLimits: Sendable {
    /// The request line and all fields. Past it: 431.
    package var header = 16 << 10
    package var fields = 100
    /// Past it: 414.
    package var target = 8 << 10
    /// What a chunked body may spend on chunk headers and trailers, beside 8 bytes for each of its own.
    package var chunkOverhead = 16 << 10
    /// Fields whose names begin so (in lower case) are refused in a trailer, where nobody reads them. Empty: none.
    package var headerOnly: StaticString = ""
    /// Requests of one connection that wait for their answers; then it is not read.
    package var pipelined = 32
    /// Answers that a client has not taken yet; then it is not read.
    package var unsent = 64 << 10
    /// A refused body up to this size is read and dropped, to keep the connection.
    package var skippedBody = 64 << 10
    /// What all connections may hold for unfinished requests and unread answers. Past it the one that wants more gets 503, or is cut.
    package var memory = 32 << 20
    /// The part of it that one address may hold before its own sockets wait for each other. See ``AddressAccount``.
    package var memoryPerAddress = 8 << 20
    /// The bounds are those of `limits` in the configuration, so that refusals name the key to change.
    package var areConfigured = false

    package init() {}
}

/// How long a client may take.
package struct HTTPTimes: Sendable {
    /// What a client that sends a request can be too slow for.
    enum Bound { case header, bodyRate, request }

    /// From the first byte of a request to the end of its fields.
    package var header: UInt64 = 10_000
    /// After this, a body must have come at ``minimumBodyRate`` on average.
    package var bodyGrace: UInt64 = 5_000
    /// Bytes a second.
    package var minimumBodyRate: UInt64 = 240
    /// From the first byte of a request to its last.
    package var request: UInt64 = 30_000
    /// Between requests. Longer than the 60 s after which common proxies give a connection up, so that they do it first.
    package var idle: UInt64 = 75_000
    /// From the connection's begin without a byte, until it makes room for another at ``HTTPCaps/connections``. A request that is on its
    /// way for so long was lost by the network more than once.
    package var silence: UInt64 = 5_000
    /// Without the client taking any of its answer.
    package var writeStall: UInt64 = 30_000
    /// After a refusal what the client still sends is read and dropped, until it is silent this long…
    package var lingerQuiet: UInt64 = 5_000
    /// …and no longer than this, nor more bytes than ``lingerBytes``.
    package var linger: UInt64 = 30_000
    package var lingerBytes = 1 << 20
    /// …or than this, where ``HTTPCaps/longLingering`` has a place: a client that writes all of its body before it reads does not see the
    /// answer sooner.
    package var longLingerBytes = 1 << 20

    package init() {}
}

/// How many connections there may be. Cut to what the process may open, less some for its own files.
package struct HTTPCaps: Sendable {
    /// Past it, one on which nothing has come for ``HTTPTimes/silence`` makes room, or else new ones wait in the system's queue.
    package var connections = 16_384
    /// Past it, new ones get 503. Zero: no cap, for a server behind a proxy.
    package var connectionsPerAddress = 4_096
    /// At a cap, the connection that has been quiet longest and waits for no answer makes room for the new one: for a server that must
    /// answer probes whatever else is connected to it. (Elsewhere a client could lose a request that is on its way.)
    package var quietMakeRoom = false
    /// Connections that may send more than ``HTTPTimes/lingerBytes`` after a refusal, at a time: what they send costs its reading. One
    /// address has a quarter of the places, unless ``connectionsPerAddress`` is 0.
    package var longLingering = 64

    package init() {}

    /// What is left of them where the process may open so many files: some are for logs, spool and Kafka. An address keeps its part.
    package func fitting(openFiles: Int) -> HTTPCaps {
        var caps = self
        caps.connections = Swift.min(self.connections, Swift.max(16, openFiles - 256))
        guard caps.connections < self.connections, self.connectionsPerAddress > 0 else { return caps }
        let part = Double(self.connectionsPerAddress) / Double(self.connections) * Double(caps.connections)
        caps.connectionsPerAddress = Swift.min(caps.connections, Int(part.rounded(.up)))
        return caps
    }
}
