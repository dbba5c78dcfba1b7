/// Why the HTTP layer itself won't take a request. Constant texts: nothing of the request is repeated to its sender. What a bound refuses
/// names the bound and what it is set to, and the key that sets it where one does.
struct HTTPRefusal: Equatable, Sendable {
    let status: Int
    let code: String
    let detail: String
    /// Trying again without a change may help.
    var isRetryable = false

    static func malformed(_ code: String, _ detail: String) -> HTTPRefusal {
        HTTPRefusal(status: 400, code: code, detail: detail)
    }
}

extension HTTPRefusal {
    static let requestLine = malformed("bad_request_line", "The request line is not METHOD target HTTP/1.1, parted by single spaces.")
    static let target = malformed("bad_target", "The request target holds what a path and query may not.")
    static let targetEscape = malformed("bad_target", "The request target holds an escape that is not valid, or %00 or %2F in its path.")
    static let absoluteTarget = malformed("bad_target", "The request target names another server than the Host field.")
    static let lineEnd = malformed("bad_line_end", "Each line of the header ends with CR LF, and neither stands elsewhere.")
    static let control = malformed("bad_field", "A header field holds a control character.")
    static let folded = malformed("folded_field", "A header field is continued on a second line.")
    static let fieldName = malformed("bad_field", "A header field has no name, or one with characters that a name may not have.")
    static let noColon = malformed("bad_field", "A line of the header has no colon.")
    static let host = malformed("bad_host", "A request has one Host field that names a host and perhaps a port.")
    static let duplicate = malformed("duplicate_field", "A header field that may stand once stands twice.")
    static let contentLength = malformed("bad_content_length", "Content-Length is one decimal number.")
    static let transferEncoding = malformed(
        "bad_transfer_encoding", "Transfer-Encoding is one chunked, in HTTP/1.1, and without Content-Length.")
    static let parser = malformed("bad_request", "The request is not valid HTTP/1.1.")
    static let trailer = malformed(
        "field_in_trailer", "A field that stands in the trailer of a chunked body is read in the header alone.")
    static let chunk = malformed("bad_chunk", "The chunked body is not framed as HTTP/1.1 asks.")

    static let method = HTTPRefusal(status: 501, code: "method_unknown", detail: "This server does not know the method.")
    static let coding = HTTPRefusal(status: 501, code: "transfer_encoding_unsupported", detail: "The only transfer coding is chunked.")
    static let version = HTTPRefusal(status: 505, code: "version_unsupported", detail: "This server speaks HTTP/1.1 and HTTP/1.0.")
    static let expectation = HTTPRefusal(status: 417, code: "expectation_unsupported", detail: "The only expectation is 100-continue.")

    static func targetTooLong(_ limits: HTTPLimits) -> HTTPRefusal {
        HTTPRefusal(status: 414, code: "target_too_long", detail: "The request target has more than \(limits.target) bytes.")
    }

    static func headerTooLarge(_ limits: HTTPLimits) -> HTTPRefusal {
        HTTPRefusal(
            status: 431, code: "header_too_large",
            detail: "The request line and its fields have more than \(limits.header) bytes\(limits.key("limits.header")).")
    }

    static func tooManyFields(_ limits: HTTPLimits) -> HTTPRefusal {
        HTTPRefusal(status: 431, code: "header_too_large", detail: "The request has more than \(limits.fields) header fields.")
    }

    /// - Parameter limit: the handler's, in bytes.
    static func bodyTooLarge(_ limit: UInt64, _ limits: HTTPLimits) -> HTTPRefusal {
        HTTPRefusal(
            status: 413, code: "body_too_large",
            detail: limit == 0 ? "This resource takes no body." : "The body has more than \(limit) bytes\(limits.key("limits.body")).")
    }

    static func tooMuchChunkOverhead(_ limits: HTTPLimits) -> HTTPRefusal {
        HTTPRefusal(
            status: 413, code: "body_too_large",
            detail: "Chunk headers and trailers have more than \(limits.chunkOverhead) bytes and 8 for each byte of the body.")
    }

    /// - Parameter bound: the one that was passed.
    static func timeout(_ configuration: HTTPConfiguration, _ bound: HTTPTimes.Bound) -> HTTPRefusal {
        let times = configuration.times
        let why =
            switch bound {
            case .header: "The header of the request did not end within \(times.header) ms."
            case .bodyRate:
                "After its first \(times.bodyGrace) ms, the body came with fewer than \(times.minimumBodyRate) bytes a second on average."
            case .request:
                "The request did not come whole within \(times.request) ms\(configuration.limits.key("limits.request_timeout"))."
            }
        return HTTPRefusal(status: 408, code: "request_timeout", detail: why + " Nothing of it was stored.", isRetryable: true)
    }

    /// Those of the refusals with 503.
    static let unavailableCodes = ["too_much_in_flight", "too_many_connections"]

    static func memory(_ limits: HTTPLimits) -> HTTPRefusal {
        HTTPRefusal(
            status: 503, code: "too_much_in_flight",
            detail:
                "Requests of \(limits.memory) bytes\(limits.key("limits.in_flight")) are being received. Nothing of this one was stored.",
            isRetryable: true)
    }

    /// The address's part of the memory was taken by others of its requests for too long.
    static func memoryOfAddress(_ limits: HTTPLimits) -> HTTPRefusal {
        HTTPRefusal(
            status: 503, code: "too_much_in_flight",
            detail:
                "Requests of \(limits.memoryPerAddress) bytes\(limits.key("one address's part of limits.in_flight")) are being received "
                + "from your address, and this one waited for its turn until its time was over. Nothing of this one was stored.",
            isRetryable: true)
    }

    static func connections(_ configuration: HTTPConfiguration) -> HTTPRefusal {
        let key = configuration.limits.key("limits.connections_per_address")
        return HTTPRefusal(
            status: 503, code: "too_many_connections",
            detail: "There are \(configuration.caps.connectionsPerAddress) connections from your address\(key).", isRetryable: true)
    }
}

extension HTTPLimits {
    /// What sets a bound, as a text to stand behind its value.
    fileprivate func key(_ name: StaticString) -> String { self.areConfigured ? " (\(name))" : "" }
}
