import ForebayIngest

/// What names a user may pick.
enum ConfigurationName {
    /// - Returns: what is wrong with it, or none.
    static func problem(_ name: String, placeholder: String) -> String? {
        switch placeholder {
        case "<topic>":
            TopicName.isValid(name) ? nil : "not a topic's name (letters, digits, '.', '_', '-', at most 249)"
        case "<property>":
            name.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F } ? nil : "not a property's name"
        default:
            // Names of routes are names of folders, where these two mean other folders.
            TopicName.hasValidCharacters(name) && name.utf8.count <= 64 && name != "." && name != ".."
                ? nil : "not a name (letters, digits, '_', '-', at most 64)"
        }
    }
}
