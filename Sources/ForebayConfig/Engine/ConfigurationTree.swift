/// The table of keys as the tree that a document is walked along.
struct ConfigurationTree: Sendable {
    enum Kind: Sendable {
        case section(ConfigurationSection)
        case key(ConfigurationKey)
        case notYet(ConfigurationNotYet)
    }

    let kind: Kind
    /// In the table's order.
    private(set) var children: [(name: String, tree: ConfigurationTree)] = []
    /// Below a name of the user's choice.
    private var named: [ConfigurationTree] = []

    static let root: ConfigurationTree = {
        let document = ConfigurationSection(pattern: [], documentation: "", names: nil)
        var root = ConfigurationTree(kind: .section(document))
        for entry in ForebayConfiguration.entries { root.insert(entry, entry.pattern[...]) }
        return root
    }()

    private init(kind: Kind) {
        self.kind = kind
    }

    private init(_ entry: ConfigurationEntry) {
        switch entry {
        case .section(let section): self.init(kind: .section(section))
        case .key(let key): self.init(kind: .key(key))
        case .notYet(let notYet): self.init(kind: .notYet(notYet))
        }
    }

    private mutating func insert(_ entry: ConfigurationEntry, _ rest: ArraySlice<String>) {
        let (first, deeper) = (rest.first!, rest.dropFirst())
        if first.hasPrefix("<") {
            if self.named.isEmpty {
                let section = ConfigurationSection(pattern: entry.pattern.dropLast(deeper.count), documentation: "", names: nil)
                self.named = [deeper.isEmpty ? ConfigurationTree(entry) : ConfigurationTree(kind: .section(section))]
            }
            if !deeper.isEmpty { self.named[0].insert(entry, deeper) }
        } else if let index = self.children.firstIndex(where: { $0.name == first }) {
            precondition(!deeper.isEmpty, "\(entry.pattern) stands in the schema twice")
            self.children[index].tree.insert(entry, deeper)
        } else {
            precondition(deeper.isEmpty, "the section of \(entry.pattern) must stand in the schema before it")
            self.children.append((first, ConfigurationTree(entry)))
        }
    }

    /// What stands below any name that the user picks, where names are the user's.
    var belowNames: ConfigurationTree? { self.named.first }

    var names: ConfigurationSection.Names? {
        if case .section(let section) = self.kind { section.names } else { nil }
    }

    func child(_ name: String) -> ConfigurationTree? {
        self.children.first { $0.name == name }?.tree
    }

    /// What the user named, of a key's path below it: `routes.orders` of `routes.orders.topics`.
    static func named(_ path: ConfigurationPath) -> ConfigurationPath? {
        guard path.segments.count > 2, Self.root.child(path.segments[0])?.names != nil else { return nil }
        return ConfigurationPath(Array(path.segments.prefix(2)))
    }

    /// The key at a path that is known to be one.
    static func key(at path: ConfigurationPath) -> ConfigurationKey? {
        var tree = Self.root
        for segment in path.segments {
            guard let next = tree.child(segment) ?? tree.belowNames else { return nil }
            tree = next
        }
        if case .key(let key) = tree.kind { return key }
        return nil
    }
}

extension ConfigurationTree {
    var isKeyOrNotYet: Bool {
        switch self.kind {
        case .key, .notYet: true
        case .section: false
        }
    }
}
