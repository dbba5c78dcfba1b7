/// The schema's table as the tree that a document is walked along.
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
        for entry in ConfigurationSchema.entries { root.insert(entry, entry.pattern[...]) }
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

/// What names a user may pick.
enum ConfigurationName {
    /// - Returns: what is wrong with it, or none.
    static func problem(_ name: String, placeholder: String) -> String? {
        switch placeholder {
        case "<topic>":
            TopicName.isValid(name) ? nil : "not a topic's name (letters, digits, '.', '_', '-', at most 249)"
        case "<property>":
            name.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F } ? nil : "not a property's name"
        default:
            // Names of routes are names of folders, where these two mean other folders.
            TopicName.hasValidCharacters(name) && name.utf8.count <= 64 && name != "." && name != ".."
                ? nil : "not a name (letters, digits, '_', '-', at most 64)"
        }
    }
}
