/// Where the key stands in a JSON event, as text: `$.order_id`, `$.customer.id`. Ingest reads it by the same rule.
enum EventKeyPath {
    private static let maximumDepth = 64
    private static let refused = Set("[]\"\\'* ".utf8)

    /// Whether it is `$` and at least one name, each after a dot, without brackets, quotes, backslashes, asterisks and spaces.
    static func isValid(_ text: String) -> Bool {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard (2...Self.maximumDepth).contains(parts.count), parts[0] == "$" else { return false }
        return parts.dropFirst().allSatisfy { name in
            !name.isEmpty && name.utf8.allSatisfy { $0 >= 0x20 && !Self.refused.contains($0) }
        }
    }
}
