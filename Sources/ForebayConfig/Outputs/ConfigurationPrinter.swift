import ForebayTelemetry
import ForebayYAML

/// Writes a configuration back: as YAML that loads to the same, or as JSON. Secrets are `***`.
package struct ConfigurationPrinter {
    /// Defaults filled in and `${…}` resolved; otherwise what was given, as it was given.
    package var isResolved: Bool
    /// Behind each value, where it came from. YAML only.
    package var showsOrigin: Bool

    package init(isResolved: Bool, showsOrigin: Bool) {
        self.isResolved = isResolved
        self.showsOrigin = showsOrigin
    }

    package func yaml(_ settings: [ResolvedSetting]) -> String {
        var text = ""
        var open: [String] = []
        for leaf in self.leaves(settings) {
            let sections = leaf.segments.dropLast()
            let common = zip(open, sections).prefix { $0 == $1 }.count
            for (depth, section) in sections.enumerated().dropFirst(common) {
                text += Self.indent(depth) + YAMLText.scalar(section) + ":\n"
            }
            open = Array(sections)
            let value = leaf.isList ? "[" + leaf.texts.map(YAMLText.scalar).joined(separator: ", ") + "]" : YAMLText.scalar(leaf.texts[0])
            let origin = self.showsOrigin ? "  # \(leaf.origin)" : ""
            text += Self.indent(sections.count) + YAMLText.scalar(leaf.segments.last!) + ": " + value + origin + "\n"
        }
        return text
    }

    package func json(_ settings: [ResolvedSetting]) -> String {
        var root = JSONMap()
        for leaf in self.leaves(settings) {
            let texts = leaf.texts.map { leaf.isNumber ? $0 : JSONText.quoted($0) }
            root.set(leaf.segments[...], leaf.isList ? "[" + texts.joined(separator: ", ") + "]" : texts[0])
        }
        return root.text(indent: 0) + "\n"
    }

    /// A value ready to be written.
    private struct Leaf {
        let segments: [String]
        let texts: [String]
        let isList: Bool
        let isNumber: Bool
        let origin: ConfigurationOrigin
    }

    private func leaves(_ settings: [ResolvedSetting]) -> [Leaf] {
        settings.compactMap { setting in
            guard self.isResolved || setting.given != nil else { return nil }
            var (segments, texts) = (setting.path.segments, setting.texts.map(Self.escaped))
            if !self.isResolved, let given = setting.given {
                switch given {
                case .scalar(let text): texts = [Self.asGiven(text, setting.origin)]
                case .list(let items): texts = items.map { Self.asGiven($0.text, $0.origin) }
                case .secretFile(let path):
                    segments[segments.count - 1] += "_file"
                    texts = [Self.asGiven(path, setting.origin)]
                }
            }
            if setting.isSecret, segments == setting.path.segments { texts = ["***"] }
            var isNumber = false
            if case .integer = setting.key.type, texts.allSatisfy({ Int($0) != nil }) { isNumber = true }
            return Leaf(segments: segments, texts: texts, isList: setting.key.type.isList, isNumber: isNumber, origin: setting.origin)
        }
    }

    /// What would be resolved again when the output is read as a file.
    private static func escaped(_ text: String) -> String {
        text.split(separator: "${", omittingEmptySubsequences: false).joined(separator: "$${")
    }

    private static func asGiven(_ text: String, _ origin: ConfigurationOrigin) -> String {
        if case .file = origin { text } else { Self.escaped(text) }
    }

    private static func indent(_ depth: Int) -> String {
        String(repeating: "  ", count: depth)
    }
}
