/// A setting with its value in force: interpolated, parsed, or the default.
package struct ResolvedSetting: Sendable {
    package let path: ConfigurationPath
    package let key: ConfigurationKey
    package let origin: ConfigurationOrigin
    /// One for a scalar, any number for a list. As texts after interpolation, and as values; the origins of the items beside them.
    package let texts: [String]
    let values: [ConfigurationValue]
    let itemOrigins: [ConfigurationOrigin]
    /// What was written, where it was given.
    let given: ConfigurationSetting.Raw?
    /// The file that its value was read from, where it is a secret in one.
    var file: String?

    package var isSecret: Bool {
        if case .property = self.key.type, let property = self.path.segments.last { KafkaSecrets.isSecret(property) } else { false }
    }
}
