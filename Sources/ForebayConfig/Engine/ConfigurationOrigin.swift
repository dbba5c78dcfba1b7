package import ForebayYAML

/// Where a value came from.
package enum ConfigurationOrigin: Sendable, Hashable, CustomStringConvertible {
    case builtIn
    case file(name: String, mark: YAMLMark)
    case environment(variable: String)
    case override(argument: String)

    package var description: String {
        switch self {
        case .builtIn: "default"
        case .file(let name, let mark): "\(name):\(mark)"
        case .environment(let variable): variable
        case .override: "--set"
        }
    }
}
