import ForebayCore
import ForebayKafka

/// What can be wrong with the properties of one cluster, alone, together, and beside our own keys.
struct ClusterChecks {
    private let path: ConfigurationPath
    private let origin: ConfigurationOrigin
    private let settings: ConfigurationSettings
    private let values: ConfigurationValues
    private let client: [String: String]
    private let producer: [String: String]
    /// What a producer gets.
    private let together: [String: String]

    init(_ name: String, _ origin: ConfigurationOrigin, _ checks: ConfigurationChecks) {
        self.path = ConfigurationPath(["clusters", name])
        self.origin = origin
        self.settings = checks.settings
        self.values = checks.values
        self.client = checks.values.properties(["clusters", name, "properties"])
        self.producer = checks.values.properties(["clusters", name, "producer"])
        self.together = self.client.merging(self.producer) { $1 }
    }

    func check(_ checks: inout ConfigurationChecks) {
        self.sizes(&checks)
        self.lingering(&checks)
        if (self.together["bootstrap.servers"] ?? self.together["metadata.broker.list"] ?? "").isEmpty {
            // A name that was meant to be this one is told as that.
            let isMistyped = self.together.keys.contains { NearestName.of($0, among: ["bootstrap.servers"]) != nil }
            if !isMistyped, !self.hasFailed("bootstrap.servers") {
                checks.report(self.origin, self.path, "bootstrap.servers is missing; give it under properties")
            }
        }
        let isWhole = !self.hasUnread
        let found = checks.checkProperties?(self.client, self.producer) ?? []
        for problem in found where problem.property != "bootstrap.servers" || self.together["bootstrap.servers"] != nil {
            // What all together lack may be what could not be read, which has been said.
            if problem.property == nil, !isWhole { continue }
            self.report(problem, &checks)
        }
    }

    // MARK: Properties that are right, and do what nobody wants beside our own keys

    private func sizes(_ checks: inout ConfigurationChecks) {
        guard let event = self.values.number("limits", "event") else { return }
        if let most = self.together["message.max.bytes"].flatMap({ Int($0) }), most < event {
            let place = self.place("message.max.bytes")
            checks.warn(
                place.origin, place.path,
                "\(most) is less than limits.event (\(ByteCount.text(event))): larger events are accepted, and become dead letters; leave it"
                    + " out, the brokers know the limits of their topics, or lower limits.event")
        }
        if let most = self.together["queue.buffering.max.kbytes"].flatMap({ Int($0) }), most < (event + 1023) / 1024 {
            let place = self.place("queue.buffering.max.kbytes")
            checks.report(
                place.origin, place.path,
                "must be at least \((event + 1023) / 1024), found \(most): librdkafka never takes an event that is larger than all that it"
                    + " may hold, and limits.event is \(ByteCount.text(event)); leave it out, Forebay bounds what librdkafka holds")
        }
    }

    private func lingering(_ checks: inout ConfigurationChecks) {
        for name in ["linger.ms", "queue.buffering.max.ms"] {
            guard let linger = self.together[name].flatMap({ Double($0) }),
                let patience = self.values.number("delivery", "set_aside", "partition_after"), linger >= Double(patience)
            else { continue }
            let place = self.place(name)
            checks.warn(
                place.origin, place.path,
                "\(self.together[name] ?? "") ms is not less than delivery.set_aside.partition_after (\(patience) ms): a partition whose events"
                    + " only linger counts as one that stands still, and is set aside")
        }
    }

    // MARK: What librdkafka says

    private func report(_ problem: KafkaPropertyProblem, _ checks: inout ConfigurationChecks) {
        var message = problem.message
        for (property, value) in self.together where KafkaSecrets.isSecret(property) {
            message = KafkaProperties.hiding(value, in: message)
        }
        guard let property = problem.property else {
            checks.report(self.origin, self.path, message)
            return
        }
        guard let setting = self.setting(property, in: problem.section.map { [$0] } ?? ["producer", "properties"]) else {
            checks.report(self.origin, self.path, "\(property): \(message)")
            return
        }
        checks.report(setting, message)
    }

    // MARK: Where a property stands

    /// The one that counts: producer wins over properties.
    private func setting(_ property: String, in sections: [String] = ["producer", "properties"]) -> ResolvedSetting? {
        sections.lazy.compactMap { self.values.settings[self.path.appending($0).appending(property)] }.first
    }

    private func place(_ property: String) -> (origin: ConfigurationOrigin, path: ConfigurationPath) {
        self.setting(property).map { ($0.origin, $0.path) } ?? (self.origin, self.path)
    }

    /// Whether properties were given and could not be read, which has been said already.
    private var hasUnread: Bool {
        self.settings.values.keys.contains { path in
            path.segments.starts(with: self.path.segments) && self.values.settings[path] == nil
        }
    }

    /// The same of one property.
    private func hasFailed(_ property: String) -> Bool {
        ["properties", "producer"].contains { section in
            let path = self.path.appending(section).appending(property)
            return self.settings.hasFailed(path) || (self.settings.values[path] != nil && self.values.settings[path] == nil)
        }
    }
}
