/// Reads values that have been checked into the structs of the sections, so nothing here can fail but by our own mistake: a path that
/// the table of keys lacks, or a type that is not its.
struct ConfigurationDecoder {
    private let settings: ConfigurationSettings
    private let values: ConfigurationValues
    /// What paths begin with.
    private let start: [String]

    init(_ settings: ConfigurationSettings, _ values: ConfigurationValues, start: [String] = []) {
        self.settings = settings
        self.values = values
        self.start = start
    }

    /// The same below a name of the user's, which may have dots in it.
    func below(_ section: String, _ name: String) -> ConfigurationDecoder {
        ConfigurationDecoder(self.settings, self.values, start: self.start + [section, name])
    }

    /// The user's names in a section, in the order of the files.
    func names(in section: String) -> [String] {
        self.settings.names(in: section).map(\.name)
    }

    // MARK: What is always there

    /// A count, bytes or milliseconds.
    func number(_ path: String) -> Int { self.present(path, self.number(ifGiven: path)) }
    func text(_ path: String) -> String { self.present(path, self.text(ifGiven: path)) }
    func flag(_ path: String) -> Bool { self.text(path) == "true" }
    func choice<Choice: RawRepresentable<String>>(_ path: String) -> Choice { self.present(path, Choice(rawValue: self.text(path))) }
    func address(_ path: String) -> ListenerAddress { self.present(path, self.address(ifGiven: path)) }

    func patterns(_ path: String) -> [TopicPattern] {
        self.present(path, self.setting(path)).values.map { value in
            self.present(path, { if case .pattern(let pattern) = value { pattern } else { nil } }())
        }
    }

    // MARK: What may be absent

    func number(ifGiven path: String) -> Int? {
        if case .number(let number)? = self.setting(path)?.values.first { number } else { nil }
    }

    func text(ifGiven path: String) -> String? { self.setting(path)?.texts.first }

    func address(ifGiven path: String) -> ListenerAddress? {
        if case .address(let address)? = self.setting(path)?.values.first { address } else { nil }
    }

    /// None where it is not given.
    func texts(_ path: String) -> [String] { self.setting(path)?.texts ?? [] }

    /// librdkafka's properties below a path, by name.
    func properties(_ path: String) -> [String: String] { self.values.properties(self.segments(path)) }

    /// The files of the secrets among them.
    func secretFiles(_ path: String) -> [String: String] { self.values.secretFiles(self.segments(path)) }

    // MARK: Tools

    private func segments(_ path: String) -> [String] {
        self.start + path.split(separator: ".").map(String.init)
    }

    private func setting(_ path: String) -> ResolvedSetting? {
        self.values.settings[ConfigurationPath(self.segments(path))]
    }

    private func present<Value>(_ path: String, _ value: Value?) -> Value {
        guard let value else { preconditionFailure("the table of keys has no \(path) of this type") }
        return value
    }
}
