import ForebayYAML

/// What no single key can say: sizes that must fit each other, names that must exist, patterns that must differ. Each section checks its
/// own keys and reports here.
struct ConfigurationChecks {
    let settings: ConfigurationSettings
    let values: ConfigurationValues
    /// Judges the properties of clusters.
    let checkProperties: KafkaPropertyCheck?
    /// To blame where something is nowhere.
    let firstFile: ConfigurationOrigin?
    private(set) var problems: [ConfigurationProblem] = []
    /// What goes on working and should be changed.
    private(set) var warnings: [ConfigurationProblem] = []

    init(_ settings: ConfigurationSettings, _ values: ConfigurationValues, _ sources: ConfigurationSources) {
        self.settings = settings
        self.values = values
        self.checkProperties = sources.checkProperties
        self.firstFile = sources.files.first.map { .file(name: ConfigurationSources.shown($0), mark: YAMLMark(line: 1, column: 1)) }
        for part in ForebayConfiguration.parts { part.check(&self) }
    }

    mutating func report(_ setting: ResolvedSetting, _ message: String) {
        self.report(setting.origin, setting.path, message)
    }

    mutating func report(_ origin: ConfigurationOrigin?, _ path: ConfigurationPath, _ message: String) {
        self.problems.append(ConfigurationProblem(origin, path, message))
    }

    mutating func warn(_ setting: ResolvedSetting, _ message: String) {
        self.warn(setting.origin, setting.path, message)
    }

    mutating func warn(_ origin: ConfigurationOrigin, _ path: ConfigurationPath, _ message: String) {
        self.warnings.append(ConfigurationProblem(origin, path, message))
    }

    /// Of two settings that don't fit each other, the one to name: where the user wrote something. A default is never at fault.
    static func blamed(_ setting: ResolvedSetting, _ other: ResolvedSetting) -> ResolvedSetting {
        if case .builtIn = setting.origin { other } else { setting }
    }

    /// Reports the first where it is more than the second.
    mutating func atMost(_ small: [String], _ large: [String]) {
        guard let left = self.values.settings[ConfigurationPath(small)], let right = self.values.settings[ConfigurationPath(large)],
            case .number(let leftSize)? = left.values.first, case .number(let rightSize)? = right.values.first, leftSize > rightSize
        else { return }
        if case .builtIn = left.origin {
            self.report(right, "\(right.texts[0]) is less than \(left.path) (\(left.texts[0]), the default); lower that too")
        } else {
            let isDefault = if case .builtIn = right.origin { ", the default" } else { "" }
            self.report(left, "\(left.texts[0]) is more than \(right.path) (\(right.texts[0])\(isDefault))")
        }
    }
}
