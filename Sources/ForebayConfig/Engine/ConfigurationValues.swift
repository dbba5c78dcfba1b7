/// All settings in force, by path. What could not be read is absent and among the problems.
struct ConfigurationValues {
    private(set) var settings: [ConfigurationPath: ResolvedSetting] = [:]

    mutating func set(_ setting: ResolvedSetting) {
        self.settings[setting.path] = setting
    }

    func setting(_ segments: String...) -> ResolvedSetting? {
        self.settings[ConfigurationPath(segments)]
    }

    func number(_ segments: String...) -> Int? {
        guard case .number(let number)? = self.settings[ConfigurationPath(segments)]?.values.first else { return nil }
        return number
    }

    func text(_ segments: String...) -> String? {
        guard case .text(let text)? = self.settings[ConfigurationPath(segments)]?.values.first else { return nil }
        return text
    }

    func address(_ segments: String...) -> ListenerAddress? {
        guard case .address(let address)? = self.settings[ConfigurationPath(segments)]?.values.first else { return nil }
        return address
    }

    func patterns(_ segments: String...) -> [TopicPattern]? {
        self.settings[ConfigurationPath(segments)]?.values.compactMap { if case .pattern(let pattern) = $0 { pattern } else { nil } }
    }

    /// The files of the secrets among the properties below a section, by property.
    func secretFiles(_ segments: [String]) -> [String: String] {
        var files: [String: String] = [:]
        for (path, setting) in self.settings where path.segments.dropLast() == segments[...] {
            files[path.segments.last!] = setting.file
        }
        return files
    }

    /// The properties below a section, by name: `clusters.main.properties`.
    func properties(_ segments: [String]) -> [String: String] {
        var properties: [String: String] = [:]
        for (path, setting) in self.settings where path.segments.dropLast() == segments[...] {
            properties[path.segments.last!] = setting.texts.first
        }
        return properties
    }
}
