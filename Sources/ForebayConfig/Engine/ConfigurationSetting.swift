import ForebayYAML

/// A value as it was given: text, before `${…}` is resolved and before its type is asked.
struct ConfigurationSetting: Sendable {
    enum Raw: Sendable, Equatable {
        case scalar(String)
        case list([Item])
        /// The path of a file that holds the secret (`sasl.password_file`).
        case secretFile(String)
    }

    struct Item: Sendable, Equatable {
        let text: String
        let origin: ConfigurationOrigin
    }

    let key: ConfigurationKey
    let raw: Raw
    let origin: ConfigurationOrigin
}

extension ConfigurationSetting {
    /// `sasl.password_file: PATH` is the setting `sasl.password`, its value in a file.
    func normalized(_ path: ConfigurationPath) -> (ConfigurationPath, ConfigurationSetting) {
        guard case .property = self.key.type, case .scalar(let text) = self.raw, let property = path.segments.last,
            let secret = KafkaSecrets.secret(ofFileProperty: property)
        else { return (path, self) }
        let target = ConfigurationPath(path.segments.dropLast() + [secret])
        return (target, ConfigurationSetting(key: self.key, raw: .secretFile(text), origin: self.origin))
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
