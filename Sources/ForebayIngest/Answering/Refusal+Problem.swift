import ForebayHTTP

extension Refusal {
    /// The problem document that says it.
    ///
    /// - Parameter retryAfter: seconds, for what may succeed later.
    func problem(retryAfter: Int? = nil) -> ProblemDetails {
        var problem = ProblemDetails(
            status: self.code.status, code: self.code.rawValue, detail: self.detail, isRetryable: self.code.isRetryable,
            retryAfter: retryAfter)
        if let place {
            problem.errors = [.init(index: place.index, pointer: place.pointer, code: self.code.rawValue, detail: self.detail)]
        }
        if let allow { problem.headers.append(("Allow", allow)) }
        return problem
    }
}

extension ProblemCode {
    /// What the 503s tell people. Each says what became of the events.
    var busyDetail: String {
        switch self {
        case .starting: "this node is starting; nothing was stored"
        case .draining: "this node is shutting down; nothing was stored"
        case .overloaded: "too much is in flight on this node; nothing was stored"
        case .spoolFull: "the buffer is full until events are delivered; nothing was stored"
        case .clockNotSet: "the clock of this node is not set, so events would get a wrong time; nothing was stored"
        case .outcomeUnknown: "a part of this node failed, or its disk did not answer, while the request waited: it may be stored or not"
        default: "the buffer can't take events now; nothing was stored"
        }
    }

    /// Seconds before the same request is worth another try, as a range to pick from, so that clients don't come back all at once.
    var retryAfter: ClosedRange<Int>? {
        switch self {
        case .spoolFull, .tooManyTopics, .clockNotSet: 5...10
        case .starting, .draining, .overloaded, .unavailable, .outcomeUnknown: 1...3
        default: nil
        }
    }
}
