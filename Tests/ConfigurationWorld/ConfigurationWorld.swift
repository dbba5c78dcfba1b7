package import ForebayConfig

/// Loads configurations from texts, in a world without files, environment or host.
package struct ConfigurationWorld {
    package var files: [String: String] = [:]
    package var environment: [String: String] = [:]
    package var overrides: [String] = []
    package var check: KafkaPropertyCheck?

    package init(
        files: [String: String] = [:], environment: [String: String] = [:], overrides: [String] = [], check: KafkaPropertyCheck? = nil
    ) {
        self.files = files
        self.environment = environment
        self.overrides = overrides
        self.check = check
    }

    package func sources(_ names: [String]) -> ConfigurationSources {
        let files = self.files
        return ConfigurationSources(
            files: names, overrides: self.overrides, environment: self.environment, hostName: "host-1",
            readFile: { path throws(ConfigurationValueProblem) in
                guard let text = files[path] else {
                    throw ConfigurationValueProblem(message: "cannot read \(path): No such file or directory")
                }
                return Array(text.utf8)
            },
            checkProperties: self.check)
    }

    package func load(_ names: [String]) throws -> LoadedConfiguration {
        try ConfigurationLoader.load(self.sources(names))
    }

    /// - Returns: what is wrong, a line each; empty if nothing is.
    package func problems(_ names: [String]) -> [String] {
        do throws(ConfigurationInvalid) {
            _ = try ConfigurationLoader.load(self.sources(names))
            return []
        } catch {
            return error.problems.map(\.description)
        }
    }
}

/// What every configuration needs, in six lines.
package let minimal = """
    version: 1
    clusters:
      main: { properties: { bootstrap.servers: "k1:9092" } }
    routes:
      default: { topics: ["*"], forward: { to: main } }

    """

/// One file `f` that begins with the minimal one: the first line of `text` is line 6.
package func problems(
    _ text: String, environment: [String: String] = [:], set overrides: [String] = [], files: [String: String] = [:],
    check: KafkaPropertyCheck? = nil
) -> [String] {
    let all = files.merging(["f": minimal + text]) { $1 }
    return ConfigurationWorld(files: all, environment: environment, overrides: overrides, check: check).problems(["f"])
}

package func load(
    _ text: String, environment: [String: String] = [:], set overrides: [String] = [], files: [String: String] = [:]
) throws -> LoadedConfiguration {
    let all = files.merging(["f": minimal + text]) { $1 }
    return try ConfigurationWorld(files: all, environment: environment, overrides: overrides).load(["f"])
}
