import ForebayYAML

/// Turns what was given into what is in force: interpolation, secrets from files, types, defaults, and what is missing.
struct ConfigurationResolver {
    private let settings: ConfigurationSettings
    private let sources: ConfigurationSources
    private let interpolation: Interpolation
    private(set) var values = ConfigurationValues()
    private(set) var problems: [ConfigurationProblem] = []

    init(_ settings: ConfigurationSettings, _ sources: ConfigurationSources) {
        self.settings = settings
        self.sources = sources
        self.interpolation = Interpolation(environment: sources.environment) { path throws(ConfigurationValueProblem) in
            try ConfigurationFile.text(try sources.readFile(path), path: path)
        }
        for path in settings.order { self.resolve(path, settings.values[path]!) }
        for entry in ForebayConfiguration.entries {
            if case .key(let key) = entry { self.complete(key) }
        }
    }

    private mutating func resolve(_ path: ConfigurationPath, _ setting: ConfigurationSetting) {
        switch setting.raw {
        case .scalar(let text): self.keep(path, setting, [ConfigurationSetting.Item(text: text, origin: setting.origin)])
        case .list(let items): self.keep(path, setting, items)
        case .secretFile(let file):
            let origin = setting.origin
            do throws(ConfigurationValueProblem) {
                let name = self.isInterpolated(origin) ? try self.interpolation.resolve(file) : file
                let text = try self.interpolation.readText(name)
                guard !text.isEmpty else { throw ConfigurationValueProblem(message: "\(name) is empty") }
                self.keep(path, setting, texts: [text], [.text(text)], [origin], file: name)
            } catch {
                // As it was written.
                let given = ConfigurationPath(path.segments.dropLast() + [path.segments.last! + KafkaSecrets.fileSuffix])
                self.problems.append(ConfigurationProblem(origin, given, error.message))
            }
        }
    }

    private mutating func keep(_ path: ConfigurationPath, _ setting: ConfigurationSetting, _ items: [ConfigurationSetting.Item]) {
        var (texts, values): ([String], [ConfigurationValue]) = ([], [])
        for item in items {
            do throws(ConfigurationValueProblem) {
                let text = self.isInterpolated(item.origin) ? try self.interpolation.resolve(item.text) : item.text
                values.append(try setting.key.type.parse(text))
                texts.append(text)
            } catch {
                self.problems.append(ConfigurationProblem(item.origin, path, error.message))
            }
        }
        guard values.count == items.count else { return }
        self.keep(path, setting, texts: texts, values, items.map(\.origin))
    }

    private mutating func keep(
        _ path: ConfigurationPath, _ setting: ConfigurationSetting, texts: [String], _ values: [ConfigurationValue],
        _ origins: [ConfigurationOrigin], file: String? = nil
    ) {
        self.values.set(
            ResolvedSetting(
                path: path, key: setting.key, origin: setting.origin, texts: texts, values: values, itemOrigins: origins,
                given: setting.raw,
                file: file))
    }

    /// Only files: the shell has had its turn on everything else, and a password in a variable is taken as it is.
    private func isInterpolated(_ origin: ConfigurationOrigin) -> Bool {
        if case .file = origin { true } else { false }
    }

    /// Defaults, and complaints about what is required, for every place that the key has.
    private mutating func complete(_ key: ConfigurationKey) {
        guard let placeholder = key.pattern.firstIndex(where: { $0.hasPrefix("<") }) else {
            self.complete(key, ConfigurationPath(key.pattern), owner: nil)
            return
        }
        guard key.pattern.last != "<property>" else { return }
        for (name, origin) in self.settings.names(in: key.pattern[0]) {
            var segments = key.pattern
            segments[placeholder] = name
            self.complete(key, ConfigurationPath(segments), owner: origin)
        }
    }

    private mutating func complete(_ key: ConfigurationKey, _ path: ConfigurationPath, owner: ConfigurationOrigin?) {
        guard self.settings.values[path] == nil, !self.settings.hasFailed(path) else { return }
        switch key.presence {
        case .optional: return
        case .standard(let text): self.standard(key, path, text)
        case .computed(_, let computation): self.standard(key, path, computation.value(self.sources.hostName, self.values))
        case .required:
            let origin =
                owner ?? self.sources.files.first.map { .file(name: ConfigurationSources.shown($0), mark: YAMLMark(line: 1, column: 1)) }
            self.problems.append(ConfigurationProblem(origin, path, "missing; expected \(key.type.expectation)"))
        }
    }

    private mutating func standard(_ key: ConfigurationKey, _ path: ConfigurationPath, _ text: String) {
        // A default that its own type refuses is our mistake; tests load all of them. A computed one depends on the machine.
        guard let value = try? key.type.parse(text) else {
            self.problems.append(ConfigurationProblem(.builtIn, path, "the default \(YAMLText.quoted(text)) is not possible here; set it"))
            return
        }
        let setting = ResolvedSetting(
            path: path, key: key, origin: .builtIn, texts: [text], values: [value], itemOrigins: [.builtIn], given: nil)
        self.values.set(setting)
    }
}
