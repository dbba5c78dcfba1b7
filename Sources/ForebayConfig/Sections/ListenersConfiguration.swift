/// Where this node listens.
package struct ListenersConfiguration: Sendable, Equatable {
    package var ingest: Listener
    package var admin: Listener
    /// Whether the ingest listener answers the probes too.
    package var ingestProbes = false
    /// What the admin listener may be called, beside addresses and `localhost`.
    package var adminNames: [String] = []
    package var health: Health?

    package struct Listener: Sendable, Equatable {
        package var address: ListenerAddress
    }

    /// A listener for probes alone.
    package struct Health: Sendable, Equatable {
        package var address: ListenerAddress
        package var hasMetrics: Bool
    }
}

extension ListenersConfiguration: ConfigurationPart {
    static let entries: [ConfigurationEntry] = [
        .section("listeners", "Where this node listens: a numeric address and a port, IPv6 in brackets."),
        .section("listeners.ingest", "For producers."),
        .key("listeners.ingest.address", .address, .standard("127.0.0.1:8080"), "Where events are posted."),
        .key(
            "listeners.ingest.probes", .choice(["true", "false"], notYet: []), .standard("false"),
            "true: /livez, /readyz and /startupz are answered here too, for load balancers that probe the port they send to."),
        .notYet("listeners.ingest.tls", "TLS for producers."),
        .section("listeners.admin", "For operators and their tools."),
        .key(
            "listeners.admin.address", .address, .standard("127.0.0.1:8081"),
            "Health, metrics and the admin API. It has no authentication yet, so keep it on an address that only operators reach."),
        .key(
            "listeners.admin.names", .hostNames, .optional("none"), example: "[\"forebay.internal\"]",
            "Names by which this listener is asked, beside addresses and localhost. A request whose Host is another name gets 403: a web page "
                + "could have been given that name."),
        .notYet("listeners.admin.tls", "TLS for operators."),
        .section("listeners.health", "For probes alone: /livez, /readyz and /startupz, on an address that they reach."),
        .key("listeners.health.address", .address, .optional("no such listener"), example: "0.0.0.0:8082", "Where probes are answered."),
        .key(
            "listeners.health.metrics", .choice(["true", "false"], notYet: []), .standard("false"),
            "true: /metrics is answered here too."),
        .notYet("auth", "Who may send what."),
    ]

    init(_ values: ConfigurationDecoder) {
        self.init(
            ingest: Listener(address: values.address("listeners.ingest.address")),
            admin: Listener(address: values.address("listeners.admin.address")),
            ingestProbes: values.flag("listeners.ingest.probes"), adminNames: values.texts("listeners.admin.names"),
            health: values.address(ifGiven: "listeners.health.address").map {
                Health(address: $0, hasMetrics: values.flag("listeners.health.metrics"))
            })
    }

    static func check(_ checks: inout ConfigurationChecks) {
        for (first, second) in [("ingest", "admin"), ("ingest", "health"), ("admin", "health")] {
            guard let address = checks.values.address("listeners", first, "address"), address.port != 0,
                address == checks.values.address("listeners", second, "address"),
                let setting = checks.values.setting("listeners", second, "address"),
                let other = checks.values.setting("listeners", first, "address")
            else { continue }
            let blamed = ConfigurationChecks.blamed(setting, other)
            checks.report(blamed, "\(address) is the address of both listeners, \(first) and \(second)")
        }
        guard let setting = checks.values.setting("listeners", "admin", "address"),
            let address = checks.values.address("listeners", "admin", "address"), !address.isLoopback
        else { return }
        checks.warn(
            setting,
            "\(address) is not loopback, and there is no authentication yet: whoever reaches it can read what is set aside and dead, and give"
                + " up what waits; keep it on 127.0.0.1, or on an address that only operators reach")
    }
}
