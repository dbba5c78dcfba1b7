import ForebayYAML

/// Reads `--set path=value` arguments. Values are taken as they are: the shell has had its turn.
struct OverrideSource {
    private(set) var settings = ConfigurationSettings()
    private(set) var problems: [ConfigurationProblem] = []

    init(_ arguments: [String]) {
        for argument in arguments { self.read(argument) }
    }

    private mutating func read(_ argument: String) {
        guard let equals = argument.firstIndex(of: "="), equals != argument.startIndex else {
            self.problems.append(
                ConfigurationProblem(.override(argument: argument), .root, "expected path=value, found \(YAMLText.quoted(argument))"))
            return
        }
        let (text, value) = (String(argument[..<equals]), String(argument[argument.index(after: equals)...]))
        // Only the path: an argument refused because it holds a secret must not be repeated in a message.
        let origin = ConfigurationOrigin.override(argument: text)
        let parts = Self.parts(text)
        switch ConfigurationLookup.find(parts) {
        case .key(let key, let path): self.set(key, path, value, origin)
        case .section(let path, let message), .problem(let path, let message):
            self.problems.append(ConfigurationProblem(origin, path, message))
        }
    }

    private mutating func set(_ key: ConfigurationKey, _ path: ConfigurationPath, _ value: String, _ origin: ConfigurationOrigin) {
        if case .property = key.type, let property = path.segments.last, KafkaSecrets.isSecret(property) {
            let message = "a secret on the command line can be read by everyone on this machine; give \(property)_file instead"
            self.problems.append(ConfigurationProblem(origin, path, message))
            return
        }
        switch ConfigurationSetting.fromText(value, key, origin) {
        case .success(let setting):
            let (target, kept) = setting.normalized(path)
            self.settings.set(target, kept)
            if path.segments.count > 2, ["clusters", "routes", "topics"].contains(path.segments[0]) {
                self.settings.name(ConfigurationPath(Array(path.segments.prefix(2))), origin)
            }
        case .failure(let problem): self.problems.append(ConfigurationProblem(origin, path, problem.message))
        }
    }

    /// Splits at dots, but not inside double quotes: `topics."payments.eu".key`.
    private static func parts(_ text: String) -> [String] {
        var parts: [String] = [""]
        var isQuoted = false
        for character in text {
            switch character {
            case "\"": isQuoted.toggle()
            case "." where !isQuoted: parts.append("")
            default: parts[parts.count - 1].append(character)
            }
        }
        return parts
    }
}

extension ConfigurationSetting {
    /// From the environment or the command line. A list is `a,b` or YAML's `[a, b]`.
    static func fromText(
        _ text: String, _ key: ConfigurationKey, _ origin: ConfigurationOrigin
    ) -> Result<ConfigurationSetting, ConfigurationValueProblem> {
        guard key.type.isList else { return .success(ConfigurationSetting(key: key, raw: .scalar(text), origin: origin)) }
        guard let items = Self.items(text) else {
            return .failure(ConfigurationValueProblem(message: "expected a list such as a,b or [a, b], found \(YAMLText.quoted(text))"))
        }
        let raw = Raw.list(items.map { Item(text: $0, origin: origin) })
        return .success(ConfigurationSetting(key: key, raw: raw, origin: origin))
    }

    private static func items(_ text: String) -> [String]? {
        guard text.hasPrefix("[") else {
            return text.isEmpty ? [] : text.split(separator: ",", omittingEmptySubsequences: false).map { String($0.trimmingSpaces) }
        }
        let document = YAMLDocument.parse(text)
        guard document.problems.isEmpty, case .sequence(let nodes)? = document.root?.content else { return nil }
        var items: [String] = []
        for node in nodes {
            guard case .scalar(let scalar) = node.content else { return nil }
            items.append(scalar.text)
        }
        return items
    }
}

extension Substring {
    var trimmingSpaces: Substring {
        var text = self.drop { $0 == " " }
        while text.last == " " { text.removeLast() }
        return text
    }
}
