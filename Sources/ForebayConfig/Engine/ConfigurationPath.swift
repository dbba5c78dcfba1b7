import ForebayYAML

/// A key as it stands in the configuration: `routes.orders.forward.to`.
package struct ConfigurationPath: Sendable, Hashable, CustomStringConvertible {
    package let segments: [String]

    package init(_ segments: [String]) {
        self.segments = segments
    }

    package static let root = ConfigurationPath([])

    package func appending(_ segment: String) -> ConfigurationPath {
        ConfigurationPath(self.segments + [segment])
    }

    /// As `--set` takes it. A user's name with a dot in the middle of a path stands in quotes: `topics."payments.eu".key`.
    package var description: String {
        self.segments.enumerated().map { index, segment in
            // What else there may be in it the terminal shows as it shows all that comes from elsewhere.
            if segment.utf8.contains(UInt8(ascii: "\n")) { return YAMLText.quoted(segment) }
            return index < self.segments.count - 1 && segment.contains(".") ? "\"\(segment)\"" : segment
        }.joined(separator: ".")
    }
}
