/// What the tree declares, and the ``names`` in comments that it does not.
struct Declarations {
    /// By the file, with what it declares or extends: where a member may stand.
    private let declared: [Set<Substring>]
    private let files: [Substring: [Int]]

    init(_ files: [SourceFile]) {
        self.declared = files.map { Self.names(in: $0.code) }
        var places: [Substring: [Int]] = [:]
        for (index, names) in self.declared.enumerated() {
            for name in names { places[name, default: []].append(index) }
        }
        self.files = places
    }

    private static let keywords: Set<Substring> = [
        "struct", "enum", "class", "actor", "protocol", "extension", "typealias", "associatedtype", "func", "var", "let", "case", "init",
    ]

    /// Whatever stands on a line behind the word that declares: several cases, a tuple's parts, an extension's dotted name. The types
    /// among them do no harm. (By bytes: a regex over the whole tree costs seconds.)
    private static func names(in code: [String]) -> Set<Substring> {
        var names: Set<Substring> = ["init", "subscript"]
        var goesOn = false
        for line in code {
            let words = line.utf8.split { !Self.isWord($0) }.map { Substring($0) }
            let declared = goesOn ? words[...] : words.drop { !Self.keywords.contains($0) }
            names.formUnion(declared)
            goesOn = (goesOn || declared.first == "case") && line.utf8.last == UInt8(ascii: ",")
        }
        return names
    }

    private static func isWord(_ byte: UInt8) -> Bool {
        switch Unicode.Scalar(byte) {
        case "a"..."z", "A"..."Z", "0"..."9", "_": true
        default: byte >= 0x80
        }
    }

    /// References of a file's comments to what is declared nowhere, or not where they say.
    func dangling(_ file: SourceFile) -> [Violation] {
        file.comments.enumerated().flatMap { index, comment in
            guard comment.utf8.contains(UInt8(ascii: "`")) else { return [Violation]() }
            return comment.matches(of: /``(?<path>[^`]+)``/).compactMap { match in
                let names = match.path.split(separator: "/").map { $0.prefix { $0.isLetter || $0.isNumber || $0 == "_" } }
                guard let first = names.first, let places = self.files[first] else {
                    return Violation(path: file.path, line: index + 1, reason: "``\(match.path)`` is declared nowhere")
                }
                // Each next part in a file that has the one before it, too.
                var around = places
                for name in names.dropFirst() {
                    guard around.contains(where: { self.declared[$0].contains(name) }) else {
                        return Violation(path: file.path, line: index + 1, reason: "``\(match.path)``: no \(name) there")
                    }
                    around = self.files[name] ?? []
                }
                return nil
            }
        }
    }
}
