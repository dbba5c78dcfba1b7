/// Writing scalars: into messages, and into documents that read back as the same text.
package enum YAMLText {
    /// In double quotes for a message: short, on one line, with nothing that steers a terminal.
    package static func quoted(_ text: String, limit: Int = 60) -> String {
        let short = text.count > limit ? text.prefix(limit) + "…" : text[...]
        return "\"" + Self.escaped(short) + "\""
    }

    /// As a scalar of a document: plain where that is safe in block and flow context, in double quotes otherwise.
    package static func scalar(_ text: String) -> String {
        Self.isPlain(text) ? text : "\"" + Self.escaped(text[...]) + "\""
    }

    /// Plain only what no YAML reader takes for anything but text, a size, a number or a name.
    private static func isPlain(_ text: String) -> Bool {
        guard let first = text.utf8.first, Self.isWord(first) || "./$".utf8.contains(first) else { return false }
        guard text.utf8.allSatisfy({ Self.isWord($0) || "-./$@+".utf8.contains($0) }) else { return false }
        return !["null", "true", "false", "yes", "no", "on", "off", "y", "n", ".inf", ".nan"].contains(text.lowercased())
    }

    private static func isWord(_ byte: UInt8) -> Bool {
        switch Unicode.Scalar(byte) {
        case "a"..."z", "A"..."Z", "0"..."9", "_": true
        default: false
        }
    }

    private static func escaped(_ text: Substring) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\t": result += "\\t"
            case "\r": result += "\\r"
            case _ where Self.isInvisible(scalar): result += Self.numbered(scalar)
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    /// Controls, and the separators and direction marks that break or reorder a line on a terminal.
    private static func isInvisible(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .unassigned: true
        default: false
        }
    }

    private static func numbered(_ scalar: Unicode.Scalar) -> String {
        let digits = scalar.value <= 0xFF ? 2 : scalar.value <= 0xFFFF ? 4 : 8
        let text = String(scalar.value, radix: 16)
        return "\\" + ["x", "u", "U"][digits / 4] + String(repeating: "0", count: digits - text.count) + text
    }
}
