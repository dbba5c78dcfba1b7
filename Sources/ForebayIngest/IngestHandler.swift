package import ForebayHTTP

/// The ingest stage as the server sees it. The server's calls come on the loop, where the stage lives: nothing hops.
package final class IngestHandler: HTTPHandler {
    private let stage: IngestStage

    init(stage: IngestStage) {
        self.stage = stage
    }

    package func head(_ request: borrowing HTTPRequestHead) -> HTTPVerdict {
        withUnsafePointer(to: request) { pointer in
            nonisolated(unsafe) let head = pointer  // Safe because: it is the same thread, and the same call.
            return self.stage.assumeIsolated { $0.judge(head.pointee) }
        }
    }

    package func request(_ id: RequestID, _ request: borrowing HTTPRequestHead, _ body: UnsafeRawBufferPointer) {
        withUnsafePointer(to: request) { pointer in
            nonisolated(unsafe) let (head, body) = (pointer, body)  // Safe because: it is the same thread, and the same call.
            self.stage.assumeIsolated { $0.take(id, head.pointee, body) }
        }
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
