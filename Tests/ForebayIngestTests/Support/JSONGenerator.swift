/// Makes JSON texts, and spoils them.
struct JSONGenerator {
    var random: SeededGenerator

    init(seed: UInt64) { self.random = SeededGenerator(seed: seed) }

    mutating func text(depth: Int = 0) -> String {
        self.space() + self.value(depth: depth) + self.space()
    }

    mutating func value(depth: Int = 0) -> String {
        switch Int.random(in: 0..<(depth > 5 ? 7 : 10), using: &self.random) {
        case 0: return ["true", "false", "null"].randomElement(using: &self.random)!
        case 1...3: return self.number()
        case 4...6: return self.string()
        case 7: return "[" + self.list { $0.text(depth: depth + 1) } + self.space() + "]"
        default:
            return "{"
                + self.list { generator in
                    generator.space() + generator.string() + generator.space() + ":" + generator.text(depth: depth + 1)
                } + self.space() + "}"
        }
    }

    private mutating func list(_ item: (inout Self) -> String) -> String {
        (0..<Int.random(in: 0...4, using: &self.random)).map { _ in item(&self) }.joined(separator: ",")
    }

    private mutating func space() -> String {
        (0..<[0, 0, 0, 1, 2, 17].randomElement(using: &self.random)!).map { _ in
            [" ", " ", " ", "\t", "\n", "\r"].randomElement(using: &self.random)!
        }.joined()
    }

    private mutating func number() -> String {
        [
            "0", "-0", "1", "-1", "12", "1.5", "-0.0", "1e4", "1E+400", "2e-7", "123456789012345678901234567890", "0.1e1", "1700000000000",
            "3.141592653589793238462643383279", "-9.9E-999",
        ].randomElement(using: &self.random)!
    }

    mutating func string() -> String {
        let pieces = [
            "a", "order_id", "key", " ", "é", "я", "日本", "🎉", "\\n", "\\\"", "\\\\", "\\/", "\\u00e9", "\\ud83c\\udf89", "\\ud800",
            "\\uDC00x",
            "0123456789", "\u{7F}", "\u{2028}", "\\u0000", "a.b",
        ]
        let count = [0, 1, 1, 2, 3, 9].randomElement(using: &self.random)!
        return "\"" + (0..<count).map { _ in pieces.randomElement(using: &self.random)! }.joined() + "\""
    }

    /// The same bytes with one to three small wounds.
    mutating func spoil(_ bytes: [UInt8]) -> [UInt8] {
        var bytes = bytes
        let inserts: [[UInt8]] = [
            [0x22], [0x5C], [0x2C], [0x3A], [0x7B], [0x7D], [0x5B], [0x5D], [0x00], [0x1F], [0x0A], [0x80], [0xC0, 0x80],
            [0xED, 0xA0, 0x80],
            [0xEF, 0xBB, 0xBF], [0xF4, 0x90, 0x80, 0x80], Array("NaN".utf8), Array("Infinity".utf8), Array("-".utf8), Array("0".utf8),
            Array(".".utf8), Array("e".utf8), Array("+".utf8), Array("null".utf8), Array("//".utf8), Array("'".utf8), [0xC2, 0xA0], [0x0C],
        ]
        for _ in 0..<Int.random(in: 1...3, using: &self.random) {
            let place = Int.random(in: 0...bytes.count, using: &self.random)
            switch Int.random(in: 0..<5, using: &self.random) {
            case 0 where place < bytes.count: bytes.remove(at: place)
            case 1 where place < bytes.count: bytes[place] = UInt8.random(in: 0...255, using: &self.random)
            case 2: bytes.removeSubrange(place...)
            case 3 where place < bytes.count: bytes.insert(bytes[place], at: place)
            default: bytes.insert(contentsOf: inserts.randomElement(using: &self.random)!, at: place)
            }
        }
        return bytes
    }
}
