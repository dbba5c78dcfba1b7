import ForebayTelemetry

/// An error as RFC 9457 tells it, with what a client needs to decide whether to try again.
package struct ProblemDetails: Sendable {
    /// One guilty part of the request.
    package struct Item: Sendable {
        /// Which event of the body, from 0.
        package var index: Int?
        /// Where in it: a JSON pointer, or a field's name.
        package var pointer: String?
        package var code: String
        package var detail: String

        package init(index: Int? = nil, pointer: String? = nil, code: String, detail: String) {
            self.index = index
            self.pointer = pointer
            self.code = code
            self.detail = detail
        }
    }

    package var status: Int
    /// A stable name, `spool_full`.
    package var code: String
    /// What happened and what to do, for people.
    package var detail: String
    /// The same request may be taken later.
    package var isRetryable: Bool
    /// Seconds.
    package var retryAfter: Int?
    package var errors: [Item] = []
    package var headers: [(name: String, value: String)] = []
    package var closes = false

    /// - Parameter retryAfter: Seconds. 503 and 429 always carry one: 1 if nothing is known.
    package init(
        status: Int, code: String, detail: String, isRetryable: Bool? = nil, retryAfter: Int? = nil, errors: [Item] = [],
        headers: [(name: String, value: String)] = []
    ) {
        let isBusy = status == 503 || status == 429
        self.status = status
        self.code = code
        self.detail = detail
        self.isRetryable = isRetryable ?? isBusy
        self.retryAfter = retryAfter ?? (isBusy ? 1 : nil)
        self.errors = errors
        self.headers = headers
    }

    /// 405, with the field that it must carry.
    package static func methodNotAllowed(allow: String) -> ProblemDetails {
        ProblemDetails(status: 405, code: "method_not_allowed", detail: "This resource takes \(allow).", headers: [("Allow", allow)])
    }

    package func response(to request: RequestID?) -> HTTPResponse {
        var headers = self.headers
        if let retryAfter { headers.append(("Retry-After", String(retryAfter))) }
        return HTTPResponse(
            status: self.status, contentType: "application/problem+json", headers: headers, body: self.document(request),
            closes: self.closes)
    }

    private func document(_ request: RequestID?) -> [UInt8] {
        var json = JSONWriter()
        json.object { json in
            json.field("type", "/problems/\(self.code)")
            json.field("title", "\(HTTPStatus.reason(self.status))")
            json.field("status", self.status)
            json.field("detail", self.detail)
            json.field("code", self.code)
            json.field("retryable", self.isRetryable)
            if let request { json.field("request_id", request.description) }
            guard !self.errors.isEmpty else { return }
            json.array("errors") { json in
                for item in self.errors { Self.write(item, to: &json) }
            }
        }
        return json.bytes
    }

    private static func write(_ item: Item, to json: inout JSONWriter) {
        json.object { json in
            json.field("code", item.code)
            if let index = item.index { json.field("index", index) }
            if let pointer = item.pointer { json.field("pointer", pointer) }
            json.field("detail", item.detail)
        }
    }
}
