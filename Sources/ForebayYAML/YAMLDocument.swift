/// How much a document may hold. A configuration is written by hand, so the bounds are generous and still small.
package struct YAMLLimits: Sendable {
    package var bytes = 1 << 20
    package var depth = 32
    package var nodes = 100_000
    package var problems = 100

    package init() {}
}

/// One YAML document as a tree with positions, read strictly.
///
/// What makes a document say one thing and mean another is refused: a key given twice, anchors and aliases, merge keys, tags, several
/// documents in one file. JSON is accepted, being YAML.
package struct YAMLDocument: Sendable {
    /// None for an empty document, and after a syntax error.
    package let root: YAMLNode?
    /// All that is wrong, in the order of the document. A syntax error is the last.
    package let problems: [YAMLProblem]

    package static func parse(_ bytes: UnsafeRawBufferPointer, limits: YAMLLimits = YAMLLimits()) -> YAMLDocument {
        var builder = YAMLBuilder(limits: limits)
        do {
            let root = try builder.document(bytes)
            return YAMLDocument(root: root, problems: builder.problems)
        } catch {
            return YAMLDocument(root: nil, problems: builder.problems + [error])
        }
    }

    package static func parse(_ text: String, limits: YAMLLimits = YAMLLimits()) -> YAMLDocument {
        var text = text
        return text.withUTF8 { Self.parse(UnsafeRawBufferPointer($0), limits: limits) }
    }
}
