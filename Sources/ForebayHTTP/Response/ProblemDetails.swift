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
        var json = JSONText()
        json.member("type", text: "/problems/\(self.code)", isFirst: true)
        json.member("title", text: "\(HTTPStatus.reason(self.status))")
        json.member("status", raw: String(self.status))
        json.member("detail", text: self.detail)
        json.member("code", text: self.code)
        json.member("retryable", raw: self.isRetryable ? "true" : "false")
        if let request { json.member("request_id", text: request.description) }
        if !self.errors.isEmpty { json.member("errors", raw: "[" + self.errors.map(Self.item).joined(separator: ",") + "]") }
        return Array(json.object.utf8)
    }

    private static func item(_ item: Item) -> String {
        var json = JSONText()
        json.member("code", text: item.code, isFirst: true)
        if let index = item.index { json.member("index", raw: String(index)) }
        if let pointer = item.pointer { json.member("pointer", text: pointer) }
        json.member("detail", text: item.detail)
        return json.object
    }
}

/// Builds one small JSON object.
private struct JSONText {
    private var text = "{"

    mutating func member(_ name: StaticString, raw: String, isFirst: Bool = false) {
        self.text += "\(isFirst ? "" : ",")\"\(name)\":\(raw)"
    }

    mutating func member(_ name: StaticString, text: String, isFirst: Bool = false) {
        self.member(name, raw: Self.quoted(text), isFirst: isFirst)
    }

    var object: String { self.text + "}" }

    private static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case _ where scalar.value < 0x20: quoted += "\\u00" + (scalar.value < 16 ? "0" : "") + String(scalar.value, radix: 16)
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}
