package import ForebayCore
package import ForebaySpool
import ForebayTelemetry

/// Makes what ingest hands over durable, a group at a time, and tells each submission how it ended.
///
/// It lives on the edge loop beside ingest, so that neither handing over nor answering costs a hop; only the commit leaves the thread.
package actor BufferStage: Stage {
    private let loop: any StageLoop
    private let executor: any SerialExecutor
    private let port: LinkPort<Submission>
    private let link: Link<Submission>
    private let spool: Spool
    private let logger = Logger(label: "buffer")
    private var state: BufferState

    package nonisolated var unownedExecutor: UnownedSerialExecutor { self.executor.asUnownedSerialExecutor() }

    package nonisolated var taskExecutor: (any TaskExecutor)? { self.loop.taskExecutor() }

    package init(loop: any StageLoop, port: LinkPort<Submission>, spool: Spool, configuration: BufferConfiguration) {
        self.loop = loop
        self.executor = loop.executor()
        self.port = port
        self.link = port.connect()
        self.spool = spool
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
        [
            Fact("waiting_bytes", .number(Int64(self.link.depth.bytes))),
            Fact("durable_sequence", .number(Int64(clamping: self.spool.durableEnd))),
            Fact("segments", .number(Int64(self.spool.segmentCount))),
        ]
    }

    private func commit(_ group: [Submission]) async {
        do throws(ForebayError) {
            let receipts = try await self.spool.commit(group)
            self.state.stored()
            for (submission, receipt) in zip(group, receipts) { submission.ack.resolve(receipt) }
        } catch {
            // The others may fit into what is left.
            if error.code == .spoolFull, group.count > 1 {
                for submission in group { await self.commit([submission]) }
                return
            }
            if self.state.refused() { self.logger.warning("the spool refused a group", ["error": error.description]) }
            for submission in group { submission.ack.refuse(error) }
        }
    }
}
