/// A place in a document. Lines and columns count from 1; columns count characters, as editors do.
package struct YAMLMark: Hashable, Sendable, Comparable, CustomStringConvertible {
    package let line: Int
    package let column: Int

    package init(line: Int, column: Int) {
        self.line = line
        self.column = column
    }

    package var description: String { "\(self.line):\(self.column)" }

    package static func < (left: Self, right: Self) -> Bool {
        (left.line, left.column) < (right.line, right.column)
    }
}

/// One value of a document, with the place where it begins.
///
/// Scalars stay text: what a value means is decided by the schema that reads it, so that YAML 1.1's `yes`, `010` and `1:30` surprise
/// nobody.
package struct YAMLNode: Sendable, Equatable {
    package enum Content: Sendable, Equatable {
        case scalar(YAMLScalar)
        case sequence([YAMLNode])
        /// In the order of the document; no key comes twice.
        case mapping([YAMLEntry])
    }

    package let mark: YAMLMark
    package let content: Content

    package init(mark: YAMLMark, content: Content) {
        self.mark = mark
        self.content = content
    }

    /// Whether this is an empty value, `~` or `null`, written plainly.
    package var isNull: Bool {
        guard case .scalar(let scalar) = self.content, !scalar.isQuoted else { return false }
        return ["", "~", "null", "Null", "NULL"].contains(scalar.text)
    }
}

package struct YAMLScalar: Sendable, Equatable {
    package let text: String
    /// Quoted or a block scalar, so certainly meant as text.
    package let isQuoted: Bool

    package init(text: String, isQuoted: Bool) {
        self.text = text
        self.isQuoted = isQuoted
    }
}

/// A key of a mapping and what it names.
package struct YAMLEntry: Sendable, Equatable {
    package let key: String
    package let keyMark: YAMLMark
    package let value: YAMLNode

    package init(key: String, keyMark: YAMLMark, value: YAMLNode) {
        self.key = key
        self.keyMark = keyMark
        self.value = value
    }
}

/// What is wrong with a document, and where.
package struct YAMLProblem: Error, Sendable, Equatable, CustomStringConvertible {
    package let mark: YAMLMark
    package let message: String

    package init(mark: YAMLMark, message: String) {
        self.mark = mark
        self.message = message
    }

    package var description: String { "\(self.mark): \(self.message)" }
}
