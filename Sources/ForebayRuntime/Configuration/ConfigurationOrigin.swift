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

/// A key as it stands in the configuration: `routes.orders.forward.to`.
package struct ConfigurationPath: Sendable, Hashable, CustomStringConvertible {
    package let segments: [String]

    package init(_ segments: [String]) {
        self.segments = segments
    }

    package static let root = ConfigurationPath([])

    package func appending(_ segment: String) -> ConfigurationPath {
        ConfigurationPath(self.segments + [segment])
    }

    /// As `--set` takes it. A user's name with a dot in the middle of a path stands in quotes: `topics."payments.eu".key`.
    package var description: String {
        self.segments.enumerated().map { index, segment in
            index < self.segments.count - 1 && segment.contains(".") ? "\"\(segment)\"" : segment
        }.joined(separator: ".")
    }
}

/// One thing that is wrong with a configuration, in words that say where, what was found and what would do.
package struct ConfigurationProblem: Sendable, Hashable, CustomStringConvertible {
    /// None where the fault is that something is nowhere.
    package let origin: ConfigurationOrigin?
    package let path: ConfigurationPath
    package let message: String

    package init(_ origin: ConfigurationOrigin?, _ path: ConfigurationPath, _ message: String) {
        self.origin = origin
        self.path = path
        self.message = message
    }

    package var description: String {
        let place = [self.origin?.description, self.path.segments.isEmpty ? nil : self.path.description].compactMap { $0 }
        return (place.isEmpty ? "" : place.joined(separator: " ") + ": ") + self.message
    }
}

/// Thrown when a configuration can't be used; holds every problem, not only the first.
package struct ConfigurationInvalid: Error, Sendable, CustomStringConvertible {
    /// In the order of the files, then the environment, then `--set`.
    package let problems: [ConfigurationProblem]

    package init(problems: [ConfigurationProblem]) {
        self.problems = problems
    }

    package var description: String { self.problems.map(\.description).joined(separator: "\n") }
}
