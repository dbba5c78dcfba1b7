import ForebayCore
import Testing

@testable import ForebayIngest

@Suite("Envelopes")
struct EnvelopeTests {
    static func decode(_ body: String, topic: String? = "t") -> Decoded {
        Decoding().decode(body, topic: topic, type: Decoding.envelope)
    }

    @Test("every member finds its place")
    func members() {
        let event = SeenEvent(value: #"{"a" : [1.50]}"#, key: "k\n").with {
            $0.id = Array("é-1".utf8)
            $0.timestamp = 1_234
            $0.partition = 7
            $0.headers = [.init(name: "a", value: [0x22]), .init(name: "B", value: nil), .init(name: "a", value: [])]
        }
        let envelope =
            #"{ "id":"\u00e9-1", "key":"k\n", "value": {"a" : [1.50]} , "headers":{"a":"\"","B":null,"a":""},"timestamp":1234,"partition":7 }"#
        #expect(Self.decode(envelope) == .events([event]))
        #expect(Self.decode(" [ \(envelope) , \(envelope)]\n") == .events([event, event]))
        #expect(Decoding().decode("\(envelope)\r\n\n\(envelope)", type: Decoding.envelopeLines) == .events([event, event]))
        #expect(Self.decode(#"{"v\u0061lue":1}"#) == .events([SeenEvent(value: "1")]))
    }

    @Test("null and missing are the same; without a value it is a tombstone")
    func nulls() {
        let tombstone = SeenEvent(value: nil, key: "k")
        for body in [
            #"{"key":"k"}"#, #"{"key":"k","value":null}"#, #"{"key":"k","value_base64":null}"#,
            #"{"key":"k","value":null,"id":null,"headers":null,"timestamp":null,"partition":null}"#, #"{"key_base64":"aw=="}"#,
        ] {
            #expect(Self.decode(body) == .events([tombstone]))
        }
        for body in [
            #"{"key":"k","key_base64":null,"value":1,"value_base64":null}"#,
            #"{"key_base64":null,"key":"k","value_base64":null,"value":1}"#,
            #"{"key":null,"key_base64":"aw==","value":null,"value_base64":"MQ=="}"#,
            #"{"key_base64":"aw==","key":null,"value_base64":"MQ==","value":null}"#,
        ] {
            #expect(Self.decode(body) == .events([SeenEvent(value: "1", key: "k")]))
        }
        #expect(Self.decode("{}") == .events([SeenEvent(value: nil)]))
        #expect(Self.decode("[]") == .events([]))
    }

    @Test("base 64 gives bytes, also with escapes")
    func base64() {
        for (text, bytes) in [
            ("", []), ("AA==", [0]), ("AP8=", [0, 255]), ("AP8K", [0, 255, 10]), (#"\/\/\/\/"#, [255, 255, 255]), (#"\u0041A=="#, [0]),
        ] as [(String, [UInt8])] {
            #expect(Self.decode("{\"value_base64\":\"\(text)\"}") == .events([SeenEvent(value: "").with { $0.value = bytes }]))
            #expect(Self.decode("{\"key_base64\":\"\(text)\"}") == .events([SeenEvent(value: nil).with { $0.key = bytes }]))
        }
        for text in ["A", "AA", "AAA", "A===", "AB==", "AAB=", "AA=A", "====", "AA==AAAA", "AA-_", "AA =", "é==="] {
            #expect(Self.decode("{\"value_base64\":\"\(text)\"}") == .refused(.invalidBase64, 0, "/value_base64"))
        }
    }

    @Test(
        "what no envelope may say is refused, and named",
        arguments: [
            (#"{"valeu":1}"#, .unknownMember, "/valeu"), (#"{"a/b~":1}"#, .unknownMember, "/a~1b~0"),
            (#"{"topic":"t"}"#, .unknownMember, "/topic"),
            (#"{"value":1,"value":1}"#, .repeatedMember, "/value"),
            (#"{"value":1,"value_base64":""}"#, .conflictingMembers, "/value_base64"),
            (#"{"value":null,"value":1}"#, .repeatedMember, "/value"),
            (#"{"key_base64":"","key":"a"}"#, .conflictingMembers, "/key_base64"), (#"{"key":1}"#, .invalidMember, "/key"),
            (#"{"id":[]}"#, .invalidMember, "/id"),
            (#"{"id":""}"#, .invalidID, "/id"), (#"{"id":"a\u0000"}"#, .invalidID, "/id"), (#"{"key":"\ud800"}"#, .invalidText, "/key"),
            (#"{"headers":[]}"#, .invalidMember, "/headers"), (#"{"headers":{"a":1}}"#, .invalidMember, "/headers/a"),
            (#"{"headers":{"a":"\udc00"}}"#, .invalidText, "/headers/a"), (#"{"headers":{"":"x"}}"#, .invalidHeader, "/headers/"),
            (#"{"headers":{"Forebay-ID":"x"}}"#, .reservedHeader, "/headers/Forebay-ID"),
            (#"{"timestamp":-1}"#, .invalidTimestamp, "/timestamp"),
            (#"{"timestamp":1.0}"#, .invalidTimestamp, "/timestamp"), (#"{"timestamp":1e3}"#, .invalidTimestamp, "/timestamp"),
            (#"{"timestamp":true}"#, .invalidTimestamp, "/timestamp"), (#"{"timestamp":"12"}"#, .invalidTimestamp, "/timestamp"),
            (#"{"timestamp":9223372036854775808}"#, .invalidTimestamp, "/timestamp"),
            (#"{"partition":-1}"#, .invalidPartition, "/partition"),
            (#"{"partition":2147483648}"#, .invalidPartition, "/partition"), (#"{"partition":"1"}"#, .invalidPartition, "/partition"),
            (#"{"partition":1.5}"#, .invalidPartition, "/partition"), ("1", .invalidEnvelope, ""), ("\"x\"", .invalidEnvelope, ""),
            ("null", .invalidEnvelope, ""),
            ("[[]]", .invalidEnvelope, ""),
        ] as [(String, ProblemCode, String)])
    func refused(_ body: String, _ code: ProblemCode, _ pointer: String) {
        #expect(Self.decode(body) == .refused(code, 0, pointer))
        #expect(Decoding().decode("{}\n\(body)", type: Decoding.envelopeLines) == .refused(code, 1, pointer))
    }

    @Test(
        "bad JSON names the event",
        arguments: [("[{},{\"value\":01}]", 1), ("[{}", 1), ("{", 0), ("{}{}", 1), ("[{}]1", 1), ("[{}1]", 1), ("tru", 0), ("[{},]", 1)])
    func malformed(_ body: String, _ index: Int) {
        #expect(Self.decode(body) == .refused(.malformedJSON, index))
    }

    @Test("/v1/events: each names its topic, and goes its topic's way")
    func events() {
        let decoding = Decoding {
            $0.routes = [.init(name: "a", topics: ["a", "p.*"]), .init(name: "b", topics: ["b", "p.q.*"])]
            $0.topics = ["b": .init(rename: "b.v2")]
        }
        func decode(_ body: String) -> Decoded { decoding.decode(body, topic: nil, type: Decoding.envelope) }
        func event(_ topic: String, _ value: String) -> SeenEvent { SeenEvent(value: value).with { $0.topic = topic } }
        #expect(
            decode(#"[{"topic":"b","value":1},{"topic":"a","value":2},{"value":3,"topic":"b"},{"topic":"p.q.r","value":4}]"#)
                == .events([event("b.v2", "1"), event("a", "2"), event("b.v2", "3"), event("p.q.r", "4")]))
        #expect(decode(#"[{"topic":"a"},{"value":1}]"#) == .refused(.missingTopic, 1, "/topic"))
        #expect(decode(#"[{"topic":"a"},{"topic":null}]"#) == .refused(.missingTopic, 1, "/topic"))
        #expect(decode(#"[{"topic":"a"},{"topic":"c"}]"#) == .refused(.noRoute, 1, "/topic"))
        #expect(decode(#"[{"topic":"a"},{"topic":"a b"}]"#) == .refused(.invalidTopic, 1, "/topic"))
        #expect(decode(#"{"topic":1}"#) == .refused(.invalidMember, 0, "/topic"))
    }

    @Test(
        "envelopes and Forebay- headers exclude each other",
        arguments: ["Forebay-Key", "Forebay-Id", "Forebay-Timestamp", "Forebay-Header-a"])
    func headers(_ name: String) {
        #expect(Decoding().decode("{}", type: Decoding.envelope, headers: [(name, "1")]) == .refused(.headerForEnvelopes))
    }

    @Test(
        "timestamps are milliseconds or RFC 3339",
        arguments: [
            ("0", 0), ("1700000000123", 1_700_000_000_123), ("9223372036854775807", .max), ("\"1970-01-01T00:00:00Z\"", 0),
            ("\"2026-11-21T13:01:02.345Z\"", 1_795_266_062_345), ("\"2026-11-21t13:01:02.3z\"", 1_795_266_062_300),
            ("\"2026-11-21T15:01:02.3456789+02:00\"", 1_795_266_062_345),
            ("\"2024-02-29T23:59:60-00:30\"", 1_709_253_000_000), ("\"9999-12-31T23:59:59.999Z\"", 253_402_300_799_999),
        ] as [(String, Int64)])
    func timestamps(_ text: String, _ milliseconds: Int64) {
        #expect(Self.decode("{\"timestamp\":\(text)}") == .events([SeenEvent(value: nil).with { $0.timestamp = milliseconds }]))
    }

    @Test(
        "what is no RFC 3339 is refused",
        arguments: [
            "2026-11-21", "2026-11-21T13:01:02", "2026-11-21 13:01:02Z", "2026-13-01T00:00:00Z", "2026-02-29T00:00:00Z",
            "2026-11-21T24:00:00Z", "2026-11-21T13:60:00Z",
            "2026-11-21T13:01:61Z", "2026-11-21T13:01:02.Z", "2026-11-21T13:01:02+0200", "2026-11-21T13:01:02+24:00",
            "2026-11-21T13:01:02ZZ", "1969-12-31T23:59:59Z",
            "26-11-21T13:01:02Z", "2026-11-21T13:01:02Z ", "",
        ])
    func badTimestamps(_ text: String) {
        #expect(Self.decode("{\"timestamp\":\"\(text)\"}") == .refused(.invalidTimestamp, 0, "/timestamp"))
        if text.isEmpty { return }
        #expect(Decoding().decode("x", headers: [("Forebay-Timestamp", text)]) == .refused(.invalidTimestamp))
    }
}
