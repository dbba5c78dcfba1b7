import ForebayCore

/// Finds the key that a dotted path means. A user's own names may have dots in them, so one name may take several parts.
enum ConfigurationLookup {
    enum Found {
        case key(ConfigurationKey, ConfigurationPath)
        case section(ConfigurationPath, String)
        case problem(ConfigurationPath, String)
    }

    static func find(_ parts: [String]) -> Found {
        let parts = parts[...]
        return Self.match(parts, ConfigurationTree.root, .root) ?? Self.unknown(parts, ConfigurationTree.root, .root)
    }

    private static func match(_ parts: ArraySlice<String>, _ tree: ConfigurationTree, _ path: ConfigurationPath) -> Found? {
        if case .notYet(let notYet) = tree.kind {
            return .problem(path, "not supported yet: \(notYet.documentation.withoutFullStop)")
        }
        guard let first = parts.first else { return Self.end(tree, path) }
        if let child = tree.child(first) { return Self.match(parts.dropFirst(), child, path.appending(first)) }
        guard let below = tree.belowNames, let names = tree.names else { return nil }
        // The shortest name first; a property is always all that is left.
        let shortest = names.placeholder == "<property>" ? parts.count : 1
        for count in shortest...parts.count {
            let name = parts.prefix(count).joined(separator: ".")
            guard ConfigurationName.problem(name, placeholder: names.placeholder) == nil else { continue }
            let found = Self.match(parts.dropFirst(count), below, path.appending(name))
            // All the rest as one name is a bad reading of a path that was meant to go deeper.
            if case .section? = found, parts.count > 1 { continue }
            if let found { return found }
        }
        return nil
    }

    private static func end(_ tree: ConfigurationTree, _ path: ConfigurationPath) -> Found? {
        switch tree.kind {
        case .key(let key): return .key(key, path)
        case .notYet: return nil
        case .section:
            let keys = tree.children.map(\.name)
            return .section(path, "is a section; give the path of a key" + (keys.isEmpty ? "" : ", one of " + keys.joined(separator: ", ")))
        }
    }

    /// Says where the path leaves the tree.
    private static func unknown(_ parts: ArraySlice<String>, _ tree: ConfigurationTree, _ path: ConfigurationPath) -> Found {
        guard let first = parts.first else { return .problem(path, "unknown key") }
        if let child = tree.child(first) { return Self.unknown(parts.dropFirst(), child, path.appending(first)) }
        if let below = tree.belowNames, tree.names?.placeholder != "<property>", parts.count > 1, below.belowNames == nil {
            return Self.unknown(parts.dropFirst(), below, path.appending(first))
        }
        let known = tree.children.map(\.name)
        let here = ConfigurationPath(path.segments + parts)
        if let near = NearestName.of(first, among: known) { return .problem(here, "unknown key; did you mean \"\(near)\"?") }
        return .problem(here, known.isEmpty ? "unknown key" : "unknown key; known here: " + known.joined(separator: ", "))
    }
}
