import ForebayCore
import ForebayYAML

/// Reads the environment: `FOREBAY_` and the path in upper snake case, `FOREBAY_LIMITS_BODY` for `limits.body`.
///
/// A variable can't say where a name's dots and dashes were, so a user's names are found among those that the files have; a name that no
/// file has is taken in lower case. Of a librdkafka property each `_` is a dot. Values are taken as they are.
struct EnvironmentSource {
    static let prefix = "FOREBAY_"

    private(set) var settings = ConfigurationSettings()
    private(set) var problems: [ConfigurationProblem] = []
    /// The names that the files have, by section.
    private let declared: [ConfigurationPath]

    init(_ environment: [String: String], declared: ConfigurationSettings) {
        self.declared = declared.named.map(\.path)
        for (variable, value) in environment.sorted(by: { $0.key < $1.key }) where variable.hasPrefix(Self.prefix) {
            let rest = String(variable.dropFirst(Self.prefix.count))
            if Self.isServiceLink(rest) || Self.isIgnored(rest) { continue }
            self.read(variable, rest, value)
        }
    }

    /// The variable for a path, for messages and the reference.
    static func variable(_ segments: [String]) -> String {
        self.prefix + segments.map(self.upperSnake).joined(separator: "_")
    }

    private mutating func read(_ variable: String, _ rest: String, _ value: String) {
        let origin = ConfigurationOrigin.environment(variable: variable)
        let found = self.matches(rest[...], ConfigurationTree.root, .root)
        // A name that a file has is a better reading than one that would be new.
        let best = found.filter { self.isDeclared($0.path) }
        let candidates = best.isEmpty ? Array(found.prefix(1)) : best
        guard let match = candidates.first else {
            self.problems.append(ConfigurationProblem(origin, .root, "no key has this variable\(Self.hint(variable))"))
            return
        }
        if candidates.count > 1 {
            let paths = candidates.map(\.path.description).joined(separator: " and ")
            self.problems.append(ConfigurationProblem(origin, .root, "means \(paths); give it in a file or by --set"))
            return
        }
        switch match.tree.kind {
        case .notYet(let notYet):
            self.problems.append(ConfigurationProblem(origin, match.path, "not supported yet: \(notYet.documentation.withoutFullStop)"))
        case .section: self.problems.append(ConfigurationProblem(origin, match.path, "is a section; give one of its keys"))
        case .key(let key): self.keep(value, key, match.path, origin)
        }
    }

    private mutating func keep(_ value: String, _ key: ConfigurationKey, _ path: ConfigurationPath, _ origin: ConfigurationOrigin) {
        switch ConfigurationSetting.fromText(value, key, origin) {
        case .failure(let problem): self.problems.append(ConfigurationProblem(origin, path, problem.message))
        case .success(let setting):
            let (target, kept) = setting.normalized(path)
            if self.settings.values[target] != nil {
                self.problems.append(ConfigurationProblem(origin, target, "the secret is given twice, as a value and as a file"))
                return
            }
            self.settings.set(target, kept)
            if let named = ConfigurationTree.named(path) { self.settings.name(named, origin) }
        }
    }

    private func isDeclared(_ path: ConfigurationPath) -> Bool {
        ConfigurationTree.named(path).map(self.declared.contains) ?? false
    }

    /// Every reading of the rest of a variable's name.
    private func matches(_ rest: Substring, _ tree: ConfigurationTree, _ path: ConfigurationPath) -> [(
        tree: ConfigurationTree, path: ConfigurationPath
    )] {
        if case .notYet = tree.kind { return [(tree, path)] }
        if rest.isEmpty { return [(tree, path)] }
        var found: [(tree: ConfigurationTree, path: ConfigurationPath)] = []
        for child in tree.children {
            let word = Self.upperSnake(child.name)
            guard rest == word || rest.hasPrefix(word + "_") else { continue }
            found += self.matches(rest.dropFirst(word.count + 1), child.tree, path.appending(child.name))
        }
        guard let below = tree.belowNames, let names = tree.names else { return found }
        if names.placeholder == "<property>" {
            return found + [(below, path.appending(Self.property(rest)))]
        }
        for end in rest.indices where rest[end] == "_" && end != rest.startIndex {
            for name in self.names(rest[..<end], path) {
                found += self.matches(rest[rest.index(after: end)...], below, path.appending(name)).filter { $0.tree.isKeyOrNotYet }
            }
        }
        return found
    }

    /// The declared names that a piece of a variable may stand for; else the piece in lower case.
    private func names(_ piece: Substring, _ path: ConfigurationPath) -> [String] {
        let known = self.declared.filter { $0.segments.count == path.segments.count + 1 && $0.segments.starts(with: path.segments) }
        let names = known.map { $0.segments.last! }.filter { Self.upperSnake($0) == piece }
        return names.isEmpty ? [piece.lowercased()] : names
    }

    private static func property(_ rest: Substring) -> String {
        let dotted = rest.lowercased().map { $0 == "_" ? "." : String($0) }.joined()
        // SASL_PASSWORD_FILE is sasl.password_file.
        let file = dotted.hasSuffix(".file") ? dotted.dropLast(5) + "_file" : dotted
        return KafkaSecrets.secret(ofFileProperty: file) == nil ? dotted : file
    }

    static func upperSnake(_ name: String) -> String {
        String(name.uppercased().map { $0 == "." || $0 == "-" ? "_" : $0 })
    }

    /// Kubernetes puts these into every pod of a namespace that has a service called `forebay` or `forebay-…`.
    private static func isServiceLink(_ rest: String) -> Bool {
        let parts = rest.split(separator: "_", omittingEmptySubsequences: false)
        for index in parts.indices {
            let tail = parts[index...]
            switch tail.first {
            case "SERVICE" where tail.dropFirst().first == "HOST" && tail.count == 2: return true
            case "SERVICE" where tail.dropFirst().first == "PORT": return true
            case "PORT" where tail.count == 1: return true
            case "PORT" where tail.dropFirst().first.map { Int($0) != nil } == true: return true
            default: continue
            }
        }
        return false
    }

    /// `FOREBAY_VERSION` stands in many an image as the program's version.
    private static func isIgnored(_ rest: String) -> Bool {
        ForebayConfiguration.entries.contains { entry in
            guard case .key(let key) = entry, !key.takesEnvironment else { return false }
            return key.pattern.map(Self.upperSnake).joined(separator: "_") == rest
        }
    }

    private static func hint(_ variable: String) -> String {
        let plain = ForebayConfiguration.entries.compactMap { entry -> String? in
            guard case .key(let key) = entry, key.takesEnvironment, !key.pattern.contains(where: { $0.hasPrefix("<") }) else { return nil }
            return Self.variable(key.pattern)
        }
        return NearestName.hint(variable, among: plain)
    }
}
