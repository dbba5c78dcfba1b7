import CYAML

/// What the builder needs of libyaml's event stream.
enum YAMLEvent {
    case documentStart
    case documentEnd
    case streamEnd
    case alias
    case scalar(YAMLScalar)
    case sequenceStart
    case sequenceEnd
    case mappingStart
    case mappingEnd
}

/// An event with its place and what decorates it.
struct YAMLToken {
    let event: YAMLEvent
    let mark: YAMLMark
    var hasAnchor = false
    var tag: String?
}

/// Owns one `yaml_parser_t` over bytes that outlive it.
///
/// On the heap, because libyaml keeps a pointer from the parser to itself, which a moved struct would break.
struct YAMLParser: ~Copyable {
    private let raw: UnsafeMutablePointer<yaml_parser_t>
    private let input: UnsafeRawBufferPointer

    /// - Parameter input: must stay where it is for as long as the parser lives.
    init(_ input: UnsafeRawBufferPointer) throws(YAMLProblem) {
        self.raw = .allocate(capacity: 1)
        self.raw.initialize(to: yaml_parser_t())
        // A byte order mark says nothing in UTF-8; editors of some systems begin files with it all the same.
        let input = input.starts(with: [0xEF, 0xBB, 0xBF]) ? UnsafeRawBufferPointer(rebasing: input[3...]) : input
        self.input = input
        guard yaml_parser_initialize(self.raw) == 1 else {
            throw YAMLProblem(mark: YAMLMark(line: 1, column: 1), message: "out of memory")
        }
        yaml_parser_set_encoding(self.raw, YAML_UTF8_ENCODING)
        yaml_parser_set_input_string(self.raw, input.baseAddress?.assumingMemoryBound(to: UInt8.self), input.count)
    }

    deinit {
        yaml_parser_delete(self.raw)
        self.raw.deallocate()
    }

    /// The next event. Not to be called again after `streamEnd` or a throw.
    mutating func next() throws(YAMLProblem) -> YAMLToken {
        while true {
            var event = yaml_event_t()
            guard yaml_parser_parse(self.raw, &event) == 1 else { throw self.problem() }
            defer { yaml_event_delete(&event) }
            if let token = Self.token(event) { return token }
        }
    }

    private static func token(_ event: yaml_event_t) -> YAMLToken? {
        let mark = YAMLMark(event.start_mark)
        switch event.type {
        case YAML_DOCUMENT_START_EVENT: return YAMLToken(event: .documentStart, mark: mark)
        case YAML_DOCUMENT_END_EVENT: return YAMLToken(event: .documentEnd, mark: mark)
        case YAML_STREAM_END_EVENT: return YAMLToken(event: .streamEnd, mark: mark)
        case YAML_ALIAS_EVENT: return YAMLToken(event: .alias, mark: mark)
        case YAML_SEQUENCE_END_EVENT: return YAMLToken(event: .sequenceEnd, mark: mark)
        case YAML_MAPPING_END_EVENT: return YAMLToken(event: .mappingEnd, mark: mark)
        case YAML_SCALAR_EVENT:
            let data = event.data.scalar
            let text = String(decoding: UnsafeBufferPointer(start: data.value, count: data.length), as: UTF8.self)
            let scalar = YAMLScalar(text: text, isQuoted: data.style != YAML_PLAIN_SCALAR_STYLE)
            return YAMLToken(event: .scalar(scalar), mark: mark, hasAnchor: data.anchor != nil, tag: Self.text(data.tag))
        case YAML_SEQUENCE_START_EVENT:
            let data = event.data.sequence_start
            return YAMLToken(event: .sequenceStart, mark: mark, hasAnchor: data.anchor != nil, tag: Self.text(data.tag))
        case YAML_MAPPING_START_EVENT:
            let data = event.data.mapping_start
            return YAMLToken(event: .mappingStart, mark: mark, hasAnchor: data.anchor != nil, tag: Self.text(data.tag))
        default: return nil  // The start of the stream, and events that libyaml may add.
        }
    }

    private static func text(_ string: UnsafeMutablePointer<yaml_char_t>?) -> String? {
        string.map { String(cString: $0) }
    }

    /// libyaml's last error in its words, with a hint where they are known to mislead.
    private func problem() -> YAMLProblem {
        let parser = self.raw.pointee
        let said = parser.problem.map { String(cString: $0) } ?? "cannot be parsed"
        guard parser.error != YAML_READER_ERROR else {
            // The reader has no mark yet, only the offset of the byte it stumbled over.
            return YAMLProblem(mark: self.mark(atOffset: parser.problem_offset), message: said)
        }
        let mark = YAMLMark(parser.problem_mark)
        var message = said
        if let context = parser.context {
            let start = YAMLMark(parser.context_mark)
            message += " " + String(cString: context) + (start.line == mark.line ? "" : " that begins at line \(start.line)")
        }
        if self.byte(atCharacter: parser.problem_mark.index) == UInt8(ascii: "\t") {
            message += "; a tab stands here, and YAML indents with spaces only"
        }
        return YAMLProblem(mark: mark, message: message)
    }

    /// libyaml's index counts characters, not bytes.
    private func byte(atCharacter index: Int) -> UInt8? {
        var characters = -1
        for byte in self.input where byte & 0xC0 != 0x80 {
            characters += 1
            if characters == index { return byte }
        }
        return nil
    }

    private func mark(atOffset offset: Int) -> YAMLMark {
        var (line, column) = (1, 1)
        for byte in self.input.prefix(offset) {
            if byte == UInt8(ascii: "\n") {
                (line, column) = (line + 1, 1)
            } else if byte & 0xC0 != 0x80 {
                column += 1
            }
        }
        return YAMLMark(line: line, column: column)
    }
}

extension YAMLMark {
    init(_ mark: yaml_mark_t) {
        self.init(line: mark.line + 1, column: mark.column + 1)
    }
}
