/// Answers until a stage takes over: 503, whatever is asked.
package final class StartingHandler: HTTPHandler {
    package init() {}

    package func head(_ request: borrowing HTTPRequestHead) -> HTTPVerdict {
        .refuse(ProblemDetails(status: 503, code: "starting", detail: "The node is starting.").response(to: request.id))
    }

    package func request(_ id: RequestID, _ request: borrowing HTTPRequestHead, _ body: UnsafeRawBufferPointer) {
        preconditionFailure("no head was accepted")
    }
}
