import ForebayRuntime

/// Where the command line meets what it starts.
enum Seams {
    /// Judges librdkafka's properties while a configuration is loaded.
    static let checkProperties: KafkaPropertyCheck? = nil

    /// Runs a node until it was told to stop, and has drained.
    static func run(_ configuration: ForebayConfiguration, _ world: World) async throws -> ExitCode {
        throw CommandFailure(.internalError, "run is not wired yet")
    }

    /// Runs everything in one process until Ctrl-C.
    ///
    /// - Parameter overrides: `--set` arguments, over the demo's own configuration.
    static func demo(overrides: [String], sendsTraffic: Bool, _ world: World) async throws -> ExitCode {
        throw CommandFailure(.internalError, "demo is not wired yet")
    }

    /// One thing that a configuration needs from outside.
    struct Reached: Sendable {
        /// `cluster main`, `data_dir /var/lib/forebay`, `listener 127.0.0.1:8080`.
        let what: String
        /// What was found, in a few words: `3 brokers`.
        let found: String
        let isGood: Bool
    }

    /// Asks everything outside whether it answers: clusters, the data folder, the listeners' addresses.
    static func reach(_ configuration: ForebayConfiguration) async throws -> [Reached] {
        throw CommandFailure(.internalError, "--connect is not wired yet")
    }
}
