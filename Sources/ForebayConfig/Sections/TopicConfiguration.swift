import ForebayCore
import ForebayYAML

/// What is special about a topic.
package struct TopicConfiguration: Sendable, Equatable {
    package var name: String
    /// Where the key stands in a JSON event, `$.order_id`; none: events have no key of their own.
    package var key: String?
    /// At most `limits.event`, which is the default.
    package var maxEvent: Int
    /// The topic's name in Kafka.
    package var target: String
    /// Its values must be JSON, whatever a request says they are.
    package var valueIsJSON: Bool
}

extension TopicConfiguration: ConfigurationPart {
    static let entries: [ConfigurationEntry] = [
        .names("topics", of: "<topic>", example: "orders", isNeeded: false, "What is special about a topic. Optional."),
        .key(
            "topics.<topic>.key", .keyPath, .optional("no key but the one that a producer gives"), example: "$.order_id",
            "Where the key stands in a JSON event. A key that the producer gives wins."),
        .key(
            "topics.<topic>.max_event", .size(KiB...GiB), .optional("limits.event"), example: "256KiB",
            "The largest event of this topic. At most limits.event."),
        .key(
            "topics.<topic>.rename", .topic, .optional("the same name"), example: "orders.v2",
            "What the topic is called in Kafka. Counts for events from their acceptance on: what waits already, set aside or in the spool, keeps the "
                + "name that it got."),
        .key(
            "topics.<topic>.value", .choice(["any", "json"], notYet: []), .standard("any"), example: "json",
            "json: every value must be JSON, also where a request has no Content-Type that says so; key is then found in it."),
        .notYet("topics.<topic>.dedup", "Storing an event id once within a window."),
    ]

    init(_ name: String, _ values: ConfigurationDecoder) {
        let topic = values.below("topics", name)
        self.init(
            name: name, key: topic.text(ifGiven: "key"), maxEvent: topic.number(ifGiven: "max_event") ?? values.number("limits.event"),
            target: topic.text(ifGiven: "rename") ?? name, valueIsJSON: topic.text("value") == "json")
    }

    static func check(_ checks: inout ConfigurationChecks) {
        for (topic, _) in checks.settings.names(in: "topics") {
            checks.atMost(["topics", topic, "max_event"], ["limits", "event"])
            guard let setting = checks.values.setting("topics", topic, "rename"), setting.texts[0].hasPrefix("__") else { continue }
            checks.report(setting, "\(YAMLText.quoted(setting.texts[0])) is one of Kafka's own topics (its name begins with __)")
        }
        Self.taken(&checks)
    }

    private static func taken(_ checks: inout ConfigurationChecks) {
        let routes = checks.settings.names(in: "routes").map(\.name)
        // A route whose list could not be read may well take the topic.
        let lists = routes.map { checks.values.patterns("routes", $0, "topics") }
        guard !routes.isEmpty, !lists.contains(where: { $0 == nil }) else { return }
        let patterns = lists.flatMap { $0! }
        for (topic, origin) in checks.settings.names(in: "topics") where !patterns.contains(where: { $0.matches(topic) }) {
            let exact = patterns.compactMap { if case .exact(let name) = $0 { name } else { nil } }
            let hint = NearestName.hint(topic, among: exact)
            checks.report(origin, ConfigurationPath(["topics", topic]), "no route takes this topic\(hint)")
        }
    }
}
