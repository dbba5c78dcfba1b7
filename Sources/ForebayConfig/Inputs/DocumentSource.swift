import ForebayCore
import ForebayYAML

/// Reads one YAML file along the schema: which keys are known, whether each has the right shape, and where each stands.
struct DocumentSource {
    private let name: String
    private(set) var settings = ConfigurationSettings()
    private(set) var problems: [ConfigurationProblem] = []

    /// - Parameter name: what stands before the line in messages.
    init(name: String, document: YAMLDocument) {
        self.name = name
        self.problems = document.problems.map { ConfigurationProblem(self.origin($0.mark), .root, $0.message) }
        guard let root = document.root else {
            // After a syntax error everything is missing; to say so for every key would bury the cause.
            if !document.problems.isEmpty { self.settings.fail(.root) }
            return
        }
        self.section(root, ConfigurationTree.root, .root)
    }

    private func origin(_ mark: YAMLMark) -> ConfigurationOrigin {
        .file(name: self.name, mark: mark)
    }

    private mutating func report(_ mark: YAMLMark, _ path: ConfigurationPath, _ message: String) {
        self.problems.append(ConfigurationProblem(self.origin(mark), path, message))
        self.settings.fail(path)
    }

    private mutating func section(_ node: YAMLNode, _ tree: ConfigurationTree, _ path: ConfigurationPath) {
        if node.isNull { return }  // All below it is commented out.
        guard case .mapping(let entries) = node.content else {
            self.report(node.mark, path, "expected a map, found \(Self.shown(node))")
            return
        }
        for entry in entries {
            if let child = tree.child(entry.key) {
                self.child(entry, child, path.appending(entry.key))
            } else if let below = tree.belowNames, let names = tree.names {
                self.named(entry, below, names, path)
            } else {
                let known = tree.children.map(\.name)
                let hint = Self.unknownHint(entry.key, known: known, path: path)
                self.report(entry.keyMark, path.appending(entry.key), "unknown key\(hint)")
            }
        }
    }

    /// An entry under a name that the user picks.
    private mutating func named(
        _ entry: YAMLEntry, _ below: ConfigurationTree, _ names: ConfigurationSection.Names, _ path: ConfigurationPath
    ) {
        let here = path.appending(entry.key)
        if let problem = ConfigurationName.problem(entry.key, placeholder: names.placeholder) {
            self.report(entry.keyMark, here, problem)
            return
        }
        if names.placeholder != "<property>" { self.settings.name(here, self.origin(entry.keyMark)) }
        self.child(entry, below, here)
    }

    private mutating func child(_ entry: YAMLEntry, _ tree: ConfigurationTree, _ path: ConfigurationPath) {
        switch tree.kind {
        case .section(let section):
            if section.isWish, entry.value.isEmpty { self.settings.isEmpty(path, self.origin(entry.keyMark)) }
            self.section(entry.value, tree, path)
        case .notYet(let notYet):
            self.report(entry.keyMark, path, "not supported yet: \(notYet.documentation.withoutFullStop)")
        case .key(let key): self.value(entry, key, path)
        }
    }

    private mutating func value(_ entry: YAMLEntry, _ key: ConfigurationKey, _ path: ConfigurationPath) {
        let node = entry.value
        if node.isNull {
            self.report(
                node.mark.line == entry.keyMark.line ? node.mark : entry.keyMark, path, "has no value; expected \(key.type.expectation)")
            return
        }
        switch node.content {
        case .scalar(let scalar) where !key.type.isList:
            let setting = ConfigurationSetting(key: key, raw: .scalar(scalar.text), origin: self.origin(node.mark))
            self.keep(path, setting, entry.keyMark)
        case .sequence(let nodes) where key.type.isList:
            guard let items = self.items(nodes, key, path) else { return }
            self.keep(path, ConfigurationSetting(key: key, raw: .list(items), origin: self.origin(node.mark)), entry.keyMark)
        case .scalar, .sequence, .mapping:
            self.report(node.mark, path, "expected \(key.type.expectation), found \(Self.shown(node))")
        }
    }

    private mutating func items(_ nodes: [YAMLNode], _ key: ConfigurationKey, _ path: ConfigurationPath) -> [ConfigurationSetting.Item]? {
        var items: [ConfigurationSetting.Item] = []
        for node in nodes {
            guard case .scalar(let scalar) = node.content, !node.isNull else {
                self.report(node.mark, path, "expected \(key.type.expectation), found \(Self.shown(node)) in the list")
                return nil
            }
            items.append(ConfigurationSetting.Item(text: scalar.text, origin: self.origin(node.mark)))
        }
        return items
    }

    /// A secret and its file are two ways to give one setting.
    private mutating func keep(_ path: ConfigurationPath, _ setting: ConfigurationSetting, _ keyMark: YAMLMark) {
        let (target, kept) = setting.normalized(path)
        if self.settings.values[target] != nil {
            self.report(keyMark, path, "the secret is given twice, as \(target.segments.last!) and as \(target.segments.last!)_file")
            return
        }
        self.settings.set(target, kept)
    }

    private static func unknownHint(_ key: String, known: [String], path: ConfigurationPath) -> String {
        if let near = NearestName.of(key, among: known) { return "; did you mean \"\(near)\"?" }
        if path.segments.count == 2, path.segments[0] == "clusters", key.contains(".") {
            return "; properties of librdkafka stand under properties, producer or consumer"
        }
        return "; known here: " + known.joined(separator: ", ")
    }

    private static func shown(_ node: YAMLNode) -> String {
        switch node.content {
        case .scalar(let scalar): YAMLText.quoted(scalar.text)
        case .sequence: "a list"
        case .mapping: "a map"
        }
    }
}

extension YAMLNode {
    /// Nothing, or a map without anything in it.
    fileprivate var isEmpty: Bool {
        if case .mapping(let entries) = self.content { entries.isEmpty } else { self.isNull }
    }
}
