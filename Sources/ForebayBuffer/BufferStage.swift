package import ForebayCore
import ForebayTelemetry

/// Makes what ingest hands over durable, a group at a time, and tells each submission how it ended.
///
/// It lives on the edge loop beside ingest, so that neither handing over nor answering costs a hop; only the commit leaves the thread.
package actor BufferStage: Stage {
    private let loop: any StageLoop
    private let executor: any SerialExecutor
    private let port: LinkPort<Submission>
    private let link: Link<Submission>
    private let log: any DurableLog
    private let logger = Logger(label: "buffer")
    private var state: BufferState

    package nonisolated var unownedExecutor: UnownedSerialExecutor { self.executor.asUnownedSerialExecutor() }

    package nonisolated var taskExecutor: (any TaskExecutor)? { self.loop.taskExecutor() }

    package init(loop: any StageLoop, port: LinkPort<Submission>, log: any DurableLog, configuration: BufferConfiguration) {
        self.loop = loop
        self.executor = loop.executor()
        self.port = port
        self.link = port.connect()
        self.log = log
        self.state = BufferState(groupBytes: configuration.groupBytes)
    }

    /// Also one that never ran takes nothing, and whoever sends to it is told so.
    deinit {
        self.port.disconnect(self.link)
    }

    package func run() async throws {
        defer { self.port.disconnect(self.link) }
        for await first in self.link.stream() {
            var group = [first]
            let room = self.state.room(beside: first)
            if room > 0 { group += self.link.takeWaiting(upTo: room) }
            await self.commit(group)
        }
    }

    /// Nothing more is taken in; what waits is still made durable.
    package func drain() async {
        self.link.finish()
    }

    package nonisolated var facts: [Fact] {
        [Fact("waiting_bytes", .number(Int64(self.link.depth.bytes)))] + self.log.facts
    }

    private func commit(_ group: [Submission]) async {
        let outcomes = await self.log.store(group, isolation: self)
        for (submission, outcome) in zip(group, outcomes) {
            if let error = self.state.ended(outcome) {
                self.logger.warning("the spool refused a group", ["error": error.description])
            }
            submission.ack.resolve(outcome)
        }
    }
}
