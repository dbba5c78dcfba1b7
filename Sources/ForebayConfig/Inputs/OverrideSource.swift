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
            if let named = ConfigurationTree.named(path) { self.settings.name(named, origin) }
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
