/// What a route may be called.
enum RouteName {
    /// Names with a dot exist from earlier versions: they are folders and labels all the same, so they go on.
    static func isPlain(_ name: String) -> Bool { TopicName.hasValidCharacters(name) && !name.utf8.contains(UInt8(ascii: ".")) }
}
