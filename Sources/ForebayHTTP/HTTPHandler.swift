/// What a handler makes of a request's head, before its body is read and before `100 Continue` is sent.
package enum HTTPVerdict: Sendable {
    /// Read the body, up to that many bytes (a larger one gets 413), and give the request to the handler.
    case accept(bodyLimit: Int)
    /// Answer so, and don't read the body. A small body is dropped and the connection kept; with a large or chunked one, or with
    /// `Expect: 100-continue`, the connection ends.
    case refuse(HTTPResponse)
}

/// Who answers the requests of a server. All calls come on the loop's thread, so an actor that lives on the loop can use `assumeIsolated`.
package protocol HTTPHandler: AnyObject {
    /// Judges a head early. Each accepted one is followed by ``request(_:_:_:)`` or, if its body does not come, by nothing.
    func head(_ request: borrowing HTTPRequestHead) -> HTTPVerdict

    /// A whole request: answer it, now or later, once, by ``HTTPServer/answer(_:_:)``.
    ///
    /// - Parameters:
    ///   - id: The same as `request.id`.
    ///   - body: Valid during the call only.
    func request(_ id: RequestID, _ request: borrowing HTTPRequestHead, _ body: UnsafeRawBufferPointer)

    /// The client of an unanswered request has ended its side. It may still read, or be gone: nothing tells until it is written to. So
    /// whoever waits for something better than what could be answered now answers.
    func ended(_ id: RequestID)

    /// The connection of an unanswered request is gone; an answer to it would be dropped.
    func dropped(_ id: RequestID)
}

extension HTTPHandler {
    package func ended(_ id: RequestID) {}

    package func dropped(_ id: RequestID) {}
}
