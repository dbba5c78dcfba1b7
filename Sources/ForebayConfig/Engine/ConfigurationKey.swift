/// One key of the configuration: what it is called, what it takes, what it means. The loader, `config init`, `config print` and the
/// reference page are all made from these.
package struct ConfigurationKey: Sendable {
    /// What holds where the key is not given.
    package enum Presence: Sendable {
        case required
        /// Nothing; the words say what that means.
        case optional(String)
        case standard(String)
        /// Depends on the machine or on other keys; the words say how.
        case computed(String, Computation)

        static func computed(
            _ words: String, by value: @escaping @Sendable (_ hostName: String, _ given: ConfigurationValues) -> String
        ) -> Self {
            .computed(words, Computation(value: value))
        }
    }

    /// A default from the host's name and from what was given.
    package struct Computation: Sendable {
        let value: @Sendable (_ hostName: String, _ given: ConfigurationValues) -> String
    }

    /// The path, a user's own names as `<name>`: `routes.<name>.forward.to`.
    package let pattern: [String]
    package let type: ConfigurationType
    package let presence: Presence
    /// For people, in whole sentences without a line break.
    package let documentation: String
    /// Stands in the file that `config init` writes, where there is no default to show.
    package let example: String?
    /// Whether an environment variable may give it.
    package let takesEnvironment: Bool
}
