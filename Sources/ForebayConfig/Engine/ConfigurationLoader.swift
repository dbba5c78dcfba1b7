import ForebayYAML

/// A configuration that can be used, with what is needed to print it.
package struct LoadedConfiguration: Sendable {
    package let configuration: ForebayConfiguration
    /// In the schema's order, a user's names in the order of the files.
    package let settings: [ResolvedSetting]
    /// What goes on working and should be changed.
    package let warnings: [ConfigurationProblem]
}

/// Files, environment and `--set` to one checked configuration, or to all that is wrong with it.
package enum ConfigurationLoader {
    package static func load(_ sources: ConfigurationSources) throws(ConfigurationInvalid) -> LoadedConfiguration {
        var problems: [ConfigurationProblem] = []
        var settings = ConfigurationSettings()
        for file in sources.files {
            do throws(ConfigurationValueProblem) {
                let bytes = try sources.readFile(file)
                let document = bytes.withUnsafeBytes { YAMLDocument.parse($0) }
                let source = DocumentSource(name: ConfigurationSources.shown(file), document: document)
                problems += source.problems
                settings.merge(source.settings)
            } catch {
                problems.append(ConfigurationProblem(nil, .root, error.message))
                settings.fail(.root)
            }
        }
        let environment = EnvironmentSource(sources.environment, declared: settings)
        let overrides = OverrideSource(sources.overrides)
        settings.merge(environment.settings)
        settings.merge(overrides.settings)

        let resolver = ConfigurationResolver(settings, sources)
        let checks = ConfigurationChecks(settings, resolver.values, sources)
        var found = problems + environment.problems + overrides.problems
        found += resolver.problems + checks.problems
        guard found.isEmpty else { throw ConfigurationInvalid(problems: Self.ordered(found, sources.files)) }
        return LoadedConfiguration(
            configuration: ForebayConfiguration(ConfigurationDecoder(settings, resolver.values)),
            settings: Self.ordered(settings, resolver.values), warnings: Self.ordered(checks.warnings, sources.files))
    }

    /// Files in their order, by position; then the environment; then `--set`. Each problem once.
    private static func ordered(_ problems: [ConfigurationProblem], _ files: [String]) -> [ConfigurationProblem] {
        func rank(_ problem: ConfigurationProblem) -> [Int] {
            switch problem.origin {
            case nil: [-1]
            case .file(let name, let mark)?: [files.firstIndex { ConfigurationSources.shown($0) == name } ?? 0, mark.line, mark.column]
            case .environment?: [files.count]
            case .override?: [files.count + 1]
            case .builtIn?: [files.count + 2]
            }
        }
        var seen: Set<ConfigurationProblem> = []
        let ranked = problems.filter { seen.insert($0).inserted }.enumerated().map { (rank($0.element) + [$0.offset], $0.element) }
        return ranked.sorted { $0.0.lexicographicallyPrecedes($1.0) }.map(\.1)
    }

    /// For printing: by the schema, then by the user's own order.
    private static func ordered(_ settings: ConfigurationSettings, _ values: ConfigurationValues) -> [ResolvedSetting] {
        var places: [ConfigurationPath: Int] = [:]
        for (index, entry) in settings.named.enumerated() { places[entry.path] = index }
        for (index, path) in settings.order.enumerated() { places[path] = index }
        var rows: [String: Int] = [:]
        for (index, entry) in ForebayConfiguration.entries.enumerated() { rows[entry.pattern.joined(separator: ".")] = index }
        func rank(_ setting: ResolvedSetting) -> [Int] {
            let path = setting.path
            let owner = setting.key.pattern.count > 1 && setting.key.pattern[1].hasPrefix("<")
            let section = rows[path.segments[0]] ?? 0
            return [
                section, owner ? places[ConfigurationPath(Array(path.segments.prefix(2)))] ?? 0 : 0,
                rows[setting.key.pattern.joined(separator: ".")] ?? 0, places[path] ?? 0,
            ]
        }
        let ranked = values.settings.values.map { (rank($0), $0) }
        return ranked.sorted { $0.0.lexicographicallyPrecedes($1.0) }.map(\.1)
    }
}
