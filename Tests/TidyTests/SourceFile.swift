import Foundation

/// A Swift file as the rules see it. Rules take text, so that each is shown to pass and to fail.
struct SourceFile {
    /// From the package's root: `Sources/ForebayCore/Link/Link.swift`.
    let path: String
    let lines: [String]
    /// The same lines with comments and the insides of string literals blanked, so that a rule can't stumble over words about code.
    let code: [String]
    /// The same lines with everything but comments blanked.
    let comments: [String]

    init(path: String, text: String) {
        self.path = path
        self.lines = text.components(separatedBy: "\n")
        let parts = CodeText(text)
        self.code = parts.code.components(separatedBy: "\n")
        self.comments = parts.comments.components(separatedBy: "\n")
    }

    /// The text without its comments, strings kept.
    var uncommented: String {
        zip(self.lines, self.comments).map { line, comment in
            guard let start = comment.utf8.firstIndex(where: { $0 != 0x20 }) else { return line }
            return String(decoding: line.utf8.prefix(comment.utf8.distance(from: comment.startIndex, to: start)), as: UTF8.self)
        }.joined(separator: "\n")
    }

    /// The target the file belongs to.
    var target: String { self.path.split(separator: "/").dropFirst().first.map(String.init) ?? "" }
    var name: String { self.path.split(separator: "/").last.map(String.init) ?? "" }
    var isTest: Bool { self.path.hasPrefix("Tests/") }

    /// The line numbers (from 1) whose code has this text in it. (Plain search: a regex for each line and rule costs seconds.)
    func lineNumbers(with text: String) -> [Int] {
        let text = Array(text.utf8)
        return self.code.indices.filter { Self.contains(self.code[$0], text) }.map { $0 + 1 }
    }

    /// The line numbers whose code has one of these words, whole.
    func lineNumbers(withWord words: Set<String>) -> [Int] {
        self.code.indices.filter { !Self.words(self.code[$0]).isDisjoint(with: words) }.map { $0 + 1 }
    }

    private static func words(_ line: String) -> Set<String> {
        Set(line.split { !($0.isLetter || $0.isNumber || $0 == "_") }.map(String.init))
    }

    private static func contains(_ line: String, _ text: [UInt8]) -> Bool {
        var line = line
        return line.withUTF8 { line in
            guard line.count >= text.count else { return false }
            return (0...line.count - text.count).contains { start in
                line[start] == text[0] && text.indices.allSatisfy { line[start + $0] == text[$0] }
            }
        }
    }

    /// Whether a comment stands on the line or in the comment lines right above it.
    func hasComment(at number: Int, matching: (String) -> Bool = { _ in true }) -> Bool {
        var line = number - 1
        repeat {
            if self.comments[line].contains("//"), matching(self.comments[line]) { return true }
            line -= 1
            // Only a line that is nothing but a comment belongs to what follows it.
        } while line >= 0 && self.comments[line].contains("//") && self.code[line].allSatisfy(\.isWhitespace)
        return false
    }
}

/// All Swift files of the package, found from where this file was compiled.
enum Tree {
    static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// Every file and folder of the repository, what git and builds keep for themselves apart.
    static let entries: Set<String> = {
        var found: Set<String> = []
        let walk = FileManager.default.enumerator(at: Self.root, includingPropertiesForKeys: nil)
        while let entry = walk?.nextObject() as? URL {
            let path = String(entry.path.dropFirst(Self.root.path.count + 1))
            if [".git", ".build"].contains(path) { walk?.skipDescendants() } else { found.insert(path) }
        }
        return found
    }()

    /// The pages, by path.
    static func pages() throws -> [String: String] {
        let paths = Self.entries.filter { $0.hasSuffix(".md") }
        return Dictionary(uniqueKeysWithValues: try paths.map { ($0, try Self.text($0)) })
    }

    static func text(_ path: String) throws -> String {
        try String(contentsOf: Self.root.appendingPathComponent(path), encoding: .utf8)
    }

    static func files(under folders: String...) throws -> [SourceFile] {
        try self.all.get().filter { file in folders.contains { file.path.hasPrefix($0 + "/") } }
    }

    /// Read once, for all tests.
    private static let all = Result {
        try ["Sources", "Tests", "Benchmarks"].flatMap { folder in
            var found: [SourceFile] = []
            let start = Self.root.appendingPathComponent(folder)
            let walk = FileManager.default.enumerator(at: start, includingPropertiesForKeys: nil)
            while let file = walk?.nextObject() as? URL {
                guard file.pathExtension == "swift" else { continue }
                let path = String(file.path.dropFirst(Self.root.path.count + 1))
                found.append(SourceFile(path: path, text: try String(contentsOf: file, encoding: .utf8)))
            }
            return found.sorted { $0.path < $1.path }
        }
    }
}
