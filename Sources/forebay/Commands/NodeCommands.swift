import ForebayCore
import ForebayHTTP
import ForebayRuntime
import ForebayTelemetry

/// `run` and `demo`: what starts a node.
enum NodeCommands {
    /// Runs a node until it was told to stop, and has drained.
    static func run(_ configuration: ForebayConfiguration) async throws -> ExitCode {
        try await NodeProcess.run(configuration)
        return .ok
    }

    /// Runs everything in one process until Ctrl-C.
    ///
    /// - Parameter overrides: `--set` arguments, over the demo's own configuration.
    static func demo(overrides: [String], sendsTraffic: Bool, _ world: World) async throws -> ExitCode {
        let demo = try Demo(overrides: overrides, hostName: world.hostName)
        let bootstrap = demo.bootstrap
        let metrics = MetricsRegistry()
        var tasks: [Task<Void, Never>] = []
        defer { for task in tasks { task.cancel() } }
        try await NodeProcess.run(demo.configuration, metrics: metrics) { node in
            try world.terminal.out(Self.greeting(node, bootstrap, world.terminal))
            if sendsTraffic {
                let traffic = DemoTraffic(address: try HTTPAddress(url: "http://\(node.ingestAddress)"))
                tasks.append(Task { await traffic.run() })
            }
            tasks.append(Task { await Self.summarise(node, metrics, world.terminal) })
        }
        world.terminal.progress("")
        withExtendedLifetime(demo) {}
        return .ok
    }

    private static func greeting(_ node: Node, _ bootstrap: String, _ terminal: Terminal) -> String {
        let url = "http://\(node.ingestAddress)/v1/topics/\(Demo.topic)"
        return """
            \(terminal.styled("Forebay is running.", .bold)) Everything is in this one process; Ctrl-C stops it and removes what it stored.

              Events in     \(url)
              Admin         http://\(node.adminAddress)/admin/v1/status   /metrics   /readyz
              Kafka         \(bootstrap)   (embedded, for trying out: it forgets old data)

            Post an event; 202 means that it is on disk:

              curl \(url) -H 'Content-Type: application/json' -d '{"order_id":"o-1","item":"tea"}'

            Or wait until Kafka has it, and see where it stands there:

              curl '\(url)?ack=kafka' -H 'Content-Type: application/json' -d '{"order_id":"o-2","item":"tea"}'


            """
    }

    /// One line that tells what happens: rewritten in place on a terminal, a line every five seconds otherwise.
    private static func summarise(_ node: Node, _ metrics: MetricsRegistry, _ terminal: Terminal) async {
        let interval = terminal.isErrorTerminal ? 1 : 5
        var before = (accepted: UInt64(0), delivered: UInt64(0))
        while true {
            do {
                try await Task.sleep(for: .seconds(interval))
            } catch {
                return
            }
            let now = (
                accepted: metrics.total("forebay_ingest_events_total"), delivered: metrics.total("forebay_delivery_events_total")
            )
            let rate = Double(now.accepted - before.accepted) / Double(interval)
            let line =
                "accepted \(now.accepted) (\(Int(rate.rounded()))/s)   in Kafka \(now.delivered)   waiting \(node.lag)"
            before = now
            if terminal.isErrorTerminal { terminal.progress(line) } else { terminal.message(line) }
        }
    }
}
