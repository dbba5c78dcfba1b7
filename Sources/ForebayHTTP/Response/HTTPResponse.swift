/// An answer. Cheap to copy; make constant ones once and give them again.
///
/// The server adds `Date`, `Content-Length` and `Connection`, and leaves the body out where HTTP says so.
package struct HTTPResponse: Sendable {
    package var status: Int
    /// Whole lines, `Name: value CR LF`.
    package private(set) var fields: [UInt8] = []
    package var body: [UInt8]
    /// Ends the connection after this answer.
    package var closes = false

    package init(
        status: Int, contentType: String? = nil, headers: [(name: String, value: String)] = [], body: [UInt8] = [], closes: Bool = false
    ) {
        self.status = status
        self.body = body
        self.closes = closes
        if let contentType { self.add("Content-Type", contentType) }
        for (name, value) in headers { self.add(name, value) }
    }

    package init(status: Int, contentType: String, headers: [(name: String, value: String)] = [], text: String) {
        self.init(status: status, contentType: contentType, headers: headers, body: Array(text.utf8))
    }

    /// `application/json`, of text that is JSON already.
    package static func json(_ status: Int, _ text: String) -> HTTPResponse {
        HTTPResponse(status: status, contentType: "application/json", text: text)
    }

    /// 204, which has no body, for OPTIONS. - Parameter allow: `POST, OPTIONS`.
    package static func allowing(_ allow: String) -> HTTPResponse {
        HTTPResponse(status: 204, headers: [("Allow", allow)])
    }

    /// Adds a field. A control character in the value becomes a blank: it could end the line, and what follows would be another field.
    package mutating func add(_ name: String, _ value: String) {
        self.fields += name.utf8
        self.fields += ": ".utf8
        self.fields += value.utf8.lazy.map { $0 < 0x20 || $0 == 0x7F ? 0x20 : $0 }
        self.fields += "\r\n".utf8
    }
}
