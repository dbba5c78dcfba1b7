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
