/// One thing that was logged, its data bounded and without what looks like a secret.
package struct LogRecord: Sendable, Equatable {
    package struct Field: Sendable, Hashable {
        package let key: String
        package let value: String
    }

    /// Longer values are cut: a stack of causes or a server's whole answer must not make a line of megabytes.
    package static let valueBound = 1024
    package static let fieldBound = 32

    package let level: LogLevel
    package let label: String
    package let message: String
    package let data: [Field]

    package init(_ level: LogLevel, _ label: String, _ message: String, _ data: KeyValuePairs<String, String> = [:]) {
        self.level = level
        self.label = label
        self.message = Self.bounded(message)
        self.data = data.prefix(Self.fieldBound).map { key, value in
            Field(key: key, value: Self.isSecret(key) ? "***" : Self.bounded(value))
        }
    }

    /// From fields that were bounded before.
    init(_ level: LogLevel, _ label: String, _ message: String, fields: [Field]) {
        self.level = level
        self.label = label
        self.message = message
        self.data = fields
    }

    /// The value that was logged for `key`.
    package subscript(key: String) -> String? {
        self.data.first { $0.key == key }?.value
    }

    /// At most `valueBound` bytes of UTF-8, cut between characters' scalars, and what is missing said.
    static func bounded(_ text: String) -> String {
        let utf8 = text.utf8
        guard utf8.count > Self.valueBound else { return text }
        var end = utf8.index(utf8.startIndex, offsetBy: Self.valueBound)
        while end > utf8.startIndex, utf8[end] & 0xC0 == 0x80 { end = utf8.index(before: end) }
        return String(text[..<end]) + "… (\(utf8.count) bytes)"
    }

    /// A net below the rule that secrets are never logged: by the names that such settings have in Kafka, Redis and HTTP.
    private static func isSecret(_ key: String) -> Bool {
        let name = key.lowercased()
        return ["password", "secret", "token", "authorization", "credential", "credentials"].contains { name.hasSuffix($0) }
    }
}
