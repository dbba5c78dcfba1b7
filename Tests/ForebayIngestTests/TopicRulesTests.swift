import Testing

@testable import ForebayIngest

@Suite("Rules of topics and timestamps")
struct TopicRulesTests {
    private static func decode(
        _ body: String, type: String? = nil, rule: TimestampRule = .any, key: String? = nil, headers: [(String, String)] = []
    ) -> Decoded {
        Decoding {
            $0.topics = ["t": .init(key: key.flatMap { JSONPath($0) }, valueIsJSON: true)]
            $0.limits.timestamp = rule
        }.decode(body, type: type, headers: headers)
    }

    @Test(
        "values that must be JSON are checked and have their key, whatever the request says they are",
        arguments: [
            nil, "text/plain", "application/x-www-form-urlencoded", "application/json",
        ])
    func json(type: String?) {
        let body = #"{"id":"k1","a":[1]}"#
        #expect(Self.decode(body, type: type, key: "$.id") == .events([SeenEvent(value: body, key: "k1")]))
        #expect(Self.decode(#"{"id":"k1""#, type: type, key: "$.id") == .refused(.malformedJSON, 0))
        #expect(Self.decode("a=1&b=2", type: type) == .refused(.malformedJSON, 0))
        let given = Self.decode(body, type: type, key: "$.id", headers: [("Forebay-Key", "mine")])
        #expect(given == .events([SeenEvent(value: body, key: "mine")]))
    }

    @Test("so are values in base 64; a tombstone is none")
    func base64() {
        let type = Decoding.envelope
        #expect(
            Self.decode(#"{"value_base64":"eyJpZCI6NX0="}"#, type: type, key: "$.id") == .events([SeenEvent(value: #"{"id":5}"#, key: "5")])
        )
        #expect(Self.decode(#"{"value_base64":"AP8="}"#, type: type) == .refused(.malformedJSON, 0, "/value_base64"))
        #expect(Self.decode(#"{"key":"k"}"#, type: type) == .events([SeenEvent(value: nil, key: "k")]))
    }

    @Test("other topics take any bytes")
    func any() {
        #expect(Decoding().decode("{", type: nil) == .events([SeenEvent(value: "{")]))
    }

    @Test(
        "near timestamps are 0, and from 2000 to a day ahead",
        arguments: [
            (0, true), (1, false), (1_795_266_062, false), (946_684_799_999, false), (946_684_800_000, true), (Decoding.now, true),
            (Decoding.now + 86_400_000, true), (Decoding.now + 86_400_001, false), (Int64.max, false),
        ] as [(Int64, Bool)])
    func near(time: Int64, isTaken: Bool) {
        #expect((TimestampRule.near.fault(in: time, now: Decoding.now) == nil) == isTaken)
        #expect(TimestampRule.any.fault(in: time, now: Decoding.now) == nil)
        let decoded = Self.decode("1", rule: .near, headers: [("Forebay-Timestamp", "\(time)")])
        #expect(decoded == (isTaken ? .events([SeenEvent(value: "1").with { $0.timestamp = time }]) : .refused(.invalidTimestamp)))
        let envelope = Self.decode(#"{"value":1,"timestamp":\#(time)}"#, type: Decoding.envelope, rule: .near)
        #expect(
            envelope
                == (isTaken ? .events([SeenEvent(value: "1").with { $0.timestamp = time }]) : .refused(.invalidTimestamp, 0, "/timestamp")))
    }

    @Test("a timestamp that is refused is shown as a date, as far as RFC 3339 has years")
    func shown() {
        for (time, date) in [
            (1_795_266_062, "1970-01-21T18:41:06.062Z"), (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
            (253_402_300_800_000, "after the year 9999"), (.max, "after the year 9999"),
        ] as [(Int64, String)] {
            #expect(TimestampRule.near.fault(in: time, now: Decoding.now)?.hasPrefix("\(time) is \(date), ") == true)
        }
    }
}
