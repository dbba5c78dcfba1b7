import Testing

@testable import ForebayIngest

@Suite("JSON scanner")
struct JSONScannerTests {
    /// Copied to the end of a page-sized block, so that a read beyond the end is more likely to be seen.
    static func fault(in bytes: [UInt8]) -> JSONFault? {
        bytes.withUnsafeBytes { raw in
            do throws(JSONFault) {
                try JSONScanner.check(raw)
                return nil
            } catch {
                return error
            }
        }
    }

    static func fault(in text: String) -> JSONFault? {
        Self.fault(in: Array(text.utf8))
    }

    @Test(
        "takes what the grammar takes",
        arguments: [
            "0", "-0", "1e400", "-1E-400", "123456789012345678901234567890", "0.0", "1E+2", "\"\"", "true", "false", "null", "[]", "{}",
            "[ ]",
            "{ }", " 1 ", "\r\n\t[1 , 2]\n", #""\ud800""#, #""\uDC00\ud800""#, #""\u0000""#, #""\/\b\f\n\r\t\"\\""#, #"{"a":1,"a":2}"#,
            #"{"":0}"#,
            "\"\u{7F}\"", "\"\u{2028}\u{10FFFF}\"", "\"\u{FEFF}\"", #"[[[]],{"a":[{}]}]"#, "\"é日本🎉\"", "[1,2,3,4,5,6,7,8,9]", "\"1234567\"",
            "\"12345678\"", "\"123456789\"",
        ])
    func takes(_ text: String) {
        #expect(Self.fault(in: text) == nil)
    }

    @Test(
        "names the place and the reason of a fault",
        arguments: [
            ("", 0, .unexpectedEnd), ("  ", 2, .unexpectedEnd), ("{", 1, .unexpectedEnd), ("[1,", 3, .unexpectedEnd),
            ("\"ab", 3, .unexpectedEnd),
            ("tru", 3, .unexpectedEnd), ("-", 1, .unexpectedEnd), ("1.", 2, .unexpectedEnd), ("1e", 2, .unexpectedEnd),
            ("[1}", 2, .expectedCommaOrBracket),
            ("{\"a\":1]", 6, .expectedCommaOrBrace), ("{\"a\" 1}", 5, .expectedColon), ("{a:1}", 1, .expectedName),
            ("{\"a\":1,}", 7, .expectedName),
            ("[1,]", 3, .expectedValue), ("[,1]", 1, .expectedValue), ("NaN", 0, .expectedValue), ("Infinity", 0, .expectedValue),
            ("-Infinity", 0, .number),
            ("nan", 0, .literal), ("01", 0, .number), ("-01", 0, .number), ("[1.]", 1, .number), ("[.5]", 1, .expectedValue),
            ("+1", 0, .expectedValue),
            ("1 2", 2, .trailing), ("{}{}", 2, .trailing), ("0x10", 1, .trailing), ("'a'", 0, .expectedValue), ("\"a\tb\"", 2, .control),
            ("\"\\x\"", 1, .escape), ("\"\\u12G4\"", 1, .escape), ("\"\\u12", 5, .unexpectedEnd), ("truE", 0, .literal),
            ("\u{FEFF}1", 0, .byteOrderMark),
            ("/**/1", 0, .expectedValue), ("[1\u{A0}]", 2, .expectedCommaOrBracket),
        ] as [(String, Int, JSONFault.Reason)])
    func refuses(_ text: String, offset: Int, reason: JSONFault.Reason) {
        #expect(Self.fault(in: text) == JSONFault(reason, at: offset))
    }

    @Test("refuses control characters outside strings, which test names can't show")
    func controls() {
        #expect(Self.fault(in: "[1]\u{0}") == JSONFault(.trailing, at: 3))
        #expect(Self.fault(in: "\u{C}1") == JSONFault(.expectedValue, at: 0))
        #expect(Self.fault(in: "[\u{0}1]") == JSONFault(.expectedValue, at: 1))
    }

    @Test(
        "refuses what is not UTF-8, in short and long strings",
        arguments: [
            [0x80], [0xBF], [0xC0, 0x80], [0xC1, 0xBF], [0xC2], [0xC2, 0x41], [0xE0, 0x9F, 0xBF], [0xE2, 0x82], [0xED, 0xA0, 0x80],
            [0xED, 0xBF, 0xBF],
            [0xF0, 0x8F, 0xBF, 0xBF], [0xF0, 0x9F, 0x8E], [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xFF], [0xFE],
        ] as [[UInt8]])
    func refusesEncoding(_ sequence: [UInt8]) {
        for padding in 0..<20 {
            let text = [0x22] + [UInt8](repeating: 0x61, count: padding) + sequence + [UInt8](repeating: 0x61, count: 19 - padding) + [0x22]
            #expect(Self.fault(in: text) == JSONFault(.encoding, at: 1 + padding))
        }
    }

    @Test("allows 64 containers inside each other, arrays, objects and both")
    func depth() {
        for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("[{\"a\":", "}]")] {
            let each = open.contains("[{") ? 2 : 1
            let inside = open == "[" ? "" : "0"
            func nested(_ levels: Int) -> String {
                String(repeating: open, count: levels / each) + inside + String(repeating: close, count: levels / each)
            }
            #expect(Self.fault(in: nested(64)) == nil)
            #expect(Self.fault(in: nested(64 + each))?.reason == .depth)
            #expect(Self.fault(in: nested(1000))?.reason == .depth)
        }
        #expect(Self.fault(in: "[" + Array(repeating: "[[]]", count: 500).joined(separator: ",") + "]") == nil)
    }

    @Test("agrees with Python's json on 40,000 made and spoilt texts", .enabled(if: Python.isPresent, "needs python3"))
    func oracle() throws {
        var generator = JSONGenerator(seed: 4)
        var cases: [[UInt8]] = []
        for _ in 0..<10_000 {
            let text = Array(generator.text().utf8)
            cases.append(text)
            for _ in 0..<3 { cases.append(generator.spoil(text)) }
        }
        let verdicts = try Python.judge(
            """
            for data in cases():
                try:
                    strict(data)
                    print('yes' if depth(data) <= 64 else 'deep')
                except (ValueError, RecursionError):
                    print('no')
            """, cases: cases)
        #expect(verdicts.count == cases.count)
        let taken = verdicts.count { $0 == "yes" }
        // A generator that makes nothing but rubbish, or nothing but good texts, would prove little.
        #expect(taken > 10_000 && taken < 30_000)
        for (bytes, verdict) in zip(cases, verdicts) {
            let fault = Self.fault(in: bytes)
            if (fault == nil) != (verdict == "yes") {
                Issue.record("Python: \(verdict), scanner: \(String(describing: fault)), text: \(String(decoding: bytes, as: UTF8.self))")
            }
        }
    }
}
