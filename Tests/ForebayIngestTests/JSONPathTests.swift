import Testing

@testable import ForebayIngest

@Suite("JSON path")
struct JSONPathTests {
    enum Key: Equatable { case none, text(String), bytes(String), container, surrogate, fault }

    static func key(_ path: String, in bytes: [UInt8]) -> Key {
        var unescaper = JSONUnescaper()
        return bytes.withUnsafeBytes { raw in
            do throws(JSONFault) {
                switch try JSONPath(path)!.find(in: raw, &unescaper) {
                case .none: return .none
                case .container: return .container
                case .scalar(let range): return .bytes(String(decoding: raw[range], as: UTF8.self))
                case .string(let range):
                    return .text(String(decoding: try unescaper.text(of: raw.slice(range), at: range.lowerBound), as: UTF8.self))
                }
            } catch {
                return error.reason == .surrogate ? .surrogate : .fault
            }
        }
    }

    @Test(
        "finds the key",
        arguments: [
            ("$.id", #"{"id":"a"}"#, .text("a")), ("$.id", #" { "x" : [1,{"id":2}] , "id" : 7 } "#, .bytes("7")),
            ("$.id", #"{"id":-1.50e3}"#, .bytes("-1.50e3")),
            ("$.id", #"{"id":true}"#, .bytes("true")), ("$.id", #"{"id":null}"#, .none), ("$.id", #"{"ID":"a"}"#, .none),
            ("$.id", #"{"id":{}}"#, .container),
            ("$.id", #"{"id":[1]}"#, .container), ("$.id", #""id""#, .none), ("$.id", "[1]", .none),
            ("$.a.b", #"{"a":{"b":"c"}}"#, .text("c")),
            ("$.a.b", #"{"a":"b"}"#, .none), ("$.a.b", #"{"a":null}"#, .none), ("$.a.b", #"{"a":{"b":{"c":1}}}"#, .container),
            ("$.a.b", #"{"a.b":1}"#, .none),
            ("$.id", #"{"id":"\u00e9\n\ud83c\udf89\/"}"#, .text("é\n🎉/")), ("$.id", #"{"id":"\ud800"}"#, .surrogate),
            ("$.id", #"{"id":"\udc00\ud800"}"#, .surrogate),
            ("$.id", #"{"id":"\ud800\u0041"}"#, .surrogate), ("$.id", #"{"\u0069d":"x"}"#, .text("x")),
            ("$.id", #"{"\ud800":1,"id":"x"}"#, .text("x")),
            ("$.id", #"{"id":""}"#, .text("")), ("$.é", #"{"é":1}"#, .bytes("1")),
        ] as [(String, String, Key)])
    func finds(_ path: String, _ text: String, _ key: Key) {
        #expect(Self.key(path, in: Array(text.utf8)) == key)
    }

    @Test("the last of several members with one name counts")
    func lastWins() {
        #expect(Self.key("$.id", in: Array(#"{"id":1,"id":2}"#.utf8)) == .bytes("2"))
        #expect(Self.key("$.id", in: Array(#"{"id":1,"id":null}"#.utf8)) == .none)
        #expect(Self.key("$.a.b", in: Array(#"{"a":{"b":1},"a":{"b":2,"b":3}}"#.utf8)) == .bytes("3"))
        #expect(Self.key("$.a.b", in: Array(#"{"a":{"b":1},"a":4}"#.utf8)) == .none)
    }

    @Test(
        "checks the whole text, also behind the key and around it",
        arguments: [#"{"id":1"#, #"{"id":1}x"#, #"{"id":1,"b":01}"#, "[1", "", #"{"id":1,}"#])
    func checks(_ text: String) {
        #expect(Self.key("$.id", in: Array(text.utf8)) == .fault)
    }

    @Test("refuses what is no path", arguments: ["", "$", "$.", "id", "$.a..b", "$.a[0]", "$['a']", "$.*", "$.a b", "a.b"])
    func refuses(_ path: String) {
        #expect(JSONPath(path) == nil)
    }

    @Test("agrees with Python on texts it made and spoilt", .enabled(if: Python.isPresent, "needs python3"))
    func oracle() throws {
        var generator = JSONGenerator(seed: 5)
        var cases: [[UInt8]] = []
        for _ in 0..<6_000 {
            let inner =
                Bool.random(using: &generator.random) ? "{\"key\":\(generator.text()),\"a\":\(generator.text())}" : generator.value()
            let text = Array("{\(generator.string()):\(generator.text()), \"key\" : \(inner),\(generator.string()):1}".utf8)
            cases.append(text)
            cases.append(generator.spoil(text))
        }
        let script = """
            class Pairs(list): pass
            def last(value, name):
                found = None
                for k, v in value:
                    if k == name: found = v
                return found
            def tell(value):
                if value is None: return 'none'
                if isinstance(value, Number): return 'bytes ' + value
                if value is True: return 'bytes true'
                if value is False: return 'bytes false'
                if isinstance(value, list): return 'container'
                try: return 'text ' + value.encode('utf-8').hex()
                except UnicodeEncodeError: return 'surrogate'
            class Number(str): pass
            for data in cases():
                try:
                    v = json.loads(data.decode('utf-8'), parse_constant=refuse, parse_int=Number, parse_float=Number, object_pairs_hook=Pairs)
                    one = last(v, 'key') if isinstance(v, Pairs) else None
                    two = last(one, 'key') if isinstance(one, Pairs) else None
                    print(tell(one) + ';' + tell(two))
                except (ValueError, RecursionError):
                    print('fault;fault')
            """
        let verdicts = try Python.judge(script, cases: cases)
        #expect(verdicts.count == cases.count)
        for (bytes, verdict) in zip(cases, verdicts) {
            let ours = ["$.key", "$.key.key"].map { Self.told(Self.key($0, in: bytes)) }.joined(separator: ";")
            if ours != verdict { Issue.record("Python: \(verdict), ours: \(ours), text: \(String(decoding: bytes, as: UTF8.self))") }
        }
    }

    static func told(_ key: Key) -> String {
        switch key {
        case .none: "none"
        case .text(let text): "text " + text.utf8.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        case .bytes(let bytes): "bytes " + bytes
        case .container: "container"
        case .surrogate: "surrogate"
        case .fault: "fault"
        }
    }
}
