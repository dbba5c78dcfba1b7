import ForebayConfig
import ForebayCore
import ForebayHTTP
import ForebayRuntime
import ForebayTelemetry
import Glibc

/// `run` and `demo`: what starts a node.
enum NodeCommands {
    /// Runs a node until it was told to stop, and has drained.
    ///
    /// - Parameter warnings: what is to be said of the configuration.
    static func run(_ configuration: ForebayConfiguration, warnings: [String]) async throws -> ExitCode {
        do {
            try await NodeProcess.run(configuration, warnings: warnings)
        } catch let error as ForebayError where error.code == .spoolFull && error.cause is SystemCallFailure {
            throw CommandFailure(
                .failure, "\(error); make room on the disk of \(configuration.node.dataDirectory) (df -h, df -i), then start again")
        } catch let error as ForebayError where error.code == .systemCall && error.message.contains(configuration.node.dataDirectory) {
            guard let failure = error.cause as? SystemCallFailure else { throw error }
            throw CommandFailure(.failure, "\(error); \(Self.advice(failure.code)), then start again: no route runs until then")
        }
        return .ok
    }

    /// What to do about a file or a folder that can't be used.
    ///
    /// - Parameter number: `errno`.
    private static func advice(_ number: CInt) -> String {
        switch number {
        case EACCES, EPERM: "see to its owner, mode and attributes (ls -l, lsattr), for the user of this process"
        case EROFS: "the disk is mounted read-only: look at it (dmesg), and mount it for writing"
        case EMFILE, ENFILE: "raise the limit of open files (LimitNOFILE, ulimit -n)"
        default: "look at the disk (dmesg, SMART), and at what the message names"
        }
    }

    /// Runs everything in one process until Ctrl-C.
    ///
    /// - Parameters:
    ///   - overrides: `--set` arguments, over the demo's own configuration.
    ///   - tails: whether every event in the embedded Kafka is printed.
    static func demo(overrides: [String], sendsTraffic: Bool, tails: Bool, _ world: World) async throws -> ExitCode {
        let demo = try Demo(overrides: overrides, hostName: world.hostName)
        let bootstrap = demo.bootstrap
        let metrics = MetricsRegistry()
        var tasks: [Task<Void, Never>] = []
        defer { for task in tasks { task.cancel() } }
        do {
            try await NodeProcess.run(demo.configuration, metrics: metrics, endsOnHangup: true) { node in
                try world.terminal.out(Self.greeting(node, bootstrap, tails: tails, world.terminal))
                if sendsTraffic {
                    let traffic = DemoTraffic(address: try HTTPAddress(url: "http://\(node.ingestAddress)"))
                    tasks.append(Task { await traffic.run() })
                }
                if tails {
                    let tail = try DemoTail(bootstrap: bootstrap)
                    // A reader that went away ends the printing, not the demo.
                    tasks.append(Task { await tail.run { try? world.terminal.out(Self.line($0, $1, $2)) } })
                } else {
                    tasks.append(Task { await Self.summarise(node, metrics, world.terminal) })
                }
            }
        } catch let error as ForebayError where error.code == .addressInUse {
            let ports = "--set listeners.ingest.address=127.0.0.1:9080 --set listeners.admin.address=127.0.0.1:9081"
            throw CommandFailure(.failure, "\(error); give the demo other ports: forebay demo \(ports)")
        }
        world.terminal.progress("")
        withExtendedLifetime(demo) {}
        return .ok
    }

    private static func greeting(_ node: Node, _ bootstrap: String, tails: Bool, _ terminal: Terminal) -> String {
        let url = "http://\(node.ingestAddress)/v1/topics/\(Demo.topic)"
        let tail =
            tails
            ? "Every event that is in the embedded Kafka is printed below."
            : "See what is in Kafka: start it as 'forebay demo --tail', which prints every event of the embedded one."
        return """
            \(terminal.styled("Forebay is running.", .bold)) Everything is in this one process; Ctrl-C stops it and removes what it stored.

              Events in     \(url)
              Admin         http://\(node.adminAddress)/admin/v1/status   /metrics   /readyz
              Kafka         \(bootstrap)   (embedded, for trying out: it forgets old data)

            Post an event; 202 means that it is on disk:

              curl \(url) -H 'Content-Type: application/json' -d '{"order_id":"o-1","item":"tea"}'

            \(tail)

            Or wait until Kafka has it, and see where it stands there:

              curl '\(url)?ack=kafka' -H 'Content-Type: application/json' -d '{"order_id":"o-2","item":"tea"}'


            """
    }

    /// `orders/2 @17  o-1  {"order_id":"o-1"}`: where a record stands, its key and its value.
    private static func line(_ place: String, _ key: [UInt8]?, _ value: [UInt8]?) -> String {
        func text(_ bytes: [UInt8]?, none: String) -> String {
            guard let bytes else { return none }
            return String(validating: bytes, as: UTF8.self).map(TextTable.printable) ?? "base64:" + Base64.encode(bytes)
        }
        return "\(TextTable.printable(place))  \(text(key, none: "-"))  \(text(value, none: "(no value)"))\n"
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
