package import ForebayCore
import ForebayIngest
import ForebayYAML

/// Which topics go where.
package struct RouteConfiguration: Sendable, Equatable {
    package var name: String
    package var topics: [TopicPattern]
    /// Topics with unsettled events at a time.
    package var maxTopics: Int
    /// Names that it had before, whose cursors, side logs and backlog it takes over. None of them is a route, or another route's too.
    package var formerly: [String] = []
    package var forward: Forward
    package var mirror: Mirror?

    package struct Forward: Sendable, Equatable {
        /// A cluster's name.
        package var to: String
    }

    package struct Mirror: Sendable, Equatable {
        /// A cluster's name.
        package var to: String
        /// Whether what it has not delivered is kept when the spool is full.
        package var isRequired: Bool
    }
}

/// One delivery of a route to a cluster, as it is configured.
package struct DeliveryTarget: Sendable, Equatable {
    package let name: DeliveryName
    package let cluster: String
    /// Whether what it has not delivered is kept when the spool is full.
    package let isRequired: Bool
    /// What it was called before.
    package let formerly: [DeliveryName]
}

extension ForebayConfiguration {
    /// Of all routes, in their order.
    package var deliveries: [DeliveryTarget] { self.routes.flatMap(\.deliveries) }
}

extension RouteConfiguration {
    /// All that it has; the forward first.
    package var deliveries: [DeliveryTarget] {
        [self.target(.forward, self.forward.to, isRequired: true)]
            + (self.mirror.map { [self.target(.mirror, $0.to, isRequired: $0.isRequired)] } ?? [])
    }

    private func target(_ stage: DeliveryName.Stage, _ cluster: String, isRequired: Bool) -> DeliveryTarget {
        DeliveryTarget(
            name: DeliveryName(stage, of: self.name), cluster: cluster, isRequired: isRequired,
            formerly: self.formerly.map { DeliveryName(stage, of: $0) })
    }
}

extension RouteConfiguration: ConfigurationPart {
    static let entries: [ConfigurationEntry] = [
        .names(
            "routes", of: "<name>", example: "default", isNeeded: true,
            "Which topics go where, by names of your own. An exact topic beats the longest prefix, which beats \"*\"; two routes can't "
                + "have the same. A route's name (letters, digits, '_', '-', at most 64) stands in its cursor on disk, so a renamed route is a new "
                + "one, unless formerly says what it was called."),
        .key(
            "routes.<name>.topics", .topicPatterns, .required, example: "[\"*\"]",
            "Topics, prefixes such as \"payments.*\", or \"*\" for all the rest. A topic that no route takes is answered 404."),
        .key(
            "routes.<name>.max_topics", .integer(1...1_000_000), .standard("10000"),
            "The most topics that may have events which are neither delivered nor dead letters, on this node since its start, with those that are "
                + "set aside from before. An event for one more gets 429; nothing of its request is stored."),
        .section("routes.<name>.forward", "Delivery in order."),
        .key("routes.<name>.forward.to", .reference(to: "clusters"), .required, example: "main", "The cluster that gets the events."),
        .section(
            "routes.<name>.mirror", isWish: true,
            "A copy in a backup cluster, in order, at a pace of its own: it never holds up the main one."),
        .key(
            "routes.<name>.mirror.to", .reference(to: "clusters"), .optional("no mirror"), example: "backup",
            "The cluster that gets the copy; another one than forward.to. A mirror that is new to a route begins with what is accepted from then "
                + "on."),
        .key(
            "routes.<name>.mirror.required", .choice(["true", "false"], notYet: []), .optional("true"), example: "false",
            "true: what the mirror has not delivered is kept, also when the spool is full, and then new events are refused. false: then the oldest "
                + "of it is let go, counted in forebay_released_events_total and told in the log."),
        .key(
            "routes.<name>.formerly", .routeNames, .optional("none"), example: "[purchases]",
            "Names that this route had before: it takes over what they left, their backlog, what is set aside and dead letters. Each name goes to "
                + "one route, and none of them may be a route still."),
        .notYet("routes.<name>.forward.fallback", "A second cluster for when the first is down."),
        .notYet("routes.<name>.forward.breaker", "When to turn to the fallback."),
        .notYet("routes.<name>.archive", "A copy as Parquet files."),
    ]

    init(_ name: String, _ values: ConfigurationDecoder) {
        let route = values.below("routes", name)
        self.init(
            name: name, topics: route.patterns("topics"), maxTopics: route.number("max_topics"), formerly: route.texts("formerly"),
            forward: Forward(to: route.text("forward.to")),
            mirror: route.text(ifGiven: "mirror.to").map {
                Mirror(to: $0, isRequired: route.text(ifGiven: "mirror.required") != "false")
            })
    }

    static func check(_ checks: inout ConfigurationChecks) {
        Self.names(&checks)
        let routes = checks.settings.names(in: "routes")
        let section = ConfigurationPath(["routes"])
        if routes.isEmpty, !checks.settings.hasFailed(section), !checks.settings.hasFailedBelow(section) {
            checks.report(
                checks.firstFile, ConfigurationPath(["routes"]),
                "missing; no route, no topic. For all: routes: { default: { topics: [\"*\"], forward: { to: CLUSTER } } }")
        }
        var taken: [TopicPattern: (route: String, origin: ConfigurationOrigin)] = [:]
        for (route, _) in routes {
            Self.target(route, "forward", &checks)
            Self.target(route, "mirror", &checks)
            Self.mirror(route, &checks)
            guard let setting = checks.values.setting("routes", route, "topics"),
                let patterns = checks.values.patterns("routes", route, "topics")
            else { continue }
            if patterns.isEmpty { checks.report(setting, "an empty list takes no topic") }
            for (pattern, origin) in zip(patterns, setting.itemOrigins) {
                if let first = taken[pattern] {
                    let other = first.route == route ? "this route" : "route \(first.route)"
                    let message = "\(YAMLText.quoted(pattern.description)) is taken by \(other) already, at \(first.origin)"
                    checks.report(origin, setting.path, message)
                } else {
                    taken[pattern] = (route, origin)
                }
            }
        }
    }

    /// A name, today's or a former one, belongs to one route. Cursors and frames know it by its hash, so that counts too.
    private static func names(_ checks: inout ConfigurationChecks) {
        var owners: [RouteID: (name: String, route: String)] = [:]
        for (route, origin) in checks.settings.names(in: "routes") {
            let path = ConfigurationPath(["routes", route])
            // That two collide is next to impossible, and would mix them up.
            if let other = owners.updateValue((route, route), forKey: RouteID(name: route)) {
                checks.report(origin, path, "its name has the same hash as \(other.name); rename one")
            }
            if !Self.isPlain(route) {
                let message = "a route's name should be of letters, digits, '_' and '-' alone; give it another, and this one under formerly"
                checks.warn(origin, path, message)
            }
        }
        for (route, _) in checks.settings.names(in: "routes") {
            guard let setting = checks.values.setting("routes", route, "formerly") else { continue }
            for (name, origin) in zip(setting.texts, setting.itemOrigins) {
                guard let other = owners.updateValue((name, route), forKey: RouteID(name: name)) else { continue }
                let message =
                    if other.name != name {
                        "\(YAMLText.quoted(name)) has the same hash as \(other.name), so what they left can't be told apart"
                    } else if other.route == name {
                        "\(YAMLText.quoted(name)) is a route still; rename that one first, or take it out"
                    } else if other.route == route {
                        "\(YAMLText.quoted(name)) stands here twice"
                    } else {
                        "\(YAMLText.quoted(name)) is taken over by route \(other.route) already"
                    }
                checks.report(origin, setting.path, message)
            }
        }
    }

    /// Names with a dot exist from earlier versions: they are folders and labels all the same, so they go on.
    private static func isPlain(_ name: String) -> Bool { TopicName.hasValidCharacters(name) && !name.utf8.contains(UInt8(ascii: ".")) }

    private static func target(_ route: String, _ stage: String, _ checks: inout ConfigurationChecks) {
        guard let setting = checks.values.setting("routes", route, stage, "to"), let cluster = setting.texts.first else { return }
        let clusters = checks.settings.names(in: "clusters").map(\.name)
        guard !clusters.contains(cluster), !checks.settings.hasFailed(ConfigurationPath(["clusters"])) else { return }
        let hint = NearestName.hint(cluster, among: clusters)
        let known = hint.isEmpty ? (clusters.isEmpty ? "; there are none" : "; there are " + clusters.joined(separator: ", ")) : hint
        checks.report(setting, "no cluster is called \(YAMLText.quoted(cluster))\(known)")
    }

    private static func mirror(_ route: String, _ checks: inout ConfigurationChecks) {
        guard let to = checks.values.setting("routes", route, "mirror", "to") else {
            let path = ConfigurationPath(["routes", route, "mirror"])
            guard !checks.settings.hasFailed(path.appending("to")) else { return }
            if let required = checks.values.setting("routes", route, "mirror", "required") {
                checks.report(required, "a mirror needs a cluster; give it under to")
            } else if let origin = checks.settings.empty[path] {
                checks.report(origin, path, "a mirror needs a cluster; give it under to, or leave mirror out")
            }
            return
        }
        guard let cluster = to.texts.first, cluster == checks.values.text("routes", route, "forward", "to") else { return }
        checks.report(to, "\(YAMLText.quoted(cluster)) gets the route's events already, by forward.to; a mirror is another cluster")
    }
}
