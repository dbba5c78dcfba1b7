import Foundation
import Testing

@testable import forebay

@Suite struct SupportTests {
    @Test(arguments: [
        "null", "true", " [1, -0.5e+3, 12345678901234567890123] ", #"{"a":{"b":[{}],"b":""}}"#, #""\u00e9\ud83d\ude00\/\b""#, "\"ü\"", "[]",
        "{}",
    ])
    func readsJSON(_ text: String) throws {
        let value = try #require(JSONValue(Array(text.utf8)))
        let again = try #require(JSONValue(Array(value.line.utf8)))
        #expect(again == value)
        let theirs = try JSONSerialization.jsonObject(with: Data(text.utf8), options: .fragmentsAllowed)
        let ours = try JSONSerialization.jsonObject(with: Data(value.line.utf8), options: .fragmentsAllowed)
        #expect("\(theirs)" == "\(ours)")
    }

    @Test(arguments: [
        "", " ", "nul", "01", "1.", ".5", "+1", "1e", "-", "NaN", "[1,]", "[,1]", "{\"a\"}", "{\"a\":1,}", "{a:1}", "'a'", "\"\n\"",
        "\"\\x\"", "\"\\u12\"",
        #""\ud83d""#, #""\udc00""#, #""\ud83dx""#, "1 2", "[1]x", "\"a", "[", String(repeating: "[", count: 100_000),
    ])
    func refusesWhatIsNotJSON(_ text: String) {
        #expect(JSONValue(Array(text.utf8)) == nil)
    }

    @Test func refusesStringsThatAreNotUTF8() {
        #expect(JSONValue([0x22, 0xFF, 0x22]) == nil)
        #expect(JSONValue([0x22, 0xED, 0xA0, 0x80, 0x22]) == nil)
    }

    @Test func base64IsFoundations() {
        for count in 0..<50 {
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ count) }
            #expect(Base64.encode(bytes) == Data(bytes).base64EncodedString())
            #expect(Base64.decode(Base64.encode(bytes)) == bytes)
        }
        for text in ["A", "AA", "AAA", "A===", "AB==", "A A=", "ä"] { #expect(Base64.decode(text) == nil) }
    }

    @Test func timesAreFoundations() {
        let formatter = ISO8601DateFormatter()
        formatter.formatOptions = [.withInternetDateTime, .withFractionalSeconds]
        for milliseconds: Int64 in [
            0, 1, 999, 951_782_400_000, 951_868_799_999, 1_709_164_800_123, 1_795_266_062_345, 4_102_444_799_999, -1, -86_400_001,
        ] {
            #expect(Shown.time(milliseconds) == formatter.string(from: Date(timeIntervalSince1970: Double(milliseconds) / 1000)))
            #expect(Shown.milliseconds(of: Shown.time(milliseconds)) == milliseconds)
        }
        for far in [Int64.min, .max, 253_402_300_800_000, -62_135_596_800_001] { #expect(Shown.time(far) == "\(far) ms since 1970") }
        #expect(Shown.time(253_402_300_799_999) == "9999-12-31T23:59:59.999Z")
        for text in ["", "2026-13-21T13:00:00.000Z", "2026-11-21 13:00:00.000Z", "2026-11-21T13:00:00Z", "2026-00-00T00:00:00.000Z"] {
            #expect(Shown.milliseconds(of: text) == nil)
        }
    }

    @Test func numbersForPeople() {
        #expect([0, 999, 1000, 1_234_567, -1000].map(Shown.count) == ["0", "999", "1,000", "1,234,567", "-1,000"])
        #expect([0, 1023, 1024, 1_610_612_736, .max].map(Shown.bytes) == ["0 B", "1023 B", "1.0 KiB", "1.5 GiB", "8192.0 PiB"])
        #expect(
            [0.25, 59.94, 60, 3600, 90_000, .infinity].map(Shown.seconds) == ["250 ms", "59.9 s", "1 m 0 s", "1 h 0 m", "1 d 1 h", "-"])
    }

    @Test func nothingThatATerminalObeysPasses() {
        let red = "\u{1B}[31mred\u{1B}[0m"
        #expect(Terminal.harmless(red + "\n\ta\r") == "\\u001b[31mred\\u001b[0m\n\ta\\u000d", "no style is taken from elsewhere")
        #expect(Terminal.harmless(Terminal.Style.red.begin + "red" + Terminal.Style.end + "\u{1B}") == red + "\\u001b")
        #expect(Terminal.oneLine(Terminal.Style.red.begin).hasPrefix("\\u001b"))
        #expect(Terminal.harmless("\u{1B}[2J\u{1B}") == "\\u001b[2J\\u001b")
        #expect(Terminal.oneLine(red + "\n") == "\\u001b[31mred\\u001b[0m\\u000a")
        #expect(Terminal.harmless(json: "{\r\n\"a\": \"\u{9B}é\"}") == "{ \n\"a\": \"\\u009bé\"}")
        #expect([0.5, 0, .infinity, -.infinity, .nan, 1e300].map(Shown.percent) == ["50 %", "0 %", "-", "-", "-", "-"])
    }

    @Test func linesInPiecesAndWithoutAnEnd() throws {
        let pipe = Pipe()
        var reader = LineReader(file: pipe.fileHandleForReading.fileDescriptor)
        pipe.fileHandleForWriting.write(Data("ab".utf8))
        #expect(try Self.line(reader.next(waiting: 0)) == "idle")
        pipe.fileHandleForWriting.write(Data("c\r\n\nd".utf8))
        #expect(try Self.line(reader.next(waiting: nil)) == "1 abc")
        #expect(try Self.line(reader.next(waiting: nil)) == "2 ")
        try pipe.fileHandleForWriting.close()
        #expect(try Self.line(reader.next(waiting: nil)) == "3 d")
        #expect(try Self.line(reader.next(waiting: nil)) == "end")
    }

    private static func line(_ step: LineReader.Step) -> String {
        switch step {
        case .line(let bytes, let number): "\(number) " + String(decoding: bytes, as: UTF8.self)
        case .idle: "idle"
        case .end: "end"
        }
    }
}
