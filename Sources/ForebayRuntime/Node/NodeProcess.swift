package import ForebayConfig
import ForebayCore
import ForebayKafka
import ForebayNet
import ForebaySpool
package import ForebayTelemetry
import Glibc

/// A node as a process: logs, signals, and the way out.
package enum NodeProcess {
    /// Runs a node until SIGTERM or SIGINT, and drains it. A second signal leaves at once; that is safe too.
    ///
    /// - Parameters:
    ///   - warnings: what was found in the configuration that works and should be changed.
    ///   - endsOnHangup: whether SIGHUP ends it too, because it belongs to a terminal; otherwise it is survived.
    ///   - started: told of the running node, once.
    package static func run(
        _ configuration: ForebayConfiguration, warnings: [String] = [], metrics: MetricsRegistry = MetricsRegistry(),
        endsOnHangup: Bool = false, started: (Node) async throws -> Void = { _ in }
    ) async throws {
        LogSink.shared.configure(level: configuration.log.level, format: configuration.log.format.sinkFormat)
        self.registerMetrics(in: metrics)
        let logger = Logger(label: "node")
        let signals = try await Signals.watch(
            endsOnHangup: endsOnHangup, patience: .milliseconds(configuration.shutdown.timeoutMilliseconds) + Node.leastForStorage)
        for warning in warnings { logger.warning("configuration", ["warning": warning]) }
        let folder = try DataFolder(configuration.node.dataDirectory)
        if let refusal = folder.refusal { throw ForebayError(.dataFolderUnsafe, recovery: .stop, refusal) }
        if let shortage = folder.shortage(ofMaxSize: configuration.buffer.spool.maxSize) {
            logger.warning("the disk is smaller than max_size", ["detail": shortage])
        }
        let node = try await Node.start(configuration, metrics: metrics)
        Self.tell(node, configuration, logger)
        try await started(node)
        let name = await signals.first()
        logger.info("draining", ["signal": name])
        guard await node.stop() else { DiskFailure.leaveUnfinished() }
        signals.stopped()
        LogSink.shared.flush()  // Repeats of what went before; nothing comes behind the last line.
        logger.info("stopped", [:])
        LogSink.shared.flush()
    }

    static func tell(_ node: Node, _ configuration: ForebayConfiguration, _ logger: Logger) {
        let reason = node.refusalReason
        logger.info(
            reason == nil ? "accepting events" : "running, and not accepting events",
            [
                "node": configuration.node.name, "version": ForebayVersion.text, "ingest": node.ingestAddress, "admin": node.adminAddress,
                "data_dir": configuration.node.dataDirectory, "spool": node.storage.spool.id.description,
            ])
        if let reason { logger.warning("new events are refused with 503", ["reason": reason]) }
    }

    /// What is told of the process beside the node's own metrics.
    package static func registerMetrics(in registry: MetricsRegistry) {
        LogSink.shared.register(in: registry)
        ProcessMetrics.register(in: registry)
        ProcessMetrics.registerBuild(["version": ForebayVersion.text, "librdkafka": KafkaProducer.libraryVersion], in: registry)
    }
}

/// The signals that end a process, on a loop of their own: the node's loops end before the second one may come.
private final class Signals: Sendable {
    /// When the process ends, also if all that would end it hangs.
    // Safe because: the loop's alone.
    private final class Deadline: @unchecked Sendable {
        var timer: Timer?
    }

    private let loop: EventLoop
    private let arrived: AsyncStream<String>
    private let deadline: Deadline

    /// - Parameter patience: from the first signal to the end of what is waited for. A little later the process ends in any case: Swift's
    ///   own threads may all hang at a disk that does not answer, and the node's timers with them.
    static func watch(endsOnHangup: Bool, patience: Duration) async throws -> Signals {
        let loop = try EventLoop(label: "fb-signals")
        let deadline = Deadline()
        let (arrived, tell) = AsyncStream.makeStream(of: String.self, bufferingPolicy: .bufferingNewest(1))
        try await loop.perform {
            var count = 0
            let ends = [(SIGTERM, "SIGTERM"), (SIGINT, "SIGINT")] + (endsOnHangup ? [(SIGHUP, "SIGHUP")] : [])
            for (number, name) in ends {
                _ = try loop.signal(number) {
                    count += 1
                    // Whatever is going on: what was answered is durable, and the rest was not answered.
                    if count > 1 {
                        LogSink.shared.flush()
                        _exit(1)
                    }
                    tell.yield(name)
                    deadline.timer = loop.timer(after: Int(patience.components.seconds + 2) * 1000) { DiskFailure.leaveUnfinished() }
                }
            }
            // To others these mean to open their log anew, say: nobody ends a node by them.
            for (number, name) in [(SIGUSR1, "SIGUSR1"), (SIGUSR2, "SIGUSR2"), (SIGALRM, "SIGALRM")] {
                _ = try loop.signal(number) {
                    Logger(label: "node").warning(
                        "\(name) means nothing here; the log goes to stderr, and there is no file to open anew", [:])
                }
            }
            if endsOnHangup { return }
            _ = try loop.signal(SIGHUP) {
                Logger(label: "node").warning("SIGHUP: reloading the configuration is not supported yet; restart to apply a change", [:])
            }
        }
        return Signals(loop: loop, arrived: arrived, deadline: deadline)
    }

    private init(loop: EventLoop, arrived: AsyncStream<String>, deadline: Deadline) {
        self.loop = loop
        self.arrived = arrived
        self.deadline = deadline
    }

    /// The node has stopped: nothing is waited for any more.
    func stopped() {
        let deadline = self.deadline
        self.loop.execute { deadline.timer?.cancel() }
    }

    func first() async -> String {
        for await name in self.arrived { return name }
        return ""
    }
}

extension LogConfiguration.Format {
    var sinkFormat: LogFormat {
        switch self {
        case .auto: .auto
        case .text: .text
        case .json: .json
        }
    }
}
