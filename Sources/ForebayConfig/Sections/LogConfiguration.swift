package import ForebayTelemetry

/// What is logged, and how.
package struct LogConfiguration: Sendable, Equatable {
    package enum Format: String, Sendable { case auto, text, json }

    package var level: LogLevel
    package var format: Format
}

extension LogConfiguration: ConfigurationPart {
    static let entries: [ConfigurationEntry] = [
        .section("log", "Logs go to stderr. They never hold payloads or secrets."),
        .key("log.level", .choice(["debug", "info", "warning", "error"], notYet: []), .standard("info"), "The least that is logged."),
        .key(
            "log.format", .choice(["auto", "text", "json"], notYet: []), .standard("auto"),
            "text for people, json for machines; auto is text on a terminal and json otherwise."),
    ]

    init(_ values: ConfigurationDecoder) {
        self.init(level: values.choice("log.level"), format: values.choice("log.format"))
    }
}
