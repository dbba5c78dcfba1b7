import Foundation
import Testing

@testable import ForebayTelemetry

@Suite("JSON writer")
struct JSONWriterTests {
    @Test("places commas, brackets and nulls")
    func exactText() {
        var json = JSONWriter()
        json.object {
            $0.field("a", 1)
            $0.object("b") { _ in }
            $0.array("c") {
                $0.number(1.5)
                $0.bool(true)
                $0.null()
                $0.array { _ in }
                $0.object { $0.field("d", "e") }
            }
            $0.field("f", Optional<String>.none)
            $0.field("g", Optional<Int>.some(-3))
            $0.field("h", UInt64.max)
            $0.field("i", Double.infinity)
            $0.key("j")
            $0.raw("[1,2]".utf8)
        }
        #expect(
            json.text
                == #"{"a":1,"b":{},"c":[1.5,true,null,[],{"d":"e"}],"f":null,"g":-3,"h":18446744073709551615,"i":null,"j":[1,2]}"#)
    }

    @Test("escapes what RFC 8259 demands and what terminals obey")
    func escapes() {
        var json = JSONWriter()
        json.string("a\"\\/\n\r\t\u{0}\u{1B}\u{7F}\u{9B}\u{2028}\u{202E}ü€😀")
        #expect(json.text == #""a\"\\/\n\r\t\u0000\u001b\u007f\u009b\u2028\u202eü€😀""#)
    }

    @Test("any string comes back from another parser as it was")
    func roundTrip() throws {
        var generator = SplitMix(seed: 3)
        for _ in 0..<2000 {
            var text = ""
            for _ in 0..<Int.random(in: 0..<12, using: &generator) {
                let limit: UInt32 = [0x80, 0x100, 0x3000, 0x11_0000].randomElement(using: &generator)!
                if let scalar = Unicode.Scalar(UInt32.random(in: 0..<limit, using: &generator)) { text.unicodeScalars.append(scalar) }
            }
            var json = JSONWriter()
            json.object { $0.field("text", text) }
            let back = try #require(try parsedJSON(json.text)["text"] as? String)
            #expect(Array(back.unicodeScalars) == Array(text.unicodeScalars))
        }
    }

    @Test(
        "any double comes back as it was",
        arguments: [0, -0.0, 1e-5, 1e16, 1e300, .leastNonzeroMagnitude, 0.1, 1234.5678, .greatestFiniteMagnitude])
    func doubles(value: Double) throws {
        var json = JSONWriter()
        json.object { $0.field("n", value) }
        #expect(try parsedJSON(json.text)["n"] as? Double == value)
    }
}
