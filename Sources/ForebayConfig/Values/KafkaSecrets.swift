/// Which of librdkafka's properties hold secrets: shown as `***`, never taken from the command line, accepted as `<property>_file`.
package enum KafkaSecrets {
    package static let names: Set<String> = [
        "sasl.password", "ssl.key.password", "ssl.key.pem", "ssl.keystore.password", "sasl.oauthbearer.client.secret",
        "sasl.oauthbearer.config",
    ]

    static let fileSuffix = "_file"

    /// Also properties of a librdkafka newer than this list, if their names say what they hold.
    package static func isSecret(_ property: String) -> Bool {
        self.names.contains(property) || property.hasSuffix(".password") || property.hasSuffix(".secret") || property.hasSuffix(".token")
    }

    /// The secret that a `<property>_file` stands for.
    package static func secret(ofFileProperty property: String) -> String? {
        guard property.hasSuffix(self.fileSuffix) else { return nil }
        let secret = String(property.dropLast(self.fileSuffix.count))
        return self.isSecret(secret) ? secret : nil
    }
}
