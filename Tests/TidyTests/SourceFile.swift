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

    /// The target the file belongs to.
    var target: String { self.path.split(separator: "/").dropFirst().first.map(String.init) ?? "" }
    var name: String { self.path.split(separator: "/").last.map(String.init) ?? "" }
    var isTest: Bool { self.path.hasPrefix("Tests/") }

    /// The line numbers (from 1) whose code matches.
    func lineNumbers(matching pattern: Regex<some Any>) -> [Int] {
        // The default word boundary takes `Task.sleep` for one word.
        let pattern = pattern.wordBoundaryKind(.simple)
        return self.code.indices.filter { self.code[$0].contains(pattern) }.map { $0 + 1 }
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

    static func text(_ path: String) throws -> String {
        try String(contentsOf: Self.root.appendingPathComponent(path), encoding: .utf8)
    }

    static func files(under folders: String...) throws -> [SourceFile] {
        var found: [SourceFile] = []
        for folder in folders {
            let start = Self.root.appendingPathComponent(folder)
            guard let walk = FileManager.default.enumerator(at: start, includingPropertiesForKeys: nil) else { continue }
            for case let file as URL in walk where file.pathExtension == "swift" {
                let path = String(file.path.dropFirst(Self.root.path.count + 1))
                found.append(SourceFile(path: path, text: try String(contentsOf: file, encoding: .utf8)))
            }
        }
        return found.sorted { $0.path < $1.path }
    }
}
