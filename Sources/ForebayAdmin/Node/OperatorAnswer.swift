package import ForebayTelemetry

/// What came of something that an operator had done to what a node holds. The admin API answers it, and the command prints it of a node
/// that is down.
package protocol OperatorAnswer: Sendable {
    /// What was done; or why not all of it was.
    var result: Result<JSONWriter, Refusal> { get }
}

/// Why something that was asked for was not done, or not all of it: what is answered then.
package struct Refusal: Error, Equatable {
    package let status: Int
    package let code: String
    package let detail: String

    init(_ status: Int, _ code: String, _ detail: String) { (self.status, self.code, self.detail) = (status, code, detail) }

    static let busy = "Dead letters are being replayed or removed, or what is set aside is removed or moved, just now; one at a time."

    static let stopping = Refusal(503, "draining", "The node is stopping; nothing was done.")

    /// It had to end early.
    ///
    /// - Parameter code: of the error that ended it.
    init(afterError code: String, _ detail: String) {
        let status =
            switch code {
            case "too_many_pieces": 409
            case "spool_full", "too_many_set_aside", "unavailable": 503
            default: 500
            }
        self.init(status, code, detail)
    }
}
