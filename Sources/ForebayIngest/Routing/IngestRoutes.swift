package import ForebayCore

/// Which route a topic takes: an exact name beats the longest prefix, which beats `*`.
package struct IngestRoutes {
    private struct Prefix {
        let bytes: [UInt8]
        let route: Int
    }

    /// In the order of the configuration.
    let names: [String]
    let ids: [RouteID]
    private var exact: [String: Int] = [:]
    /// The longest first; `*` is the empty one.
    private var prefixes: [Prefix] = []
    private let topics: [String: IngestConfiguration.Topic]
    private let maximumEvent: Int
    private let seed = UInt64.random(in: .min ... .max)
    private var table = TopicTable()

    /// - Throws: `configurationInvalid` for equal patterns, two routes with one stable id, and what is no pattern or topic name.
    package init(_ configuration: IngestConfiguration) throws(ForebayError) {
        self.names = configuration.routes.map(\.name)
        self.ids = self.names.map(RouteID.init(name:))
        self.topics = configuration.topics
        self.maximumEvent = configuration.limits.event
        if Set(self.ids).count != self.ids.count { throw Self.invalid("two routes have the same id: \(self.names)") }
        for (index, route) in configuration.routes.enumerated() {
            for pattern in route.topics { try self.add(pattern, route: index, name: route.name) }
        }
        self.prefixes.sort { $0.bytes.count > $1.bytes.count }
        for (name, topic) in configuration.topics {
            for name in [name, topic.rename].compactMap({ $0 }) where !TopicName.isValid(name) {
                throw Self.invalid("\(name) is no topic name")
            }
        }
    }

    private mutating func add(_ pattern: String, route: Int, name: String) throws(ForebayError) {
        if pattern.hasSuffix("*") {
            let prefix = Array(pattern.utf8.dropLast())
            if let other = self.prefixes.first(where: { $0.bytes == prefix }) {
                throw Self.invalid("the routes \(self.names[other.route]) and \(name) have the same pattern \(pattern)")
            }
            guard prefix.allSatisfy(TopicName.isAllowed), prefix.count < TopicName.maximumLength else {
                throw Self.invalid("\(pattern) is no pattern for topics")
            }
            self.prefixes.append(Prefix(bytes: prefix, route: route))
        } else {
            if let other = self.exact[pattern] {
                throw Self.invalid("the routes \(self.names[other]) and \(name) have the same pattern \(pattern)")
            }
            guard TopicName.isValid(pattern) else { throw Self.invalid("\(pattern) is no topic name") }
            self.exact[pattern] = route
        }
    }

    private static func invalid(_ message: String) -> ForebayError {
        ForebayError(.configurationInvalid, recovery: .stop, message)
    }

    /// - Throws: 400 for what can't be a topic's name, 403 for Kafka's own topics, 404 where no route takes it.
    mutating func target(for name: UnsafeRawBufferPointer) throws(Refusal) -> TopicTarget {
        let hash = TopicTable.hash(name, seed: self.seed)
        if let known = self.table.find(name, hash: hash) { return known }
        guard TopicName.isValid(name) else {
            throw Refusal(
                .invalidTopic,
                name.isEmpty ? "no topic" : "\(name.text()) is no topic name: 1 to 249 of a-z A-Z 0-9 . _ -, and not . or ..")
        }
        if TopicName.isReserved(name) {
            throw Refusal(.reservedTopic, "\(name.text(limit: 249)) is one of Kafka's own: topics whose name begins with __ take no events")
        }
        guard let route = self.route(of: name) else { throw Refusal(.noRoute, "no route takes the topic \(name.text(limit: 249))") }
        let text = String(decoding: name, as: UTF8.self)
        let target = TopicTarget(name: name, hash: hash, route: route, topic: self.topics[text], maximumEvent: self.maximumEvent)
        self.table.insert(target)
        return target
    }

    private func route(of name: UnsafeRawBufferPointer) -> Int? {
        if let route = self.exact[String(decoding: name, as: UTF8.self)] { return route }
        return self.prefixes.first { name.count >= $0.bytes.count && name.slice(0..<$0.bytes.count).equals($0.bytes) }?.route
    }
}
