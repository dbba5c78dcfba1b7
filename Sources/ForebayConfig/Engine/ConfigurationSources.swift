/// Everything that a configuration is made of, and the ways to the world outside, so that tests need none.
package struct ConfigurationSources: Sendable {
    /// Paths; a later file wins.
    package var files: [String]
    /// `path=value`; they win over everything, a later one over an earlier.
    package var overrides: [String]
    package var environment: [String: String]
    package var hostName: String
    package var readFile: @Sendable (_ path: String) throws(ConfigurationValueProblem) -> [UInt8]
    package var checkProperties: KafkaPropertyCheck?

    package init(
        files: [String], overrides: [String] = [], environment: [String: String], hostName: String,
        readFile: @escaping @Sendable (_ path: String) throws(ConfigurationValueProblem) -> [UInt8] = {
            path throws(ConfigurationValueProblem) in
            try ConfigurationFile.read(path)
        },
        checkProperties: KafkaPropertyCheck? = nil
    ) {
        self.files = files
        self.overrides = overrides
        self.environment = environment
        self.hostName = hostName
        self.readFile = readFile
        self.checkProperties = checkProperties
    }

    /// A file as messages name it.
    static func shown(_ file: String) -> String { file == "-" ? "<stdin>" : file }
}
