/// A value as the program uses it.
package enum ConfigurationValue: Sendable, Hashable {
    /// A count, bytes or milliseconds.
    case number(Int)
    case text(String)
    case address(ListenerAddress)
    case pattern(TopicPattern)
}

/// Why a text is not a value of its type: a message that names what was found.
package struct ConfigurationValueProblem: Error, Sendable {
    package let message: String

    package init(message: String) {
        self.message = message
    }
}
