/// A map of keys, of a user's names, or of both.
package struct ConfigurationSection: Sendable {
    /// Names that the user picks, each with the keys below.
    package struct Names: Sendable {
        /// `<name>`, `<topic>` or `<property>`: says what the name is, and stands in patterns.
        package let placeholder: String
        package let example: String
        /// Whether `config init` writes the example as a live part of the file.
        package let isNeeded: Bool
    }

    package let pattern: [String]
    package let documentation: String
    package let names: Names?
    /// What it is about there is only where it stands: without a key in it, it is a mistake. `config init` writes it as a comment.
    package var isWish = false
}

/// What the contract has and this version doesn't do. Refused by name, so that nothing accepted today means something else tomorrow.
package struct ConfigurationNotYet: Sendable {
    package let pattern: [String]
    package let documentation: String
}

/// The table's rows, in the order in which people should meet them.
package enum ConfigurationEntry: Sendable {
    case section(ConfigurationSection)
    case key(ConfigurationKey)
    case notYet(ConfigurationNotYet)

    package var pattern: [String] {
        switch self {
        case .section(let section): section.pattern
        case .key(let key): key.pattern
        case .notYet(let notYet): notYet.pattern
        }
    }
}

extension ConfigurationEntry {
    static func section(_ path: String, isWish: Bool = false, _ documentation: String) -> Self {
        .section(ConfigurationSection(pattern: Self.split(path), documentation: documentation, names: nil, isWish: isWish))
    }

    static func names(_ path: String, of placeholder: String, example: String, isNeeded: Bool, _ documentation: String) -> Self {
        let names = ConfigurationSection.Names(placeholder: placeholder, example: example, isNeeded: isNeeded)
        return .section(ConfigurationSection(pattern: Self.split(path), documentation: documentation, names: names))
    }

    static func key(
        _ path: String, _ type: ConfigurationType, _ presence: ConfigurationKey.Presence, example: String? = nil,
        takesEnvironment: Bool = true, _ documentation: String
    ) -> Self {
        .key(
            ConfigurationKey(
                pattern: Self.split(path), type: type, presence: presence, documentation: documentation, example: example,
                takesEnvironment: takesEnvironment))
    }

    static func notYet(_ path: String, _ documentation: String) -> Self {
        .notYet(ConfigurationNotYet(pattern: Self.split(path), documentation: documentation))
    }

    private static func split(_ path: String) -> [String] {
        path.split(separator: ".").map(String.init)
    }
}

extension String {
    /// A sentence of the table as part of a longer one.
    var withoutFullStop: String { self.hasSuffix(".") ? String(self.dropLast()) : self }
}
