import ForebayCore
import ForebayKafka
import ForebayYAML

/// What a cluster's properties make impossible, in words that say what to do.
package struct KafkaPropertyProblem: Sendable, Equatable {
    /// `properties` or `producer`; none where the fault lies in several together.
    package let section: String?
    package let property: String?
    package let message: String

    package init(section: String?, property: String?, message: String) {
        self.section = section
        self.property = property
        self.message = message
    }
}

/// Judges a cluster's properties: those for every client and those for producers, which win. Whoever knows librdkafka gives it.
package typealias KafkaPropertyCheck =
    @Sendable (_ properties: [String: String], _ producer: [String: String]) -> [KafkaPropertyProblem]

/// What no single key can say: sizes that must fit each other, names that must exist, patterns that must differ.
struct ConfigurationChecks {
    private let settings: ConfigurationSettings
    private let values: ConfigurationValues
    private let firstFile: ConfigurationOrigin?
    private(set) var problems: [ConfigurationProblem] = []
    /// What goes on working and should be changed.
    private(set) var warnings: [ConfigurationProblem] = []

    init(_ settings: ConfigurationSettings, _ values: ConfigurationValues, _ sources: ConfigurationSources) {
        self.settings = settings
        self.values = values
        self.firstFile = sources.files.first.map { .file(name: $0, mark: YAMLMark(line: 1, column: 1)) }
        self.dataFolder()
        self.sizes()
        self.listeners()
        self.names()
        self.routes()
        self.topics()
        self.clusters(sources.checkProperties)
    }

    private mutating func report(_ setting: ResolvedSetting, _ message: String) {
        self.problems.append(ConfigurationProblem(setting.origin, setting.path, message))
    }

    // MARK: Sizes

    /// A folder that can't be meant.
    private mutating func dataFolder() {
        guard let setting = self.values.setting("node", "data_dir"), let path = setting.texts.first else { return }
        if path.split(separator: "/").allSatisfy({ $0 == "." }), path.hasPrefix("/") {
            self.report(setting, "\(path) is the root of the file system; give a folder of its own, like /var/lib/forebay")
        } else if path == "~" || path.hasPrefix("~/") {
            self.report(setting, "nobody turns ~ into a home folder here; write the path out")
        }
    }

    private mutating func sizes() {
        self.atMost(["limits", "event"], ["limits", "body"])
        self.atMost(["limits", "body"], ["limits", "in_flight"])
        self.atMost(["delivery", "partition_window"], ["delivery", "window"])
        for (topic, _) in self.settings.names(in: "topics") {
            self.atMost(["topics", topic, "max_event"], ["limits", "event"])
        }
        if let segment = self.values.setting("buffer", "spool", "segment"), let size = self.values.number("buffer", "spool", "segment"),
            let maximum = self.values.number("buffer", "spool", "max_size"), size > maximum / 8
        {
            let (found, most) = (ByteCount.text(size), ByteCount.text(maximum / 8))
            let whole = "buffer.spool.max_size (\(ByteCount.text(maximum)))"
            self.report(segment, "\(found) is more than an eighth of \(whole); at most \(most)")
        }
        self.reserve()
        self.largestRequest()
        self.waiting()
    }

    /// Requests that wait for Kafka hold their connections: in an outage those of one address would leave none for its others.
    private mutating func waiting() {
        guard let waiting = self.values.setting("limits", "awaiting_kafka"), let most = self.values.number("limits", "awaiting_kafka"),
            let address = self.values.setting("limits", "connections_per_address"),
            let connections = self.values.number("limits", "connections_per_address"), connections > 0, most >= connections
        else { return }
        let blamed = Self.blamed(waiting, address)
        self.warnings.append(
            ConfigurationProblem(
                blamed.origin, blamed.path,
                "limits.awaiting_kafka (\(most)) is not below limits.connections_per_address (\(connections)): while Kafka is away, requests with "
                    + "ack=kafka can take all connections of their address, and its other requests get 503"))
    }

    /// What must be written for a route to go on is written from the reserve; if one event does not fit, nothing ever frees it.
    private mutating func reserve() {
        guard let setting = self.values.setting("buffer", "spool", "max_size"), let event = self.values.number("limits", "event"),
            let maximum = self.values.number("buffer", "spool", "max_size")
        else { return }
        let needed = event + (64 << 10)  // Its headers, a segment's header and footer.
        guard maximum / 20 < needed else { return }
        let least = ((needed * 20 + (1 << 20) - 1) >> 20) << 20
        self.warnings.append(
            ConfigurationProblem(
                setting.origin, setting.path,
                "5 % of it is kept for dead letters and what is set aside; that is less than one event may take (limits.event, "
                    + "\(ByteCount.text(event))), so one that Kafka refuses could hold its route up on a full disk; "
                    + "make it at least \(ByteCount.text(least)), or limits.event smaller"))
    }

    /// One that the empty spool has no room for is told to try again, for ever.
    private mutating func largestRequest() {
        guard let setting = self.values.setting("buffer", "spool", "max_size"),
            let maximum = self.values.number("buffer", "spool", "max_size"),
            let body = self.values.setting("limits", "body"), let size = self.values.number("limits", "body")
        else { return }
        let room = maximum - maximum / 20 - (64 << 10)  // Without the reserve, and a segment's header and footer.
        guard size > room else { return }
        let blamed = Self.blamed(body, setting)
        self.warnings.append(
            ConfigurationProblem(
                blamed.origin, blamed.path,
                "a request of limits.body (\(ByteCount.text(size))) never fits into buffer.spool.max_size (\(ByteCount.text(maximum)), 5 % of which is "
                    + "kept): it gets 503 for ever; make one of them fit the other"))
    }

    /// Of two settings that don't fit each other, the one to name: where the user wrote something. A default is never at fault.
    private static func blamed(_ setting: ResolvedSetting, _ other: ResolvedSetting) -> ResolvedSetting {
        if case .builtIn = setting.origin { other } else { setting }
    }

    private mutating func atMost(_ small: [String], _ large: [String]) {
        guard let left = self.values.settings[ConfigurationPath(small)], let right = self.values.settings[ConfigurationPath(large)],
            case .number(let leftSize)? = left.values.first, case .number(let rightSize)? = right.values.first, leftSize > rightSize
        else { return }
        if case .builtIn = left.origin {
            self.report(right, "\(right.texts[0]) is less than \(left.path) (\(left.texts[0]), the default); lower that too")
        } else {
            let isDefault = if case .builtIn = right.origin { ", the default" } else { "" }
            self.report(left, "\(left.texts[0]) is more than \(right.path) (\(right.texts[0])\(isDefault))")
        }
    }

    // MARK: Listeners

    private mutating func listeners() {
        for (first, second) in [("ingest", "admin"), ("ingest", "health"), ("admin", "health")] {
            guard let address = self.values.address("listeners", first, "address"), address.port != 0,
                address == self.values.address("listeners", second, "address"),
                let setting = self.values.setting("listeners", second, "address"),
                let other = self.values.setting("listeners", first, "address")
            else { continue }
            self.report(Self.blamed(setting, other), "\(address) is the address of both listeners, \(first) and \(second)")
        }
        guard let setting = self.values.setting("listeners", "admin", "address"),
            let address = self.values.address("listeners", "admin", "address"), !address.isLoopback
        else { return }
        self.warnings.append(
            ConfigurationProblem(
                setting.origin, setting.path,
                "\(address) is not loopback, and there is no authentication yet: whoever reaches it can read what is set aside and dead, and give"
                    + " up what waits; keep it on 127.0.0.1, or on an address that only operators reach"))
    }

    // MARK: Routes and topics

    private mutating func routes() {
        let routes = self.settings.names(in: "routes")
        if routes.isEmpty, !self.settings.hasFailed(ConfigurationPath(["routes"])) {
            self.problems.append(
                ConfigurationProblem(
                    self.firstFile, ConfigurationPath(["routes"]),
                    "missing; no route, no topic. For all: routes: { default: { topics: [\"*\"], forward: { to: CLUSTER } } }"
                ))
        }
        var taken: [TopicPattern: (route: String, origin: ConfigurationOrigin)] = [:]
        for (route, _) in routes {
            self.target(route)
            guard let setting = self.values.setting("routes", route, "topics"),
                let patterns = self.values.patterns("routes", route, "topics")
            else { continue }
            if patterns.isEmpty { self.report(setting, "an empty list takes no topic") }
            for (pattern, origin) in zip(patterns, setting.itemOrigins) {
                if let first = taken[pattern] {
                    let other = first.route == route ? "this route" : "route \(first.route)"
                    let message = "\(YAMLText.quoted(pattern.description)) is taken by \(other) already, at \(first.origin)"
                    self.problems.append(ConfigurationProblem(origin, setting.path, message))
                } else {
                    taken[pattern] = (route, origin)
                }
            }
        }
    }

    /// A name, today's or a former one, belongs to one route. Cursors and frames know it by its hash, so that counts too.
    private mutating func names() {
        var owners: [RouteID: (name: String, route: String)] = [:]
        for (route, origin) in self.settings.names(in: "routes") {
            let path = ConfigurationPath(["routes", route])
            // That two collide is next to impossible, and would mix them up.
            if let other = owners.updateValue((route, route), forKey: RouteID(name: route)) {
                self.problems.append(ConfigurationProblem(origin, path, "its name has the same hash as \(other.name); rename one"))
            }
            if !RouteName.isPlain(route) {
                let message = "a route's name should be of letters, digits, '_' and '-' alone; give it another, and this one under formerly"
                self.warnings.append(ConfigurationProblem(origin, path, message))
            }
        }
        for (route, _) in self.settings.names(in: "routes") {
            guard let setting = self.values.setting("routes", route, "formerly") else { continue }
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
                self.problems.append(ConfigurationProblem(origin, setting.path, message))
            }
        }
    }

    private mutating func target(_ route: String) {
        guard let setting = self.values.setting("routes", route, "forward", "to"), let cluster = setting.texts.first else { return }
        let clusters = self.settings.names(in: "clusters").map(\.name)
        guard !clusters.contains(cluster), !self.settings.hasFailed(ConfigurationPath(["clusters"])) else { return }
        let hint = NearestName.hint(cluster, among: clusters)
        let known = hint.isEmpty ? (clusters.isEmpty ? "; there are none" : "; there are " + clusters.joined(separator: ", ")) : hint
        self.report(setting, "no cluster is called \(YAMLText.quoted(cluster))\(known)")
    }

    private mutating func topics() {
        let routes = self.settings.names(in: "routes").map(\.name)
        for (topic, _) in self.settings.names(in: "topics") {
            guard let setting = self.values.setting("topics", topic, "rename"), setting.texts[0].hasPrefix("__") else { continue }
            self.report(setting, "\(YAMLText.quoted(setting.texts[0])) is one of Kafka's own topics (its name begins with __)")
        }
        // A route whose list could not be read may well take the topic.
        let lists = routes.map { self.values.patterns("routes", $0, "topics") }
        guard !routes.isEmpty, !lists.contains(where: { $0 == nil }) else { return }
        let patterns = lists.flatMap { $0! }
        for (topic, origin) in self.settings.names(in: "topics") where !patterns.contains(where: { $0.matches(topic) }) {
            let exact = patterns.compactMap { if case .exact(let name) = $0 { name } else { nil } }
            let hint = NearestName.hint(topic, among: exact)
            self.problems.append(ConfigurationProblem(origin, ConfigurationPath(["topics", topic]), "no route takes this topic\(hint)"))
        }
    }

    // MARK: Clusters

    private mutating func clusters(_ check: KafkaPropertyCheck?) {
        for (name, origin) in self.settings.names(in: "clusters") {
            let path = ConfigurationPath(["clusters", name])
            let client = self.values.properties("clusters", name, "properties")
            let producer = self.values.properties("clusters", name, "producer")
            let together = client.merging(producer) { $1 }
            let found = check?(client, producer) ?? []
            self.unfitting(together, path, origin)
            if (together["bootstrap.servers"] ?? together["metadata.broker.list"] ?? "").isEmpty {
                // A name that was meant to be this one is told as that.
                let isMistyped = together.keys.contains { NearestName.of($0, among: ["bootstrap.servers"]) != nil }
                if !isMistyped, !self.hasFailed(path, "bootstrap.servers") {
                    self.problems.append(ConfigurationProblem(origin, path, "bootstrap.servers is missing; give it under properties"))
                }
            }
            let isWhole = !self.hasUnread(path)
            for problem in found where problem.property != "bootstrap.servers" || together["bootstrap.servers"] != nil {
                // What all together lack may be what could not be read, which has been said.
                if problem.property == nil, !isWhole { continue }
                self.report(problem, path, origin, together)
            }
        }
    }

    /// Properties that are right, and do what nobody wants beside our own keys.
    private mutating func unfitting(_ properties: [String: String], _ cluster: ConfigurationPath, _ origin: ConfigurationOrigin) {
        func setting(_ property: String) -> (origin: ConfigurationOrigin, path: ConfigurationPath) {
            for section in ["producer", "properties"] {
                let path = cluster.appending(section).appending(property)
                if let found = self.values.settings[path] { return (found.origin, path) }
            }
            return (origin, cluster)
        }
        if let event = self.values.number("limits", "event"), let most = properties["message.max.bytes"].flatMap({ Int($0) }), most < event
        {
            let place = setting("message.max.bytes")
            self.warnings.append(
                ConfigurationProblem(
                    place.origin, place.path,
                    "\(most) is less than limits.event (\(ByteCount.text(event))): larger events are accepted, and become dead letters; leave it"
                        + " out, the brokers know the limits of their topics, or lower limits.event"))
        }
        if let event = self.values.number("limits", "event"), let most = properties["queue.buffering.max.kbytes"].flatMap({ Int($0) }),
            most < (event + 1023) / 1024
        {
            let place = setting("queue.buffering.max.kbytes")
            self.problems.append(
                ConfigurationProblem(
                    place.origin, place.path,
                    "must be at least \((event + 1023) / 1024), found \(most): librdkafka never takes an event that is larger than all that it"
                        + " may hold, and limits.event is \(ByteCount.text(event)); leave it out, Forebay bounds what librdkafka holds"))
        }
        for name in ["linger.ms", "queue.buffering.max.ms"] {
            guard let linger = properties[name].flatMap({ Double($0) }),
                let patience = self.values.number("delivery", "set_aside", "partition_after"), linger >= Double(patience)
            else { continue }
            let place = setting(name)
            self.warnings.append(
                ConfigurationProblem(
                    place.origin, place.path,
                    "\(properties[name] ?? "") ms is not less than delivery.set_aside.partition_after (\(patience) ms): a partition whose events"
                        + " only linger counts as one that stands still, and is set aside"))
        }
    }

    /// Whether properties of a cluster were given and could not be read, which has been said already.
    private func hasUnread(_ cluster: ConfigurationPath) -> Bool {
        self.settings.values.keys.contains { path in
            path.segments.starts(with: cluster.segments) && self.values.settings[path] == nil
        }
    }

    /// The same of one property.
    private func hasFailed(_ cluster: ConfigurationPath, _ property: String) -> Bool {
        ["properties", "producer"].contains { section in
            let path = cluster.appending(section).appending(property)
            return self.settings.hasFailed(path) || (self.settings.values[path] != nil && self.values.settings[path] == nil)
        }
    }

    private mutating func report(
        _ problem: KafkaPropertyProblem, _ cluster: ConfigurationPath, _ origin: ConfigurationOrigin, _ properties: [String: String]
    ) {
        var message = problem.message
        for (property, value) in properties where KafkaSecrets.isSecret(property) { message = KafkaProperties.hiding(value, in: message) }
        guard let property = problem.property else {
            self.problems.append(ConfigurationProblem(origin, cluster, message))
            return
        }
        for section in problem.section.map({ [$0] }) ?? ["producer", "properties"] {
            let path = cluster.appending(section).appending(property)
            guard let setting = self.values.settings[path] else { continue }
            self.problems.append(ConfigurationProblem(setting.origin, path, message))
            return
        }
        self.problems.append(ConfigurationProblem(origin, cluster, "\(property): \(message)"))
    }
}
