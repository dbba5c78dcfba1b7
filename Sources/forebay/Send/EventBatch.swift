import ForebayTelemetry

/// Events that go out as one request.
///
/// NDJSON lines go as they are. Other text goes as envelopes in base 64, because a line of text is not JSON; a key makes envelopes of
/// JSON too.
struct EventBatch {
    /// Well below a node's own limits, so that a batch is refused for what is in it, never for its size.
    static let countLimit = 1000
    static let byteLimit = 1 << 20

    enum Form {
        case text(key: String?)
        case json(key: String?)
        /// One event, the body's own bytes.
        case whole(key: String?)
    }

    let form: Form
    private(set) var body: [UInt8] = []
    /// The line of each event, for messages.
    private(set) var lines: [Int] = []

    init(_ form: Form) {
        self.form = form
    }

    var count: Int { self.lines.count }
    var isFull: Bool { self.count >= Self.countLimit || self.body.count >= Self.byteLimit }

    mutating func append(_ event: [UInt8], line: Int) {
        self.lines.append(line)
        switch self.form {
        case .whole: self.body = event
        case .json(nil): self.body += event + [10]
        case .json(let key?): self.body += Self.envelope(key, "\"value\":".utf8 + event)
        case .text(let key): self.body += Self.envelope(key, Array("\"value_base64\":\"\(Base64.encode(event))\"".utf8))
        }
    }

    private static func envelope(_ key: String?, _ value: [UInt8]) -> [UInt8] {
        let start = key.map { "{\"key\":\(JSONText.quoted($0))," } ?? "{"
        return Array(start.utf8) + value + Array("}\n".utf8)
    }

    var headers: [(name: String, value: String)] {
        switch self.form {
        case .whole(let key): [("Content-Type", "application/octet-stream")] + (key.map { [("Forebay-Key", $0)] } ?? [])
        case .json(nil): [("Content-Type", "application/x-ndjson")]
        case .json, .text: [("Content-Type", "application/vnd.forebay.v1+x-ndjson")]
        }
    }

    /// Whether a key may stand in a header field as it is.
    static func fitsHeader(_ key: String) -> Bool {
        !key.isEmpty && key.first != " " && key.last != " " && key.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7F }
    }
}

extension String.UTF8View {
    fileprivate static func + (left: Self, right: [UInt8]) -> [UInt8] { Array(left) + right }
}
