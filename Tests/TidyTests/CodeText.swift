/// Swift text taken apart: code with comments and string literals blanked, and comments with everything else blanked. Newlines stay in
/// both, so line numbers do too.
///
///     code --//--> line comment --newline--> code
///          --/*--> block comment (nested) --*/--> code
///          --#*"--> string (1 or 3 quotes, n hashes) --same quotes and hashes--> code
///
/// Interpolations are blanked with their string: a rule that misses code inside one is a price worth a small lexer.
struct CodeText {
    private let characters: [UInt8]
    private var position = 0
    private var codeBytes: [UInt8] = []
    private var commentBytes: [UInt8] = []

    var code: String { String(decoding: self.codeBytes, as: UTF8.self) }
    var comments: String { String(decoding: self.commentBytes, as: UTF8.self) }

    init(_ text: String) {
        self.characters = Array(text.utf8)
        while self.position < self.characters.count {
            let next = self.characters[self.position]
            if next != UInt8(ascii: "/"), next != UInt8(ascii: "\""), next != UInt8(ascii: "#") {
                self.keep(1)
            } else if self.at("//") {
                while self.position < self.characters.count, self.characters[self.position] != Self.newline { self.comment(1) }
            } else if self.at("/*") {
                self.blockComment()
            } else if let (hashes, quotes) = self.stringStart() {
                self.string(hashes: hashes, quotes: quotes)
            } else {
                self.keep(1)
            }
        }
    }

    private func at(_ text: String, _ offset: Int = 0) -> Bool {
        let start = self.position + offset
        guard start < self.characters.count, text.utf8.first == self.characters[start] else { return false }
        return start + text.utf8.count <= self.characters.count && zip(text.utf8, self.characters[start...]).allSatisfy { $0 == $1 }
    }

    /// How many hashes and quotes open a string here.
    private func stringStart() -> (hashes: Int, quotes: Int)? {
        var hashes = 0
        while self.at("#", hashes) { hashes += 1 }
        guard self.at("\"", hashes) else { return nil }
        return (hashes, self.at("\"\"\"", hashes) ? 3 : 1)
    }

    private mutating func string(hashes: Int, quotes: Int) {
        let end = String(repeating: "\"", count: quotes) + String(repeating: "#", count: hashes)
        let escape = "\\" + String(repeating: "#", count: hashes)
        self.keep(hashes + quotes)
        while self.position < self.characters.count, !self.at(end) {
            if quotes == 1, self.characters[self.position] == Self.newline { return }  // Not a string after all.
            if self.at(escape) { self.blank(escape.count) }
            self.blank(1)
        }
        self.keep(end.count)
    }

    private mutating func blockComment() {
        var depth = 0
        repeat {
            if self.at("/*") {
                depth += 1
                self.comment(2)
            } else if self.at("*/") {
                depth -= 1
                self.comment(2)
            } else {
                self.comment(1)
            }
        } while depth > 0 && self.position < self.characters.count
    }

    // MARK: Where a character goes

    private mutating func keep(_ count: Int) { self.move(count, toCode: { $0 }, toComments: Self.blanked) }
    private mutating func comment(_ count: Int) { self.move(count, toCode: Self.blanked, toComments: { $0 }) }
    private mutating func blank(_ count: Int) { self.move(count, toCode: Self.blanked, toComments: Self.blanked) }

    private static let newline = UInt8(ascii: "\n")
    private static func blanked(_ byte: UInt8) -> UInt8 { byte == Self.newline ? byte : UInt8(ascii: " ") }

    private mutating func move(_ count: Int, toCode: (UInt8) -> UInt8, toComments: (UInt8) -> UInt8) {
        for _ in 0..<count where self.position < self.characters.count {
            self.codeBytes.append(toCode(self.characters[self.position]))
            self.commentBytes.append(toComments(self.characters[self.position]))
            self.position += 1
        }
    }
}
