/// Types that hold state, and how many stored properties each has. Read by indentation, which the formatter keeps.
enum StoredProperties {
    struct Owner: Equatable {
        /// With what it is nested in, behind its target: `ForebayDelivery.DeliveryState`.
        let name: String
        let line: Int
        var count = 0
    }

    private struct Open {
        let indentation: Int
        var owner: Owner
        let holdsState: Bool
    }

    /// Classes, actors, and structs whose name ends with State.
    static func owners(in file: SourceFile) -> [Owner] {
        var (owners, open): ([Owner], [Open]) = ([], [])
        for (index, line) in file.code.enumerated() {
            let indentation = line.utf8.prefix { $0 == UInt8(ascii: " ") }.count
            let text = Substring(line.utf8.dropFirst(indentation))
            if text.utf8.first == UInt8(ascii: "}"), let last = open.last, last.indentation == indentation {
                open.removeLast()
                if last.holdsState { owners.append(last.owner) }
            } else if let (kind, name) = Self.type(text), text.utf8.last != UInt8(ascii: "}") {
                let owner = Owner(name: "\(open.last?.owner.name ?? file.target).\(name)", line: index + 1)
                let holdsState = kind == "class" || kind == "actor" || (kind == "struct" && name.hasSuffix("State"))
                open.append(Open(indentation: indentation, owner: owner, holdsState: holdsState))
            } else if let last = open.last, last.holdsState, indentation == last.indentation + 4 {
                open[open.count - 1].owner.count += Self.stored(text, next: index + 1 < file.code.count ? file.code[index + 1] : "")
            }
        }
        return owners
    }

    private static let modifiers: Set<Substring> = [
        "package", "public", "internal", "private", "fileprivate", "open", "final", "indirect", "weak", "unowned", "lazy", "nonisolated",
        "distributed", "private(set)", "fileprivate(set)", "package(set)", "nonisolated(unsafe)", "unowned(unsafe)",
    ]

    /// A line's words from the one that declares on.
    private static func declaration(_ text: Substring) -> ArraySlice<Substring> {
        text.utf8.split(separator: UInt8(ascii: " ")).map { Substring($0) }.drop {
            $0.utf8.first == UInt8(ascii: "@") || self.modifiers.contains($0)
        }
    }

    private static func type(_ text: Substring) -> (kind: Substring, name: String)? {
        let words = self.declaration(text)
        guard let kind = words.first, ["struct", "enum", "class", "actor", "protocol", "extension"].contains(kind),
            let name = words.dropFirst().first, !["func", "var", "let", "subscript"].contains(name)
        else { return nil }
        return (kind, String(name.prefix { $0.isLetter || $0.isNumber || "_.".contains($0) }))
    }

    /// How many a line at a type's own level declares. A computed one has a brace behind its type, and no observer in it.
    private static func stored(_ text: Substring, next: String) -> Int {
        let words = self.declaration(text)
        guard words.first == "let" || words.first == "var" else { return 0 }
        let value = text.firstIndex(of: "=") ?? text.endIndex
        if let brace = text.firstIndex(of: "{"), brace < value {
            let inner = text[brace...].dropFirst() + Substring(next)
            guard inner.contains(/^\s*(willSet|didSet)\b/) else { return 0 }
        }
        guard let names = text.firstMatch(of: /\b(?:let|var) \((?<names>[^)]*)\)/)?.names else { return 1 }
        return names.split(separator: ",").count
    }
}
