package import ForebayHTTP

/// The ingest stage as the server sees it. The server's calls come on the loop, where the stage lives: nothing hops.
package final class IngestHandler: HTTPHandler {
    private let stage: IngestStage

    init(stage: IngestStage) {
        self.stage = stage
    }

    package func head(_ request: borrowing HTTPRequestHead) -> HTTPVerdict {
        self.stage.assumeIsolated { $0.judge(request) }
    }

    package func request(_ id: RequestID, _ request: borrowing HTTPRequestHead, _ body: UnsafeRawBufferPointer) {
        self.stage.assumeIsolated { $0.take(id, request, body) }
    }

    package func dropped(_ id: RequestID) {
        self.stage.assumeIsolated { $0.dropped(id) }
    }
}

/// Answers for a stage that does not run yet: 503, whatever is asked.
package final class StartingHandler: HTTPHandler {
    package init() {}

    package func head(_ request: borrowing HTTPRequestHead) -> HTTPVerdict {
        .refuse(Refusal(.starting, ProblemCode.starting.busyDetail).problem(retryAfter: 1).response(to: request.id))
    }

    package func request(_ id: RequestID, _ request: borrowing HTTPRequestHead, _ body: UnsafeRawBufferPointer) {
        preconditionFailure("no head was accepted")
    }
}
