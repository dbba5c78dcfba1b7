/// What one source gives, or several one over the other.
struct ConfigurationSettings: Sendable {
    private(set) var values: [ConfigurationPath: ConfigurationSetting] = [:]
    /// Every path with a value, in the order of first appearance.
    private(set) var order: [ConfigurationPath] = []
    /// What the user named (`clusters.main`, `routes.orders`, `topics.orders`), in the order of first appearance.
    private(set) var named: [(path: ConfigurationPath, origin: ConfigurationOrigin)] = []

    /// Where something was given that could not be used, and has been reported: nothing below is "missing".
    private(set) var failed: Set<ConfigurationPath> = []

    /// Sections that stand there without anything in them, and where.
    private(set) var empty: [ConfigurationPath: ConfigurationOrigin] = [:]

    mutating func isEmpty(_ path: ConfigurationPath, _ origin: ConfigurationOrigin) { self.empty[path] = origin }

    /// Whether something below it was given in vain.
    func hasFailedBelow(_ path: ConfigurationPath) -> Bool { self.failed.contains { $0.segments.starts(with: path.segments) } }

    mutating func fail(_ path: ConfigurationPath) {
        self.failed.insert(path)
    }

    /// Whether this, or something that it is part of, was given in vain.
    func hasFailed(_ path: ConfigurationPath) -> Bool {
        (0...path.segments.count).contains { self.failed.contains(ConfigurationPath(Array(path.segments.prefix($0)))) }
    }

    mutating func set(_ path: ConfigurationPath, _ setting: ConfigurationSetting) {
        if self.values.updateValue(setting, forKey: path) == nil { self.order.append(path) }
    }

    mutating func name(_ path: ConfigurationPath, _ origin: ConfigurationOrigin) {
        if !self.named.contains(where: { $0.path == path }) { self.named.append((path, origin)) }
    }

    /// Lays a source of higher precedence over this one. Maps are joined, everything else is replaced.
    mutating func merge(_ stronger: ConfigurationSettings) {
        for entry in stronger.named { self.name(entry.path, entry.origin) }
        self.failed.formUnion(stronger.failed)
        self.empty.merge(stronger.empty) { $1 }
        for path in stronger.order { self.set(path, stronger.values[path]!) }
    }

    /// The user's names in a section: `names(in: "routes")`.
    func names(in section: String) -> [(name: String, origin: ConfigurationOrigin)] {
        self.named.compactMap { $0.path.segments.count == 2 && $0.path.segments[0] == section ? ($0.path.segments[1], $0.origin) : nil }
    }
}
