/// A section of the configuration: its rows of the table, and what must hold between its keys and others. It is read where
/// ``ForebayConfiguration`` is.
protocol ConfigurationPart: Sendable {
    static var entries: [ConfigurationEntry] { get }

    /// What no single key can say.
    static func check(_ checks: inout ConfigurationChecks)
}

extension ConfigurationPart {
    static func check(_ checks: inout ConfigurationChecks) {}
}
