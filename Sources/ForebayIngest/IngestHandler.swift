package import ForebayHTTP
import ForebayNet

/// The ingest stage as the server sees it. The server's calls come on the loop, where the stage lives: nothing hops.
package final class IngestHandler: HTTPHandler {
    private typealias Head = UnsafePointer<HTTPRequestHead>

    private let stage: IngestStage
    private let loop: EventLoop
    // `assumeIsolated` allocates twice for each call: four times a request, all that a request costs in allocations. So its check is made
    // here, and its cast once: a function that is isolated to a parameter is called as one that is not.
    private let judge: (IngestStage, Head) -> HTTPVerdict
    private let take: (IngestStage, RequestID, Head, UnsafeRawBufferPointer) -> Void

    init(stage: IngestStage) {
        self.stage = stage
        self.loop = stage.loop
        let judge: (isolated IngestStage, Head) -> HTTPVerdict = { $0.judge($1.pointee) }
        let take: (isolated IngestStage, RequestID, Head, UnsafeRawBufferPointer) -> Void = { $0.take($1, $2.pointee, $3) }
        self.judge = unsafeBitCast(judge, to: ((IngestStage, Head) -> HTTPVerdict).self)
        self.take = unsafeBitCast(take, to: ((IngestStage, RequestID, Head, UnsafeRawBufferPointer) -> Void).self)
    }

    package func head(_ request: borrowing HTTPRequestHead) -> HTTPVerdict {
        self.loop.preconditionOnLoop()
        return withUnsafePointer(to: request) { self.judge(self.stage, $0) }
    }

    package func request(_ id: RequestID, _ request: borrowing HTTPRequestHead, _ body: UnsafeRawBufferPointer) {
        self.loop.preconditionOnLoop()
        withUnsafePointer(to: request) { self.take(self.stage, id, $0, body) }
    }

    package func ended(_ id: RequestID) {
        self.stage.assumeIsolated { $0.dropped(id) }
    }

    package func dropped(_ id: RequestID) {
        self.stage.assumeIsolated { $0.dropped(id) }
    }
}
