import ForebayYAML

/// The commented file that `config init` writes: every key with what it means and its default.
package enum ConfigurationTemplate {
    package static var text: String {
        var writer = Writer()
        writer.lines = [
            "# Forebay's configuration. Lines that begin with # and no space are settings at their defaults.",
            "# Check it with: forebay validate --config FILE",
            "",
        ]
        writer.children(ConfigurationTree.root, depth: 0, isCommented: false)
        return writer.lines.joined(separator: "\n") + "\n"
    }

    private struct Writer {
        private static let width = 100

        var lines: [String] = []

        mutating func children(_ tree: ConfigurationTree, depth: Int, isCommented: Bool) {
            for child in tree.children {
                switch child.tree.kind {
                case .notYet: continue
                case .key(let key): self.key(child.name, key, depth, isCommented)
                case .section(let section): self.section(child.name, child.tree, section, depth, isCommented)
                }
                if depth == 0 { self.lines.append("") }
            }
            if depth == 0 { self.lines.removeLast() }
        }

        private mutating func section(
            _ name: String, _ tree: ConfigurationTree, _ section: ConfigurationSection, _ depth: Int, _ isCommented: Bool
        ) {
            if case .notYet? = tree.belowNames?.kind { return }
            let isOff = section.names.map { !$0.isNeeded } ?? section.isWish
            // A part that is off begins its lines with #, so that taking these away gives the part as it should be.
            var inner = Writer()
            inner.write("\(name):", 0)
            if let names = section.names, let below = tree.belowNames {
                inner.example(names, below)
            } else {
                inner.children(tree, depth: 1, isCommented: isCommented || section.isWish)
            }
            self.comment(section.documentation, depth)
            for line in inner.lines { self.write((isOff ? "#" : "") + line, depth) }
        }

        private mutating func example(_ names: ConfigurationSection.Names, _ below: ConfigurationTree) {
            if case .key(let key) = below.kind {
                self.write("\(names.example): \(Self.value(key))", 1)
            } else {
                self.write("\(names.example):", 1)
                self.children(below, depth: 2, isCommented: !names.isNeeded)
            }
        }

        /// Inside a part that is commented as a whole every key is shown live.
        private mutating func key(_ name: String, _ key: ConfigurationKey, _ depth: Int, _ isCommented: Bool) {
            var words = key.documentation
            var isOff = !isCommented
            switch key.presence {
            case .required: isOff = false
            case .standard: break
            case .optional(let meaning): words += " Default: \(meaning)."
            case .computed(let meaning, _): words += " Default: \(meaning)."
            }
            self.comment(words, depth)
            self.write("\(isOff ? "#" : "")\(name): \(Self.value(key))", depth)
        }

        private static func value(_ key: ConfigurationKey) -> String {
            if case .standard(let text) = key.presence { return YAMLText.scalar(text) }
            guard let example = key.example else { return "" }
            return key.type.isList ? example : YAMLText.scalar(example)
        }

        private mutating func comment(_ words: String, _ depth: Int) {
            var line = "#"
            for word in words.split(separator: " ") {
                if line.count + word.count + 1 > Self.width - 2 * depth {
                    self.write(line, depth)
                    line = "#"
                }
                line += " " + word
            }
            if line != "#" { self.write(line, depth) }
        }

        private mutating func write(_ line: String, _ depth: Int) {
            self.lines.append(line.isEmpty ? "" : String(repeating: "  ", count: depth) + line)
        }
    }
}
