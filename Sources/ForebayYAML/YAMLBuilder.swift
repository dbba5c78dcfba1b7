/// Turns events into a tree. What can be reported without losing the thread is collected, the rest thrown.
struct YAMLBuilder {
    private let limits: YAMLLimits
    private(set) var problems: [YAMLProblem] = []
    private var nodes = 0

    init(limits: YAMLLimits) {
        self.limits = limits
    }

    mutating func document(_ bytes: UnsafeRawBufferPointer) throws(YAMLProblem) -> YAMLNode? {
        guard bytes.count <= self.limits.bytes else {
            let message = "the document has \(bytes.count) bytes; at most \(self.limits.bytes) are read"
            throw YAMLProblem(mark: YAMLMark(line: 1, column: 1), message: message)
        }
        var parser = try YAMLParser(bytes)
        guard case .documentStart = try parser.next().event else { return nil }
        let root = try self.node(try parser.next(), &parser, depth: 1)
        _ = try parser.next()  // The end of the document, certainly.
        let after = try parser.next()
        guard case .streamEnd = after.event else {
            throw YAMLProblem(mark: after.mark, message: "a second document begins here; a file holds one")
        }
        return root
    }

    /// Recursion is safe here: the depth is bounded.
    private mutating func node(_ token: YAMLToken, _ parser: inout YAMLParser, depth: Int) throws(YAMLProblem) -> YAMLNode {
        self.nodes += 1
        guard self.nodes <= self.limits.nodes else {
            throw YAMLProblem(mark: token.mark, message: "more than \(self.limits.nodes) values in one document")
        }
        guard depth <= self.limits.depth else {
            throw YAMLProblem(mark: token.mark, message: "nested more than \(self.limits.depth) deep")
        }
        if token.hasAnchor { try self.report(token.mark, "anchors (&) are not supported; write the value where it is needed") }
        if let tag = token.tag { try self.report(token.mark, "tags are not supported, found \(YAMLText.quoted(tag))") }
        switch token.event {
        case .scalar(let scalar): return YAMLNode(mark: token.mark, content: .scalar(scalar))
        case .sequenceStart: return try self.sequence(token.mark, &parser, depth: depth)
        case .mappingStart: return try self.mapping(token.mark, &parser, depth: depth)
        case .alias:
            try self.report(token.mark, "aliases (*) are not supported; write the value where it is needed")
            return YAMLNode(mark: token.mark, content: .scalar(YAMLScalar(text: "", isQuoted: false)))
        case .documentStart, .documentEnd, .streamEnd, .sequenceEnd, .mappingEnd:
            throw YAMLProblem(mark: token.mark, message: "a value is missing")
        }
    }

    private mutating func sequence(_ mark: YAMLMark, _ parser: inout YAMLParser, depth: Int) throws(YAMLProblem) -> YAMLNode {
        var items: [YAMLNode] = []
        while true {
            let token = try parser.next()
            if case .sequenceEnd = token.event { return YAMLNode(mark: mark, content: .sequence(items)) }
            items.append(try self.node(token, &parser, depth: depth + 1))
        }
    }

    private mutating func mapping(_ mark: YAMLMark, _ parser: inout YAMLParser, depth: Int) throws(YAMLProblem) -> YAMLNode {
        var entries: [YAMLEntry] = []
        var seen: [String: YAMLMark] = [:]
        while true {
            let token = try parser.next()
            if case .mappingEnd = token.event { return YAMLNode(mark: mark, content: .mapping(entries)) }
            let key = try self.key(token, &parser, depth: depth)
            let value = try self.node(try parser.next(), &parser, depth: depth + 1)
            guard let key else { continue }
            if let first = seen[key] {
                try self.report(token.mark, "\(YAMLText.quoted(key)) is given twice; the first is at \(first)")
                continue
            }
            seen[key] = token.mark
            entries.append(YAMLEntry(key: key, keyMark: token.mark, value: value))
        }
    }

    /// - Returns: none for a key that was reported and is left out with its value.
    private mutating func key(_ token: YAMLToken, _ parser: inout YAMLParser, depth: Int) throws(YAMLProblem) -> String? {
        let node = try self.node(token, &parser, depth: depth + 1)
        guard case .scalar(let scalar) = node.content else {
            try self.report(token.mark, "a key is a single word, not a list or a map")
            return nil
        }
        if case .alias = token.event { return nil }
        if scalar.text == "<<", !scalar.isQuoted {
            try self.report(token.mark, "merge keys (<<) are not supported; write the values where they are needed")
            return nil
        }
        if scalar.text.isEmpty {
            try self.report(token.mark, "a key is missing")
            return nil
        }
        return scalar.text
    }

    private mutating func report(_ mark: YAMLMark, _ message: String) throws(YAMLProblem) {
        guard self.problems.count < self.limits.problems else {
            throw YAMLProblem(mark: mark, message: "more than \(self.limits.problems) problems; the rest is not read")
        }
        self.problems.append(YAMLProblem(mark: mark, message: message))
    }
}
