/// The maps of the code in docs/contributing: a file's path, and behind it the names of what stands in that file. A name that has moved
/// away makes a map lie, so each is looked for.
///
/// A name is in backticks and begins with a capital: `Type`, `Type.member`, `Type.Inner.member(_:)`. Its file is the last one before it in
/// the same paragraph, list item or row.
struct Maps {
    static let pages = ["glossary", "journeys", "stages"].map { "docs/contributing/\($0).md" }

    struct Told: Equatable {
        let line: Int
        let path: String?
        let name: String
    }

    private let files: [String: SourceFile]
    private let entries: Set<String>

    init(_ files: [SourceFile], _ entries: Set<String>) {
        self.files = Dictionary(uniqueKeysWithValues: files.map { ($0.path, $0) })
        self.entries = entries
    }

    /// What a page tells: each name with its file, and each file by itself, which has no name then.
    func told(_ text: String) -> [Told] {
        var told: [Told] = []
        var path: String?
        for (index, line) in Pages.unfenced(text).enumerated() {
            if line.isEmpty || line.contains(/^\s*(?:[\-*#]+\s|\d+\.\s|\|)/) { path = nil }
            for match in line.matches(of: /`(?<words>[^`]+)`/) {
                let words = String(match.words)
                if words.hasSuffix(".swift"), !words.contains(where: { "<*…".contains($0) }),
                    !self.entries.contains(words) || words.contains("/")
                {
                    path = words
                    told.append(Told(line: index + 1, path: words, name: ""))
                } else if words.wholeMatch(of: /[A-Z]\w*(?:\.\w+)*(?:\([\w:]*\))?/) != nil, !self.isEntry(words) {
                    told.append(Told(line: index + 1, path: path, name: words))
                }
            }
        }
        return told
    }

    /// A target, or a file at the top.
    private func isEntry(_ words: String) -> Bool {
        self.entries.contains(words) || ["Sources", "Tests"].contains { self.entries.contains("\($0)/\(words)") }
    }

    func faults(_ page: String, _ text: String) -> [Violation] {
        var known: [String: (types: Set<Substring>, members: Set<Substring>)] = [:]
        return self.told(text).compactMap { told in
            func fault(_ reason: String) -> Violation { Violation(path: page, line: told.line, reason: reason) }
            guard let path = told.path else { return fault("\(told.name) stands behind no file") }
            guard let file = self.files[path] else { return told.name.isEmpty ? fault("\(path) is not there") : nil }
            guard !told.name.isEmpty else { return nil }
            let (types, members) = known[path] ?? Self.declared(in: file.code)
            known[path] = (types, members)
            let names = told.name.prefix { $0 != "(" }.split(separator: ".")
            guard types.contains(names[0]), names.dropFirst().allSatisfy({ types.contains($0) || members.contains($0) }) else {
                return fault("\(told.name) is not in \(path)")
            }
            return nil
        }
    }

    // MARK: What a file declares

    private static let typeWords: Set<Substring> = ["struct", "enum", "class", "actor", "protocol", "extension", "typealias"]

    /// Closer than ``Declarations``: only what stands right behind the word that declares. (By bytes: a regex for each line costs seconds.)
    static func declared(in code: [String]) -> (types: Set<Substring>, members: Set<Substring>) {
        var types: Set<Substring> = []
        var members: Set<Substring> = []
        for line in code {
            let words = line.utf8.split { !Self.isWord($0) && $0 != UInt8(ascii: ".") }.map { Substring($0) }
            for (place, word) in words.enumerated() {
                let next = place + 1 < words.count ? words[place + 1] : ""
                if Self.typeWords.contains(word) {
                    types.formUnion(next.split(separator: "."))
                } else if word == "func" {
                    members.insert(next)
                } else if word == "init" {
                    members.insert(word)
                } else if ["case", "let", "var"].contains(word) {
                    members.formUnion(Self.names(line[word.endIndex...]))
                }
            }
        }
        return (types, members)
    }

    /// `one, two: Int, three(of: A, B)` without what belongs to each; nothing of a pattern, `.one`.
    private static func names(_ rest: Substring) -> [Substring] {
        var (depth, isBegun, names) = (0, false, [Substring]())
        var start: Substring.Index?
        func end(_ index: Substring.Index) {
            if let first = start { names.append(rest[first..<index]) }
            start = nil
        }
        for index in rest.utf8.indices {
            let byte = rest.utf8[index]
            if depth == 0, Self.isWord(byte) {
                if !isBegun { start = index }
                isBegun = true
                continue
            }
            end(index)
            switch Unicode.Scalar(byte) {
            case "(", "[", "{": (depth, isBegun) = (depth + 1, true)
            case ")", "]", "}": depth -= 1
            case ",": if depth == 0 { isBegun = false }
            case " ": break
            default: isBegun = true
            }
        }
        end(rest.endIndex)
        return names
    }

    private static func isWord(_ byte: UInt8) -> Bool {
        switch Unicode.Scalar(byte) {
        case "a"..."z", "A"..."Z", "0"..."9", "_": true
        default: byte >= 0x80
        }
    }
}
