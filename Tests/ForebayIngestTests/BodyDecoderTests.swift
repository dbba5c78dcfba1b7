import ForebayCore
import Testing

@testable import ForebayIngest

@Suite("Body decoder")
struct BodyDecoderTests {
    static func events(_ values: String...) -> Decoded { .events(values.map { SeenEvent(value: $0) }) }

    @Test("a body of another type is one event, its own bytes")
    func raw() {
        let bytes: [UInt8] = [0, 255, 10, 13, 34]
        for type in [
            nil, "text/plain", "application/octet-stream", "image/png", "application/xml", "application/ndjson", "application/ld+json", "",
        ] {
            let headers = type.map { [("Content-Type", $0)] } ?? []
            #expect(Decoding().decode(bytes, headers: headers) == .events([SeenEvent(value: "").with { $0.value = bytes }]))
        }
        #expect(Decoding().decode("", type: "text/plain") == .refused(.emptyBody))
        #expect(Decoding().decode(" ") == Self.events(" "))
    }

    @Test("header fields become key, id, timestamp and headers")
    func headers() {
        let event = SeenEvent(value: "x", key: "käy").with {
            $0.id = Array("my-id".utf8)
            $0.timestamp = 12
            $0.headers = [
                .init(name: "trace-id", value: Array("a%20b".utf8)), .init(name: "trace-id", value: []), .init(name: "x", value: [0x31]),
            ]
        }
        let headers = [
            ("forebay-KEY", "käy"), ("Forebay-Id", "my-id"), ("Forebay-Timestamp", "12"), ("Forebay-Header-Trace-Id", "a%20b"),
            ("forebay-header-trace-id", ""), ("FOREBAY-HEADER-X", "1"), ("User-Agent", "x"), ("Cookie", "secret"), ("Prefer", "wait=3"),
        ]
        #expect(Decoding().decode("x", headers: headers) == .events([event]))
        #expect(Decoding().decode("1", type: "application/json", headers: headers) == .events([event.with { $0.value = [0x31] }]))
        #expect(Decoding().decode("[ 1 ]", type: "application/json", headers: headers) == .events([event.with { $0.value = [0x31] }]))
        #expect(Decoding().decode("1\n", type: "application/jsonl", headers: headers) == .events([event.with { $0.value = [0x31] }]))
    }

    @Test("an empty Forebay-Key is an empty key, not none")
    func emptyKey() {
        #expect(Decoding().decode("x", headers: [("Forebay-Key", "")]) == .events([SeenEvent(value: "x", key: "")]))
    }

    @Test("key and id stand for one event; timestamp and headers for each")
    func fieldsWithManyEvents() {
        for (body, type) in [("[1,2]", "application/json"), ("1\n2", "application/x-ndjson")] {
            #expect(Decoding().decode(body, type: type, headers: [("Forebay-Key", "k")]) == .refused(.keyForManyEvents, 1))
            #expect(Decoding().decode(body, type: type, headers: [("Forebay-Id", "k")]) == .refused(.idForManyEvents, 1))
            let each = ["1", "2"].map { value in
                SeenEvent(value: value).with {
                    $0.timestamp = 5
                    $0.headers = [.init(name: "a", value: [0x62])]
                }
            }
            #expect(Decoding().decode(body, type: type, headers: [("Forebay-Timestamp", "5"), ("Forebay-Header-a", "b")]) == .events(each))
        }
        #expect(Decoding().decode("[]", type: "application/json", headers: [("Forebay-Key", "k"), ("Forebay-Id", "k")]) == .events([]))
    }

    @Test(
        "header fields that no event can have are refused",
        arguments: [
            ("Forebay-Id", "", .invalidID), ("Forebay-Id", String(repeating: "x", count: 256), .invalidID),
            ("Forebay-Id", "a\u{85}", .invalidID),
            ("Forebay-Id", "a\u{7F}", .invalidID), ("Forebay-Timestamp", "yesterday", .invalidTimestamp),
            ("Forebay-Timestamp", "-1", .invalidTimestamp),
            ("Forebay-Timestamp", "1.5", .invalidTimestamp), ("Forebay-Header-", "x", .invalidHeader),
            ("Forebay-Header-Forebay-Id", "x", .reservedHeader),
            ("Forebay-Partition", "1", .unknownHeader), ("Forebay-Keys", "1", .unknownHeader),
            ("Idempotency-Key", "1", .idempotencyKeyUnsupported),
            ("Content-Encoding", "gzip", .unsupportedContentEncoding), ("Content-Encoding", "identity, gzip", .unsupportedContentEncoding),
            ("ce-specversion", "1.0", .cloudEventsUnsupported),
        ] as [(String, String, ProblemCode)])
    func badFields(_ name: String, _ value: String, _ code: ProblemCode) {
        #expect(Decoding().decode("x", headers: [(name, value)]) == .refused(code))
    }

    @Test(
        "a field that stands for one value may not stand there twice",
        arguments: ["Forebay-Key", "Forebay-Id", "Forebay-Timestamp", "Content-Type"])
    func repeated(_ name: String) {
        #expect(Decoding().decode("x", headers: [(name, "1"), (name.lowercased(), "1")]) == .refused(.repeatedHeader))
    }

    @Test("identity is no coding") func identity() {
        #expect(Decoding().decode("x", headers: [("Content-Encoding", " Identity ")]) == Self.events("x"))
    }

    @Test(
        "reserved types are refused by name",
        arguments: [
            ("application/vnd.kafka.json.v2+json", .unsupportedMediaType), ("application/vnd.kafka.v2+json", .unsupportedMediaType),
            ("application/vnd.forebay.v2+json", .unsupportedMediaType), ("Application/Vnd.Forebay.V1+Avro; a=b", .unsupportedMediaType),
            ("application/cloudevents+json", .cloudEventsUnsupported), ("application/cloudevents-batch+json", .cloudEventsUnsupported),
            ("application/json, text/plain", .unsupportedMediaType), ("text/plain,application/json", .unsupportedMediaType),
            ("application/json;a=\"b\\\"\", text/plain", .unsupportedMediaType), ("text/plain;a=b,", .unsupportedMediaType),
            ("application/json; charset=utf-16", .unsupportedCharset),
            ("application/x-ndjson;a=b; Charset=\"latin1\"", .unsupportedCharset),
        ] as [(String, ProblemCode)])
    func types(_ type: String, _ code: ProblemCode) {
        #expect(Decoding().decode("{}", type: type) == .refused(code))
    }

    @Test(
        "case and parameters of a type don't matter",
        arguments: [
            "APPLICATION/JSON", "application/json;charset=utf-8", "application/json ; x=y; CHARSET=\"UTF-8\"",
            "application/json; x=\"a,\\\",b\"",
        ])
    func typeSpelling(_ type: String) {
        #expect(Decoding().decode("[1]", type: type) == Self.events("1"))
    }

    @Test(
        "a text that is no array is one event with all its bytes",
        arguments: ["{\"a\":1}", " {\"a\" : 1}\n", "1", "\"[1]\"", "null", " true "])
    func single(_ body: String) {
        #expect(Decoding().decode(body, type: "application/json") == Self.events(body))
    }

    @Test("an array's elements keep their own bytes")
    func array() {
        #expect(
            Decoding().decode(" [ 1 , {\"a\" : [ 2 ] } ,\n\"x\",null] ", type: "application/json")
                == Self.events("1", "{\"a\" : [ 2 ] }", "\"x\"", "null"))
        #expect(Decoding().decode("[]", type: "application/json") == .events([]))
        #expect(Decoding().decode(" [ ] ", type: "application/json") == .events([]))
    }

    @Test(
        "bad JSON names the event",
        arguments: [
            ("[1,2,x]", 2), ("[1,2", 2), ("[1,]", 1), ("[1]]", 1), ("[1][2]", 1), ("{", 0), ("{} {}", 0), ("\u{FEFF}[]", 0), ("[NaN]", 0),
            ("   ", 0), ("[1 2]", 1),
        ])
    func badJSON(_ body: String, _ index: Int) {
        #expect(Decoding().decode(body, type: "application/json") == .refused(.malformedJSON, index))
    }

    @Test("lines: CRLF, blank ones, no end to the last, own bytes kept")
    func lines() {
        #expect(
            Decoding().decode("1\n{\"a\": 2}\r\n\n  \r\n\t\n 3 \n[4]", type: "application/x-ndjson")
                == Self.events("1", "{\"a\": 2}", " 3 ", "[4]"))
        #expect(Decoding().decode("\n\r\n1\n", type: "application/jsonl") == Self.events("1"))
        #expect(Decoding().decode("\n \n", type: "application/jsonl") == .refused(.emptyBody))
        #expect(Decoding().decode("", type: "application/jsonl") == .refused(.emptyBody))
    }

    @Test(
        "a bad line is named",
        arguments: [
            ("1\n{\"a\":\n2}\n", 1, "line 2, byte 5: the text ends inside a value"),
            ("\n\n1\n\n2 3\n", 1, "line 5, byte 2: more text after the value"),
            ("\u{FEFF}1\n", 0, "line 1, byte 0: a byte order mark is not allowed"),
            ("1\n2,\n", 1, "line 2, byte 1: more text after the value"),
            ("1\u{0C}\n", 0, "line 1, byte 1: more text after the value"),
        ])
    func badLine(_ body: String, _ index: Int, _ detail: String) {
        let decoding = Decoding()
        #expect(decoding.decode(body, type: "application/x-ndjson") == .refused(.malformedJSON, index))
        #expect(decoding.lastDetail == detail)
    }

    @Test("64 levels are counted from each event")
    func depth() {
        let deep = String(repeating: "[", count: 64) + String(repeating: "]", count: 64)
        #expect(Decoding().decode(deep, type: "application/x-ndjson") == Self.events(deep))
        #expect(Decoding().decode("[\(deep)]", type: "application/json") == Self.events(deep))
        #expect(Decoding().decode("[[\(deep)]]", type: "application/json") == .refused(.malformedJSON, 0))
        #expect(Decoding().decode("{\"value\":\(deep)}", type: Decoding.envelope) == Self.events(deep))
        #expect(Decoding().decode("[{\"value\":[\(deep)]}]", type: Decoding.envelope) == .refused(.malformedJSON, 0))
    }

    @Test("sizes and counts have bounds")
    func limits() {
        let small = Decoding {
            $0.limits.event = 10
            $0.limits.eventsPerRequest = 3
            $0.limits.headersPerEvent = 1
            $0.topics = ["tiny": .init(maximumEvent: 4), "large": .init(maximumEvent: 400)]
        }
        #expect(small.decode("0123456789") == Self.events("0123456789"))
        #expect(small.decode("0123456789x") == .refused(.eventTooLarge, 0))
        #expect(small.decode("0123456789", topic: "large") != .refused(.eventTooLarge, 0))
        #expect(small.decode("0123456789x", topic: "large") == .refused(.eventTooLarge, 0))
        #expect(small.decode("012345678", headers: [("Forebay-Key", "ab")]) == .refused(.eventTooLarge, 0))
        #expect(small.decode("012345678", headers: [("Forebay-Id", "ab")]) == .refused(.eventTooLarge, 0))
        #expect(small.decode("01234", topic: "tiny") == .refused(.eventTooLarge, 0))
        #expect(small.decode("[1,22222,3]", topic: "tiny", type: "application/json") == .refused(.eventTooLarge, 1))
        #expect(small.decode("[1,2,3]", type: "application/json") == Self.events("1", "2", "3"))
        #expect(small.decode("[1,2,3,4]", type: "application/json") == .refused(.tooManyEvents, 3))
        #expect(small.decode("", headers: [("Forebay-Header-a", ""), ("Forebay-Header-b", "")]) == .refused(.tooManyHeaders))
        #expect(small.decode(#"{"headers":{"a":"","b":""}}"#, type: Decoding.envelope) == .refused(.tooManyHeaders, 0, "/headers/b"))
    }

    @Test("header fields that stand in every event can't make a small body large")
    func amplification() {
        let decoding = Decoding {
            $0.limits.body = 100_000
            $0.limits.eventsPerRequest = 1000
        }
        let headers = [("Forebay-Header-a", String(repeating: "x", count: 8000))]
        let lines = (0..<1_000).map { "\($0)" }.joined(separator: "\n")
        guard case .refused(.requestTooLarge, .some, nil) = decoding.decode(lines, type: "application/x-ndjson", headers: headers) else {
            Issue.record("8 MB were taken")
            return
        }
        #expect(decoding.decode(lines, type: "application/x-ndjson") != .refused(.requestTooLarge))
    }

    @Test("topics.<t>.key finds the key, an explicit one wins")
    func key() {
        let decoding = Decoding { $0.topics = ["t": .init(key: JSONPath("$.id"))] }
        func expect(_ body: String, type: String, _ keys: [String?], _ headers: [(String, String)] = []) {
            guard case .events(let events) = decoding.decode(body, type: type, headers: headers) else {
                Issue.record("\(body) was refused: \(decoding.lastDetail)")
                return
            }
            #expect(events.map(\.key) == keys.map { $0.map { Array($0.utf8) } })
        }
        expect(#"{"id":"\u00e9"}"#, type: "application/json", ["é"])
        expect(#"[{"id":1.0},{"id":null},{},true,{"id":false}]"#, type: "application/json", ["1.0", nil, nil, nil, "false"])
        expect("{\"id\":\"a\"}\n{\"id\":\"\\n\"}\n", type: "application/x-ndjson", ["a", "\n"])
        expect(#"{"id":{}}"#, type: "application/json", ["k"], [("Forebay-Key", "k")])
        expect(#"{"id":"raw"}"#, type: "text/plain", [nil])
        expect(
            #"[{"value":{"id":"in"}},{"value":{"id":"in"},"key":"out"},{"value":{"id":[]},"key":"out"},{"key":null,"value":{"id":"in"}},{}]"#,
            type: Decoding.envelope, ["in", "out", "out", "in", nil])
        expect(#"{"value_base64":"eyJpZCI6MX0="}"#, type: Decoding.envelope, [nil])
        #expect(decoding.decode("1\n{\"id\":[]}", type: "application/x-ndjson") == .refused(.invalidKey, 1))
        #expect(decoding.decode(#"[{"id":"\ud800"}]"#, type: "application/json") == .refused(.invalidKey, 0))
        #expect(decoding.decode("{\"id\":1}x", type: "application/x-ndjson") == .refused(.malformedJSON, 0))
        #expect(decoding.decode(#"{"value":{"id":{}}}"#, type: Decoding.envelope) == .refused(.invalidKey, 0))
    }

    @Test("a request is taken whole or not at all, also across full batches")
    func rollback() {
        let decoding = Decoding { $0.batch = 200 }
        let many = (0..<50).map { "{\"n\":\($0)}" }
        #expect(decoding.decode(many.joined(separator: "\n"), type: "application/x-ndjson") == .events(many.map { SeenEvent(value: $0) }))
        // `decode` proves that nothing is left behind.
        #expect(decoding.decode((many + ["{"]).joined(separator: "\n"), type: "application/x-ndjson") == .refused(.malformedJSON, 50))
    }
}
