/// How a node ends.
package struct ShutdownConfiguration: Sendable, Equatable {
    package var timeoutMilliseconds: Int
}

extension ShutdownConfiguration: ConfigurationPart {
    static let entries: [ConfigurationEntry] = [
        .section(
            "shutdown",
            "SIGTERM: finish what is in flight, sync, exit 0. A second signal exits at once; nothing durable is lost either way."),
        .key(
            "shutdown.timeout", .duration(100...hour), .standard("25s"),
            "The longest that this may take. Keep it below the supervisor's own patience (Kubernetes: 30 s)."),
    ]

    init(_ values: ConfigurationDecoder) {
        self.init(timeoutMilliseconds: values.number("shutdown.timeout"))
    }
}
