import ForebayYAML
import Testing

@Suite struct YAMLDocumentTests {
    @Test func keepsTheTreeAndItsPositions() throws {
        let document = YAMLDocument.parse("version: 1\nnode:\n  name: \"edge\"\n  tags: [a, 'b']\n")
        #expect(document.problems.isEmpty)
        let root = try entries(document.root)
        #expect(root.map(\.key) == ["version", "node"])
        #expect(root[0].keyMark == YAMLMark(line: 1, column: 1))
        #expect(root[0].value == YAMLNode(mark: YAMLMark(line: 1, column: 10), content: .scalar(YAMLScalar(text: "1", isQuoted: false))))
        let node = try entries(root[1].value)
        #expect(node[0].value == YAMLNode(mark: YAMLMark(line: 3, column: 9), content: .scalar(YAMLScalar(text: "edge", isQuoted: true))))
        #expect(
            node[1].value.content
                == .sequence([
                    YAMLNode(mark: YAMLMark(line: 4, column: 10), content: .scalar(YAMLScalar(text: "a", isQuoted: false))),
                    YAMLNode(mark: YAMLMark(line: 4, column: 13), content: .scalar(YAMLScalar(text: "b", isQuoted: true))),
                ]))
    }

    @Test func countsColumnsInCharacters() throws {
        let root = try entries(YAMLDocument.parse("{größe: ü, x: 1}").root)
        #expect(root[1].keyMark == YAMLMark(line: 1, column: 12))
    }

    @Test func readsJSON() throws {
        let document = YAMLDocument.parse(#"{"a": {"b": ["x\n\u00fc", 1, true, null]}}"#)
        #expect(document.problems.isEmpty)
        let inner = try entries(try entries(document.root)[0].value)
        guard case .sequence(let items) = inner[0].value.content else { throw Unexpected.shape }
        #expect(items.map(text) == ["x\nü", "1", "true", "null"])
        #expect(items.map(\.isNull) == [false, false, false, true])
    }

    @Test(arguments: ["", "# only a comment\n", "---\n...\n", "\u{FEFF}"])
    func emptyDocumentsAreNoError(_ text: String) {
        let document = YAMLDocument.parse(text)
        #expect(document.problems.isEmpty)
        #expect(document.root.map(\.isNull) ?? true)
    }

    @Test func aNullInQuotesIsText() throws {
        let root = try entries(YAMLDocument.parse("a: \"\"\nb: 'null'\nc:\nd: ~\n").root)
        #expect(root.map(\.value.isNull) == [false, false, true, true])
    }

    @Test(arguments: [
        ("a: 1\nb: 2\na: 3\n", ["3:1: \"a\" is given twice; the first is at 1:1"]),
        (
            "a: &x 1\nb: *x\n",
            [
                "1:4: anchors (&) are not supported; write the value where it is needed",
                "2:4: aliases (*) are not supported; write the value where it is needed",
            ]
        ),
        ("a: {<<: {b: 1}}\n", ["1:5: merge keys (<<) are not supported; write the values where they are needed"]),
        (
            "a: !!str 1\nb: !secret x\n",
            [
                "1:4: tags are not supported, found \"tag:yaml.org,2002:str\"",
                "2:4: tags are not supported, found \"!secret\"",
            ]
        ),
        ("? [a, b]\n: 1\n", ["1:3: a key is a single word, not a list or a map"]),
        ("{\"\": 1}\n", ["1:2: a key is missing"]),
        ("a: 1\n---\nb: 2\n", ["2:1: a second document begins here; a file holds one"]),
        ("a: [1, 2\nb: 3\n", ["2:2: did not find expected ',' or ']' while parsing a flow sequence that begins at line 1"]),
        ("a: b: c\n", ["1:5: mapping values are not allowed in this context"]),
        (
            "a:\n\tb: 1\n",
            [
                "2:1: found character that cannot start any token while scanning for the next token; a tab stands here, and YAML indents with spaces only"
            ]
        ),
        ("a: \"x\n", ["2:1: found unexpected end of stream while scanning a quoted scalar that begins at line 1"]),
        ("a: \u{1}\n", ["1:4: control characters are not allowed"]),
    ])
    func refusesByPosition(_ text: String, _ expected: [String]) {
        #expect(YAMLDocument.parse(text).problems.map(\.description) == expected)
    }

    @Test func refusesWhatIsNotUTF8() {
        let bytes: [UInt8] = Array("a: b\nc: ".utf8) + [0xFF, 0x0A]
        let document = bytes.withUnsafeBytes { YAMLDocument.parse($0) }
        #expect(document.root == nil)
        #expect(document.problems.map(\.description) == ["2:4: invalid leading UTF-8 octet"])
    }

    @Test func theFirstOfTwoKeysStands() throws {
        let root = try entries(YAMLDocument.parse("a: 1\na: 2\n").root)
        #expect(root.count == 1)
        #expect(text(root[0].value) == "1")
    }

    @Test func boundsHoldForSizeDepthNodesAndProblems() {
        var limits = YAMLLimits()
        (limits.bytes, limits.depth, limits.nodes, limits.problems) = (100, 4, 20, 2)
        func problems(_ text: String) -> [String] { YAMLDocument.parse(text, limits: limits).problems.map(\.description) }
        #expect(problems(String(repeating: "#", count: 101)) == ["1:1: the document has 101 bytes; at most 100 are read"])
        #expect(problems("[[[[1]]]]") == ["1:5: nested more than 4 deep"])
        #expect(problems("[[[1]]]").isEmpty)
        #expect(problems("[" + String(repeating: "1,", count: 20) + "]").last == "1:40: more than 20 values in one document")
        #expect(problems("[!a 1, !b 2, !c 3]").last == "1:14: more than 2 problems; the rest is not read")
    }

    @Test func deepNestingEndsEarlyWhateverItsKind() {
        for opening in ["[", "{a: ", "- ", "? "] {
            let document = YAMLDocument.parse(String(repeating: opening, count: 100_000))
            #expect(document.root == nil)
            #expect(!document.problems.isEmpty)
        }
    }
}

private enum Unexpected: Error { case shape }

private func entries(_ node: YAMLNode?) throws -> [YAMLEntry] {
    guard let node, case .mapping(let entries) = node.content else { throw Unexpected.shape }
    return entries
}

private func text(_ node: YAMLNode) -> String {
    guard case .scalar(let scalar) = node.content else { return "not a scalar" }
    return scalar.text
}
